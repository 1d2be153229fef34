/** What a WebSocket may make the server keep before it is in a room, and after. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, test } from 'node:test';
import { createWebSocketStream, WebSocket } from 'ws';
import { encodeFrame } from '../protocol/frames.ts';
import { newKeyPair, RawClient } from './raw-client.testing.ts';
import { webSocketFrame as frame, openRaw } from './raw-web-socket.testing.ts';
import { startServer, until } from './server.testing.ts';

const anyPort = [{ host: '127.0.0.1', port: 0 }];
const HOUR_MS = 3_600_000;
/** Without time-outs: they would close in the end what a limit must close at once. */
const start = () => startServer({ http: anyPort, helloTimeoutMs: HOUR_MS, idleTimeoutMs: HOUR_MS });

/** Writes until all is written or the server has had enough. Resolves when the connection is closed. @returns bytes that left */
async function writeUntilClosed(socket: Socket, piece: Buffer, times: number): Promise<number> {
  socket.resume();
  for (let count = 0; count < times && !socket.destroyed; count += 1) {
    if (!socket.write(piece))
      await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => []);
  }
  if (!socket.closed) await once(socket, 'close').catch(() => undefined);
  return socket.bytesWritten;
}

describe('a WebSocket before it is in a room', { timeout: 60_000 }, () => {
  test('may not send a message in fragments without end, alone or in a crowd', async () => {
    await using server = await start();
    const sockets = await Promise.all(Array.from({ length: 25 }, () => openRaw(server.addresses.http[0]!)));
    const fragment = frame('continuation', Buffer.alloc(1), false);
    await Promise.all(
      sockets.map((socket) => {
        socket.write(frame('binary', Buffer.alloc(1), false));
        return writeUntilClosed(socket, Buffer.concat(Array.from({ length: 100 }, () => fragment)), 160);
      }),
    );
    await until(() => server.counters.sockets === 0);
    // What is in fragments was never a frame: none of it came through.
    assert.equal(server.counters.bytesIn, 0);
  });

  test('is closed at the first fragment too many, and not before', async () => {
    await using server = await start();
    for (const [fragments, closes] of [
      [128, false],
      [129, true],
    ] as const) {
      const socket = await openRaw(server.addresses.http[0]!);
      const bytes = encodeFrame({ type: 'ping', token: 1 });
      const parts = Array.from({ length: fragments }, (_, index) =>
        frame(
          index === 0 ? 'binary' : 'continuation',
          bytes.subarray(index, index + 1),
          index === fragments - 1,
        ),
      );
      const before = server.counters.bytesIn;
      socket.write(Buffer.concat(parts));
      if (closes) await once(socket.resume(), 'close');
      else await until(() => server.counters.bytesIn === before + bytes.length);
      socket.destroy();
    }
  });

  test('may not fill the memory between its fragments with control frames', async () => {
    await using server = await start();
    const socket = await openRaw(server.addresses.http[0]!);
    socket.write(frame('binary', Buffer.alloc(1), false));
    const pongs = Buffer.concat(Array.from({ length: 8 }, () => frame('ping', Buffer.alloc(125), true)));
    assert((await writeUntilClosed(socket, pongs, 100_000)) < 100_000 * pongs.length);
    await until(() => server.counters.sockets === 0);
  });

  test('may not begin a message longer than any JOIN; afterwards it may', async () => {
    await using server = await start();
    const { port } = server.addresses.http[0]!;
    const open = async () => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`);
      const client = new RawClient(createWebSocketStream(socket));
      await client.welcomed();
      return client;
    };
    const early = await openRaw(server.addresses.http[0]!);
    // Nor the first part of one: it would be kept until the rest comes.
    early.write(frame('binary', Buffer.alloc(200_000)).subarray(0, 20_000));
    await once(early.resume(), 'close');
    const client = await open();
    const access = newKeyPair();
    client.create(access);
    await client.next('created');
    await client.join(access, newKeyPair());
    await client.next('live');
    client.publish(new Uint8Array(200_000));
    await client.next('ack');
    await client.close();
  });
});

describe('a stream before it is in a room', () => {
  test('may not begin a frame longer than any JOIN', async () => {
    await using server = await start();
    await using client = await RawClient.connect(server.addresses.tcp[0]!);
    client.stream.write(Uint8Array.of(0, 0, 4, 1, 1));
    assert.equal(await client.fatalError(), 'FRAME_TOO_LARGE');
  });
});
