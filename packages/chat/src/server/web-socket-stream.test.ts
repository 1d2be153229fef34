/** A WebSocket's messages as a stream: what short and empty ones cost, and how it ends. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { describe, test } from 'node:test';
import { type Connection, WEB_SOCKET_FRAME_COST } from './connection.ts';
import { openRaw, webSocketFrame } from './raw-web-socket.testing.ts';
import { startServer, until } from './server.testing.ts';
import { serverSettings } from './settings.ts';
import type { AdmittedSocket } from './sockets.ts';
import { acceptWebSockets } from './web-socket.ts';
import { FrameCount } from './web-socket-frames.ts';

interface Pair extends AsyncDisposable {
  readonly connection: Connection;
  /** The server's end and the client's. */
  readonly below: Socket;
  readonly client: Socket;
}

/** A WebSocket that was accepted, and the socket of its client, whose handshake is done. */
async function pair(): Promise<Pair> {
  const server = createServer();
  const accepted = Promise.withResolvers<Connection>();
  let below: Socket | undefined;
  acceptWebSockets(server, {
    settings: serverSettings({}),
    admittedOf: (request) => {
      below = request.socket;
      const admitted: Partial<AdmittedSocket> = { socket: below, becameConnection: () => undefined };
      return admitted as AdmittedSocket;
    },
    onConnection: accepted.resolve,
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = await openRaw({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
  return {
    connection: await accepted.promise,
    below: below!,
    client,
    async [Symbol.asyncDispose]() {
      client.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

const fragment = (index: number, last: number) =>
  webSocketFrame(
    index === 0 ? 'binary' : 'continuation',
    Buffer.alloc(index === last ? 1 : 0),
    index === last,
  );

test('a burst of bytes has as many of the shortest WebSocket messages as a burst of frames has frames, or a few more', () => {
  const { bytesBurst, bytesPerSecond, framesBurst, framesPerSecond } = serverSettings({});
  const most = bytesBurst / WEB_SOCKET_FRAME_COST;
  assert(most >= framesBurst && most < 1.2 * framesBurst, String(most));
  // Who keeps to the rate of frames has bytes left.
  assert(framesPerSecond * WEB_SOCKET_FRAME_COST < bytesPerSecond);
});

describe('a WebSocket as a stream', { timeout: 20_000 }, () => {
  test('hands on the messages of one piece as one, also those that came while it was paused', async () => {
    await using it = await pair();
    const { stream } = it.connection;
    const messages = 20_000;
    let pieces = 0;
    it.below.on('data', () => {
      pieces += 1;
    });
    let handedOn = 0;
    let bytes = 0;
    stream.on('data', (piece: Buffer) => {
      handedOn += 1;
      bytes += piece.length;
    });
    stream.pause();
    const sent = Buffer.concat(
      Array.from({ length: messages }, () => webSocketFrame('binary', Buffer.alloc(1))),
    );
    it.client.write(sent);
    await until(() => it.below.bytesRead > 0);
    stream.resume();
    await until(() => bytes === messages);
    assert(handedOn <= pieces, `${handedOn} pieces of ${pieces}`);
  });

  test('does not read its socket while it is paused', async () => {
    await using it = await pair();
    it.connection.stream.on('data', () => undefined);
    const { stream } = it.connection;
    stream.pause();
    assert(it.below.isPaused());
    stream.resume();
    await until(() => !it.below.isPaused());
    // In the midst of what comes, and between being told to go on and doing so.
    stream.once('data', () => stream.resume().pause());
    it.client.write(webSocketFrame('binary', Buffer.alloc(1)));
    await until(() => stream.isPaused());
    await new Promise((resolve) => setImmediate(resolve));
    assert(it.below.isPaused());
  });

  test('tells what its frames cost, whatever they bring', async () => {
    await using it = await pair();
    let cost = 0;
    it.connection.watch((more) => {
      cost += more;
    });
    let bytes = 0;
    it.connection.stream.on('data', (piece: Buffer) => {
      bytes += piece.length;
    });
    it.client.write(Buffer.concat(Array.from({ length: 128 }, (_, index) => fragment(index, 127))));
    await until(() => bytes === 1);
    assert(cost >= 128 * WEB_SOCKET_FRAME_COST, String(cost));
  });

  for (const [what, opcode] of [
    ['an empty message', 'binary'],
    ['a text', 'text'],
  ] as const) {
    test(`ends with ${what}, says why, and hands on nothing behind it`, async () => {
      await using it = await pair();
      let handedOn = '';
      it.connection.stream.on('data', (piece: Buffer) => {
        handedOn += piece.toString();
      });
      const bad = webSocketFrame(opcode, Buffer.alloc(opcode === 'text' ? 1 : 0));
      it.client.write(
        Buffer.concat([
          webSocketFrame('binary', Buffer.from('before')),
          bad,
          webSocketFrame('binary', Buffer.from('after')),
        ]),
      );
      const [answer] = (await once(it.client, 'data')) as [Buffer];
      assert.equal(answer[0], 0x88);
      assert.equal(answer.readUInt16BE(2), 1003);
      assert.equal(handedOn, 'before');
      it.client.write(webSocketFrame('close', Buffer.alloc(0)));
      await once(it.connection.stream, 'close');
    });
  }

  test('is cut off where the client goes on all the same', async () => {
    await using it = await pair();
    const empty = Buffer.concat(
      Array.from({ length: 4000 }, () => webSocketFrame('binary', Buffer.alloc(0))),
    );
    it.client.write(empty);
    it.client.resume();
    await once(it.below, 'close');
    assert(it.connection.stream.destroyed);
  });

  test('ends with its socket, also where that is reset while something is being said', async () => {
    await using server = await startServer({
      http: [{ host: '127.0.0.1', port: 0 }],
      closeTimeoutMs: 3_600_000,
    });
    const open = () => openRaw(server.addresses.http[0]!);
    const sockets = await Promise.all(Array.from({ length: 20 }, open));
    for (const socket of sockets) socket.resetAndDestroy();
    await until(() => server.counters.sockets === 0);
    await until(() => server.counters.connections === 0);
  });
});

describe('the frames of a WebSocket', () => {
  test('are counted in whatever pieces they come', () => {
    const frames = [0, 1, 125, 126, 65_535, 65_536].map((length) =>
      webSocketFrame('binary', randomBytes(length)),
    );
    const whole = Buffer.concat([...frames, ...frames]);
    for (const size of [1, 2, 3, 7, 1000, whole.length]) {
      const count = new FrameCount();
      let counted = 0;
      for (let at = 0; at < whole.length; at += size) counted += count.begunIn(whole.subarray(at, at + size));
      assert.equal(counted, 2 * frames.length, `in pieces of ${size}`);
    }
  });

  test('are not counted in what they carry', () => {
    const count = new FrameCount();
    const inner = Buffer.concat(Array.from({ length: 20 }, () => webSocketFrame('binary', Buffer.alloc(0))));
    assert.equal(count.begunIn(webSocketFrame('binary', inner)), 1);
    // Without a mask, which is wrong of a client: the library ends it.
    assert.equal(new FrameCount().begunIn(Uint8Array.of(0x82, 1, 0x82, 0x82, 0)), 2);
  });
});
