/** Sockets in every state in which a peer may leave them: all are counted, limited, and closed in time. */
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { newCertificate } from './certificate.testing.ts';
import type { ChatServer, ServerParts } from './chat-server.ts';
import { newKeyPair, RawClient } from './raw-client.testing.ts';
import { addressOf, live, ManualClock, startServer, until } from './server.testing.ts';
import type { Address, ServerSettingsInput } from './settings.ts';
import { Sockets } from './sockets.ts';

const anyPort = [{ host: '127.0.0.1', port: 0 }];
const HELLO = 10_000;
const WRITE = 60_000;
const CLOSE = 3_000;
const tls = newCertificate();

/** A server whose time is turned by hand. */
async function start(settings: ServerSettingsInput = {}, parts: ServerParts = {}) {
  const clock = new ManualClock();
  const all = {
    http: anyPort,
    helloTimeoutMs: HELLO,
    closeTimeoutMs: CLOSE,
    writeTimeoutMs: WRITE,
    ...settings,
  };
  const server = await startServer(all, { clock, ...parts });
  return { server, clock };
}

/** A peer that says `words`, and never closes its side. */
class Peer {
  readonly socket: Socket;
  text = '';
  ended = false;
  closed = false;

  constructor(address: Address, words: string | Buffer = '') {
    this.socket = connect({ ...address, allowHalfOpen: true });
    this.socket.on('data', (piece: Buffer) => {
      this.text += piece.toString('latin1');
    });
    this.socket.on('error', () => undefined);
    this.socket.on('end', () => {
      this.ended = true;
    });
    this.socket.on('close', () => {
      this.closed = true;
    });
    if (words.length > 0) this.socket.write(words);
  }

  /** Whether the server holds nothing of it any more: who writes then is told so. */
  async isGone(): Promise<void> {
    await until(() => {
      if (!this.closed) this.socket.write('x');
      return this.closed;
    });
  }
}

const webAddress = (server: ChatServer): Address => server.addresses.http[0]!;
const upgrade = (path: string, more = '') =>
  `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${more}\r\n`;
const webSocketKey = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n';
/** The first bytes of a ClientHello. */
const halfHello = Buffer.from('160301020001000', 'hex');

async function peers(server: ChatServer, count: number, make: () => Peer): Promise<Peer[]> {
  const before = server.counters.sockets;
  const made = Array.from({ length: count }, make);
  await until(() => server.counters.sockets === before + count);
  return made;
}

async function allGone(server: ChatServer, left: readonly Peer[]): Promise<void> {
  await until(() => server.counters.sockets === 0);
  await Promise.all(left.map((peer) => peer.isGone()));
}

describe('sockets', { timeout: 60_000 }, () => {
  const refusedUpgrades: [string, string, RegExp][] = [
    ['elsewhere', upgrade('/nope'), /^HTTP\/1.1 404 /],
    [
      'from another site',
      upgrade('/ws', `${webSocketKey}Origin: https://evil.example\r\n`),
      /^HTTP\/1.1 403 /,
    ],
    ['without a key', upgrade('/ws'), /^HTTP\/1.1 400 /],
    ['with a method that is none', upgrade('/ws', webSocketKey).replace('GET', 'POST'), /^HTTP\/1.1 405 /],
  ];
  for (const [what, request, answer] of refusedUpgrades) {
    test(`of refused upgrades are closed, whether the peer closes them or not: ${what}`, async () => {
      const { server, clock } = await start();
      const left = Array.from({ length: 40 }, () => new Peer(webAddress(server), request));
      await until(() => left.every((peer) => answer.test(peer.text)));
      clock.advance(HELLO);
      await allGone(server, left);
      await server.close();
    });
  }

  test('of refused upgrades count for their address until they are closed', async () => {
    const { server, clock } = await start({ maxConnectionsPerAddress: 5 });
    const left = await peers(server, 5, () => new Peer(webAddress(server), upgrade('/nope')));
    await until(() => left.every(({ ended }) => ended));
    await using refused = new RawClient(connect(addressOf(server)));
    assert.equal(await refused.fatalError(), 'TOO_MANY_CONNECTIONS');
    clock.advance(CLOSE);
    await allGone(server, left);
    await (await live(server, newKeyPair())).close();
    await server.close();
  });

  const unfinished: [string, ServerSettingsInput, (server: ChatServer) => Peer][] = [
    ['TLS, of which nothing has come', { tls }, (server) => new Peer(addressOf(server))],
    ['TLS, of which a part has come', { tls }, (server) => new Peer(addressOf(server), halfHello)],
    ['TLS below HTTP', { tls }, (server) => new Peer(webAddress(server), halfHello)],
    ['HTTP, of which nothing has come', {}, (server) => new Peer(webAddress(server))],
    [
      'a header that does not end',
      {},
      (server) => new Peer(webAddress(server), 'GET / HTTP/1.1\r\nA: b\r\n'),
    ],
    [
      'a request whose body does not come',
      {},
      (server) => new Peer(webAddress(server), 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n'),
    ],
  ];
  for (const [what, settings, make] of unfinished) {
    test(`that have begun and not ended are counted and closed: ${what}`, async () => {
      const { server, clock } = await start({ ...settings, maxConnectionsPerAddress: 4 });
      const left = [new Peer(addressOf(server)), make(server), make(server), make(server)];
      await until(() => server.counters.sockets + left.filter(({ ended }) => ended).length === 4);
      clock.advance(HELLO - 1);
      assert.equal(server.counters.refused, 0);
      clock.advance(1);
      clock.advance(CLOSE + 1000);
      await allGone(server, left);
      await server.close();
    });
  }

  test('in a handshake take places of their address', async () => {
    const { server } = await start({ tls, maxConnectionsPerAddress: 3 });
    const left = await peers(server, 3, () => new Peer(addressOf(server), halfHello));
    const trust = { ca: tls.cert, servername: 'localhost' };
    await using refused = new RawClient(connectTls({ ...addressOf(server), ...trust }));
    assert.equal(await refused.fatalError(), 'TOO_MANY_CONNECTIONS');
    for (const { socket } of left) socket.destroy();
    await until(() => server.counters.sockets <= 1);
    await using welcome = new RawClient(connectTls({ ...addressOf(server), ...trust }));
    await welcome.welcomed();
    await welcome.close();
    await server.close();
  });

  const pages = {
    get: (path: string) =>
      path === '/page' ? { body: Buffer.alloc(1_000_000, 'x'), headers: {}, etag: '"a"' } : undefined,
  };
  const pageRequest = 'GET /page HTTP/1.1\r\nHost: a\r\n\r\n';

  test('of a page that is taken slowly have the write time-out, once', async () => {
    const { server, clock } = await start({}, { pages });
    const slow = new Peer(webAddress(server), pageRequest.repeat(3));
    slow.socket.pause();
    await until(() => slow.socket.bytesWritten > 0 && server.counters.sockets === 1);
    await once(slow.socket, 'readable');
    clock.advance(HELLO);
    assert.equal(server.counters.sockets, 1);
    // Asking again does not help.
    slow.socket.write(pageRequest);
    clock.advance(WRITE - HELLO);
    await until(() => server.counters.sockets === 0);
    slow.socket.destroy();
    await server.close();
  });

  test('of a page bring some files each, and not any number', async () => {
    const { server } = await start({}, { pages });
    const peer = new Peer(webAddress(server), pageRequest.repeat(500));
    await until(() => peer.ended || peer.closed);
    assert.equal(peer.text.match(/HTTP\/1.1 200/g)?.length, 16);
    peer.socket.destroy();
    await until(() => server.counters.sockets === 0);
    await server.close();
  });

  test('of a page are closed where a request has something in it, which is not read', async () => {
    const { server } = await start({}, { pages });
    for (const [header, begin] of [
      ['Content-Length: 1000000000', 'x'],
      ['Transfer-Encoding: chunked', '1\r\nx\r\n'],
    ]) {
      const request = `GET /page HTTP/1.1\r\nHost: a\r\n${header}\r\n\r\n${begin}`;
      const peer = new Peer(webAddress(server), request);
      await until(() => peer.ended || peer.closed);
      assert.match(peer.text, /200 OK\r\n(.*\r\n)*Connection: close\r\n/);
      peer.socket.destroy();
    }
    await until(() => server.counters.sockets === 0);
    await server.close();
  });

  test('of HTTP are closed after one answer, however many requests came', async () => {
    const { server } = await start();
    const request = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n';
    const left = await peers(server, 1, () => new Peer(webAddress(server), request.repeat(500)));
    await until(() => left.every(({ ended, closed }) => ended || closed));
    assert.equal(left[0]!.text.match(/HTTP\/1.1 200/g)?.length, 1);
    assert.match(left[0]!.text, /Connection: close/);
    await allGone(server, left);
    await server.close();
  });

  test('of HTTP are told when there are too many', async () => {
    const { server } = await start({ maxConnections: 1 });
    await using held = await live(server, newKeyPair());
    const [asking] = await peers(
      server,
      1,
      () => new Peer(webAddress(server), 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'),
    );
    await until(() => asking!.text.includes('HTTP/1.1 503'));
    assert.match(asking!.text, /as many as it may have/);
    asking!.socket.destroy();
    await held.close();
    await server.close();
  });

  test('that are refused are bounded themselves, and closed when they do not close', async () => {
    const { server, clock } = await start({ maxConnections: 2 });
    const held = [await live(server, newKeyPair()), await live(server, newKeyPair())];
    const many = Array.from({ length: 200 }, () => new Peer(addressOf(server)));
    await until(() => many.every(({ ended, closed }) => ended || closed));
    const told = many.filter(({ text }) => text.length > 0);
    assert(told.length >= 50 && told.length <= 64, `${told.length}`);
    assert.equal(server.counters.sockets, 2 + told.length);
    clock.advance(CLOSE);
    await until(() => server.counters.sockets === 2);
    await Promise.all(told.map((peer) => peer.isGone()));
    await Promise.all(held.map((client) => client.close()));
    await until(() => server.counters.sockets === 0);
    await server.close();
  });

  test('between the same ends follow each other, and each gives back its own place', () => {
    const limits = {
      maxConnections: 2,
      maxConnectionsPerAddress: 2,
      helloTimeoutMs: HELLO,
      writeTimeoutMs: WRITE,
      closeTimeoutMs: CLOSE,
    };
    const counts: number[] = [];
    const sockets = new Sockets(limits, new ManualClock(), (count) => counts.push(count));
    const ends = { localAddress: 'a', localPort: 1, remoteAddress: '192.0.2.1', remotePort: 2 };
    // Closed when the test says so: what `destroy` asks for comes later.
    const fake = () =>
      Object.assign(new EventEmitter(), ends, { destroyed: false, destroy: () => undefined });
    const [older, newer] = [fake(), fake()] as unknown as [Socket, Socket];
    const admitted = [older, newer].map((socket) => {
      const one = sockets.admit(socket);
      one?.belongsTo(ends.remoteAddress);
      return one;
    });
    assert.deepEqual(
      admitted.map((one) => one?.refusal),
      [undefined, undefined],
    );
    older.emit('close');
    assert.equal(sockets.of(newer), admitted[1]);
    newer.emit('close');
    assert.deepEqual(counts, [1, 2, 1, 0]);
    assert.equal(sockets.of(newer), undefined);
  });

  test('that are no connections do not hold up the end of a server', async () => {
    const { server } = await start({ tls });
    const left = await peers(server, 3, () => new Peer(addressOf(server), halfHello));
    left.push(...(await peers(server, 3, () => new Peer(webAddress(server)))));
    await server.close();
    await allGone(server, left);
  });

  test('of clients that hang up, or are hung up on, are closed if the peer does not close', async () => {
    const { server, clock } = await start();
    const left = await peers(server, 3, () => new Peer(addressOf(server), Buffer.from([1, 1, 1, 1])));
    left.push(...(await peers(server, 3, () => new Peer(webAddress(server), upgrade('/ws', webSocketKey)))));
    await until(() => left.every(({ text }) => text !== ''));
    // A WebSocket message of text, masked: closed by a closing handshake that nobody answers.
    for (const { socket } of left.slice(3)) socket.write(Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x61]));
    await until(() => left.slice(0, 3).every(({ ended }) => ended));
    for (let passed = 0; passed <= HELLO + CLOSE; passed += 1000) clock.advance(1000);
    await allGone(server, left);
    assert.equal(server.counters.connections, 0);
    await server.close();
  });
});
