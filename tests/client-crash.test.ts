/** Clients and a server that are killed in the middle: nothing is lost, and nothing is shown twice. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createRoomOf } from '../packages/chat/src/client/testing/create-room-of.ts';
import { RoomFixture } from '../packages/chat/src/client/testing/room-fixture.ts';
import { nodeCrypto } from '../packages/chat/src/node-crypto.ts';
import { ChatServer } from '../packages/chat/src/server/index.ts';

const COUNT = 1200;
const program = fileURLToPath(new URL('./support/crash-child.ts', import.meta.url));

it('killing sender and receiver again and again loses no message and shows none twice', async (t) => {
  const secret = await nodeCrypto().sha256(Buffer.from('crash test'));
  await using room = await RoomFixture.open(secret);
  const host = '127.0.0.1';
  const data = join(room.directory, 'server');
  await using server = await ChatServer.start({
    tcp: [{ host, port: 0 }],
    http: [],
    data,
    framesPerSecond: 0,
  });
  const { port } = server.addresses.tcp[0]!;
  await createRoomOf(room, port);
  const received = join(room.directory, 'received');
  const argument = Buffer.from(secret).toString('hex');
  const start = (role: string): ChildProcess => {
    const child = spawn(process.execPath, [program, role, `${port}`, room.directory, argument, `${COUNT}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => kill(child));
    return child;
  };

  let [sender, receiver] = [start('sender'), start('receiver')];
  for (const more of [100, 300]) {
    await shown(receiver, more);
    await Promise.all([kill(sender), kill(receiver)]);
    [sender, receiver] = [start('sender'), start('receiver')];
  }
  assert.deepEqual(await Promise.all([exitCode(sender), exitCode(receiver)]), [0, 0]);
  const lines = readFileSync(received, 'utf8').trimEnd().split('\n');
  assert.deepEqual(
    lines,
    Array.from({ length: COUNT }, (_, index) => `line ${index + 1}`),
  );
});

async function kill(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

async function exitCode(child: ChildProcess): Promise<number | null> {
  child.stdout?.resume();
  if (!hasEnded(child)) await once(child, 'exit');
  return child.exitCode;
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** Resolves when the receiver has shown `count` messages, or all: it writes a dot for each. */
async function shown(receiver: ChildProcess, count: number): Promise<void> {
  let dots = 0;
  for await (const data of receiver.stdout!.iterator({ destroyOnReturn: false })) {
    dots += data.length;
    if (dots >= count) return;
  }
}
