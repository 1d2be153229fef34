import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ByteStream } from '@skytale/chat/client';
import { dialWebSocket, MAX_WAITING_BYTES, type SocketLike } from './web-socket-stream.ts';

const server = { transport: 'wss', host: 'chat.example.org', port: 443, path: '' } as const;
const never = new AbortController().signal;

class FakeSocket implements SocketLike {
  binaryType: SocketLike['binaryType'] = 'blob';
  bufferedAmount = 0;
  readonly sent: unknown[] = [];
  closed = false;
  onopen: SocketLike['onopen'] = null;
  onmessage: SocketLike['onmessage'] = null;
  onerror: SocketLike['onerror'] = null;
  onclose: SocketLike['onclose'] = null;

  send(data: unknown): void {
    this.sent.push(data);
  }

  close(): void {
    this.closed = true;
  }

  says(data: unknown): void {
    this.onmessage?.call(this as never, new MessageEvent('message', { data }));
  }

  ends(): void {
    this.onclose?.call(this as never, new Event('close') as never);
  }
}

/** A stream, and what it tells: pieces, and how it ended. */
async function open() {
  const socket = new FakeSocket();
  const urls: string[] = [];
  const dialing = dialWebSocket(server, never, (url) => {
    urls.push(url);
    return socket;
  });
  socket.onopen?.call(socket as never, new Event('open'));
  const stream: ByteStream = await dialing;
  const told: unknown[] = [];
  const listen = () =>
    stream.listen({
      received: (piece) => told.push([...piece]),
      ended: (reason) => told.push(`ended: ${reason}`),
    });
  return { socket, stream, told, urls, listen };
}

const piece = (...bytes: number[]) => new Uint8Array(bytes).buffer;

describe('a stream over a WebSocket', () => {
  it('is that of the server, at its usual path, and takes bytes', async () => {
    const { urls, socket, stream } = await open();
    assert.deepEqual(urls, ['wss://chat.example.org:443/ws']);
    assert.equal(socket.binaryType, 'arraybuffer');
    stream.send(new Uint8Array([1]));
    socket.bufferedAmount = 7;
    assert.equal(stream.unsent, 7);
    assert.equal(socket.sent.length, 1);
  });

  it('begins paused, loses nothing, and ends when all was handed over', async () => {
    const { socket, stream, told, listen } = await open();
    socket.says(piece(1));
    listen();
    socket.says(piece(2));
    assert.deepEqual(told, []);
    stream.resume();
    assert.deepEqual(told, [[1], [2]]);
    stream.pause();
    socket.says(piece(3));
    socket.ends();
    assert.deepEqual(told, [[1], [2]]);
    stream.resume();
    assert.deepEqual(told, [[1], [2], [3], 'ended: undefined']);
    socket.ends();
    stream.send(new Uint8Array(1));
    assert.equal(told.length, 4);
    assert.equal(socket.sent.length, 0);
  });

  it('stops handing over in the middle when it is paused by what it hands over', async () => {
    const { socket, stream } = await open();
    const told: number[] = [];
    stream.listen({
      received: ([first]) => {
        told.push(first!);
        stream.pause();
      },
      ended: () => told.push(-1),
    });
    for (const byte of [1, 2, 3]) socket.says(piece(byte));
    stream.resume();
    assert.deepEqual(told, [1]);
    stream.resume();
    assert.deepEqual(told, [1, 2]);
  });

  it('ends when more waits than may, and keeps none of what comes then', async () => {
    const { socket, told, stream, listen } = await open();
    listen();
    const half = new ArrayBuffer(MAX_WAITING_BYTES / 2);
    socket.says(half);
    socket.says(half);
    assert.equal(socket.closed, false);
    socket.says(piece(1));
    assert.equal(socket.closed, true);
    socket.says(piece(2));
    stream.resume();
    assert.equal(told.at(-1), 'ended: it sends faster than can be read here');
    assert.equal(told.length, 4);
  });

  it('ends when it is sent text', async () => {
    const { socket, told, stream, listen } = await open();
    listen();
    stream.resume();
    socket.says('text');
    assert.deepEqual(told, ['ended: it sent text']);
    assert.equal(socket.closed, true);
  });

  it('tells an end that came before anybody listened, and nothing after it was closed', async () => {
    const early = await open();
    early.socket.ends();
    early.listen();
    await Promise.resolve();
    assert.deepEqual(early.told, ['ended: undefined']);

    const closed = await open();
    closed.listen();
    closed.stream.resume();
    closed.stream.close();
    closed.stream.close();
    closed.socket.says(piece(1));
    closed.socket.ends();
    assert.deepEqual(closed.told, []);
    assert.equal(closed.socket.closed, true);
  });

  it('is not there where nobody answers, or when it is given up', async () => {
    const socket = new FakeSocket();
    const refused = dialWebSocket(server, never, () => socket);
    socket.ends();
    await assert.rejects(refused, { code: 'CHAT_UNREACHABLE' });
    assert.equal(socket.closed, true);

    const controller = new AbortController();
    const slow = new FakeSocket();
    const given = dialWebSocket(server, controller.signal, () => slow);
    controller.abort();
    await assert.rejects(given, { code: 'CHAT_UNREACHABLE' });
    assert.equal(slow.closed, true);
    await assert.rejects(
      dialWebSocket(server, controller.signal, () => new FakeSocket()),
      { code: 'CHAT_UNREACHABLE' },
    );
  });
});
