/**
 * A process to be killed: `crash-child.ts sender|receiver PORT DIRECTORY SECRET COUNT`. The sender says `line 1` to
 * `line COUNT`; the receiver appends what it is shown to DIRECTORY/received, and writes a dot. Both go on where the one before was
 * killed, and end when all is done.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openEngineDevice } from '@skytale/cryptodev';
import { openNodeClient } from '../../packages/chat/src/client/node/node-client.ts';
import { quick } from '../../packages/chat/src/client/testing/room-fixture.ts';
import { RoomKeys } from '../../packages/chat/src/encryption/key-schedule.ts';
import { parseServerAddress } from '../../packages/chat/src/encryption/server-address.ts';
import { nodeCrypto } from '../../packages/chat/src/node-crypto.ts';

const [role = '', port, directory = '', secret = '', count] = process.argv.slice(2);
const device = await openEngineDevice('node');
const client = await openNodeClient({
  server: parseServerAddress(`127.0.0.1:${port}`),
  keys: await RoomKeys.derive(nodeCrypto(), Buffer.from(secret, 'hex')),
  name: role,
  device,
  stateDirectory: directory,
  autoConfirm: false,
  tuning: quick,
});
client.on('warning', ({ text }) => process.stderr.write(`${text}\n`));
client.on('fatal', (error) => {
  throw error;
});
client.start();
await (role === 'sender' ? sendAll() : receiveAll());
await client.close();
await device.close();

/** What is durable need not be said again: its number tells which line it was. */
async function sendAll(): Promise<void> {
  client.on('message', ({ key }) => void client.confirm(key));
  const sends: Promise<unknown>[] = [];
  for (let line = client.lastSent + 1; line <= Number(count); line += 1)
    sends.push(client.send(`line ${line}`));
  await Promise.all(sends);
  await client.flush();
}

async function receiveAll(): Promise<void> {
  const file = join(directory, 'received');
  const before = existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0;
  let shown = before;
  const done = Promise.withResolvers<void>();
  const check = () => {
    if (shown >= Number(count)) done.resolve();
  };
  check();
  client.on('message', ({ key, seq, text, again }) => {
    // Of what may have been shown, the file knows whether it was. Of all else it must not know.
    const known = seq <= before;
    if (known && !again) throw new Error(`message ${seq} was shown, confirmed, and comes again`);
    if (!known) {
      appendFileSync(file, `${text}\n`);
      shown += 1;
    }
    void client.confirm(key);
    process.stdout.write('.');
    check();
  });
  await done.promise;
}
