/** `skytale start`: a server with a room of its own, and all that one needs to know to talk in it. */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import {
  createRoom,
  formatInvite,
  type Invite,
  nodeCrypto,
  parseInvite,
  parseServerAddress,
} from '@skytale/chat';
import { CommandError } from '../command-error.ts';
import { openDevice, tryDevice } from '../crypto.ts';
import type { ServerValues } from '../program.ts';
import { type Listening, runServer } from '../server-run.ts';
import { whenReaderLeaves, writeOut } from '../stdio.ts';
import { type Style, styleFor } from '../style.ts';
import { table } from '../table.ts';

/** The invite to the room that `start` makes, in the data directory; for its owner alone. */
const inviteFile = 'start-room.invite';

export async function start(values: ServerValues): Promise<number> {
  await using device = await openDevice('auto');
  const milliseconds = await tryDevice(device);
  whenReaderLeaves(() => {});
  return await runServer(values, async (listening) => {
    const invite = await ownRoom(values.data, listening, values['tls-cert'] !== undefined);
    const crypto = `${device.name}, tested: ${milliseconds.toFixed(1)} ms there and back`;
    await writeOut(describe(formatInvite(invite), listening, values.data, crypto, styleFor(process.stdout)));
  });
}

/** The room of the data directory, which is made on the first start. */
async function ownRoom(data: string, listening: Listening, tls: boolean): Promise<Invite> {
  const [address] = listening.tcp;
  if (address === undefined)
    throw new CommandError('"skytale start" needs --listen; "skytale serve" does without.');
  const transport = tls ? 'tls' : 'tcp';
  const server = parseServerAddress(reachable(address), transport);
  const file = join(data, inviteFile);
  if (existsSync(file)) return { ...(await readInvite(file)), server };
  const invite = await createRoom({ crypto: nodeCrypto(), server });
  writeFileSync(`${file}.new`, `${formatInvite(invite)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return invite;
}

async function readInvite(file: string): Promise<Invite> {
  try {
    return await parseInvite(nodeCrypto(), readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new CommandError(`${file} is damaged. Delete it; the next start makes a new room.`, 1, { cause });
  }
}

/** Where others reach a server that listens at all addresses: the first one that is not only for this machine. */
function reachable(address: string): string {
  const [, wildcard, port] = /^(0\.0\.0\.0|\[::\]):(\d+)$/.exec(address) ?? [];
  if (wildcard === undefined) return address;
  const others = Object.values(networkInterfaces()).flatMap((found) => found ?? []);
  const outer = others.find(({ internal, family }) => !internal && family === 'IPv4');
  return `${outer?.address ?? '127.0.0.1'}:${port}`;
}

/**
 * In the repository, and wherever else npm has installed it for a project, the shell finds it by npx only: with
 * `--no-install`, since in another directory npx would ask a registry for a package of this name and run it.
 */
const commandName = (): string =>
  existsSync(join(process.cwd(), 'node_modules/.bin/skytale')) ? 'npx --no-install skytale' : 'skytale';

function describe(
  link: string,
  { tcp, http }: Listening,
  data: string,
  crypto: string,
  style: Style,
): string {
  const rows = [
    ['Server', [...tcp, ...http.map((address) => `http://${address}`)].join(', ')],
    ['Data', data],
    ['Crypto', crypto],
    ['Invite', style('cyan', link)],
  ];
  return `
${table(rows.map(([name = '', value = '']) => [style('bold', name), value]))}

  To talk, type this in a second terminal (and in a third, with another name):

  ${style('bold', `${commandName()} chat '${link}' --name alice`)}

  Whoever has the invite can read and write in the room. Ctrl-C ends the server; the room stays.

`;
}
