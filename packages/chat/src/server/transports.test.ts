import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { brotliCompressSync } from 'node:zlib';
import { createWebSocketStream, WebSocket } from 'ws';
import { systemClock } from '../clock.ts';
import { encodeFrame } from '../protocol/frames.ts';
import { newCertificate } from './certificate.testing.ts';
import type { Connection } from './connection.ts';
import { Listeners } from './listeners.ts';
import { type KeyPair, newKeyPair, RawClient, text } from './raw-client.testing.ts';
import { addressOf, live, startServer } from './server.testing.ts';
import { serverSettings } from './settings.ts';
import { Sockets } from './sockets.ts';
import { mayConnect } from './web-socket.ts';

const room = newKeyPair();
const loopback = [{ host: '127.0.0.1', port: 0 }];
const withHttp = { tcp: loopback, http: loopback };

async function enter(client: RawClient, access: KeyPair): Promise<RawClient> {
  await client.welcomed();
  client.create(access);
  await client.next('created');
  await client.join(access, newKeyPair());
  await client.next('live');
  return client;
}

/** A message there and one back. */
async function talk(a: RawClient, b: RawClient): Promise<void> {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    from.publish(text('m'), new Uint8Array(100_000));
    assert.equal((await to.deliveries(2))[1]?.envelope.length, 100_000);
    await from.next('ack');
    await from.next('ack');
  }
}

describe('WebSocket', () => {
  const open = async (url: string, options = {}) => {
    const socket = new WebSocket(url, options);
    const client = new RawClient(createWebSocketStream(socket));
    return { socket, client };
  };

  test('carries the same as TCP, however the frames are cut into messages', async () => {
    await using server = await startServer(withHttp);
    const { socket, client } = await open(`ws://127.0.0.1:${server.addresses.http[0]!.port}/ws`);
    await using a = await enter(client, room);
    await using b = await live(server, room);
    await talk(a, b);
    const frames = Buffer.concat(
      [3, 4].map((n) => Buffer.from(encodeFrame({ type: 'publish', n, envelope: text(`m${n}`) }))),
    );
    socket.send(frames.subarray(0, 1));
    socket.send(frames.subarray(1, 15));
    socket.send(frames.subarray(15));
    assert.deepEqual(
      (await b.deliveries(2)).map(({ n }) => n),
      [3, 4],
    );
  });

  test('is closed for text messages, for messages too large, and when the server stops', async () => {
    const server = await startServer(withHttp);
    const url = `ws://127.0.0.1:${server.addresses.http[0]!.port}/ws`;
    const tooLarge = Buffer.alloc(server.settings.maxFrameBytes + 5);
    for (const [message, inRoom, code] of [
      ['text', false, 1003],
      // Nobody waits for the closing handshake of somebody who is in no room.
      [tooLarge, false, 1006],
      [tooLarge, true, 1009],
    ] as const) {
      const { socket, client: hostile } = await open(url);
      await hostile.welcomed();
      if (inRoom) {
        hostile.create(room);
        await hostile.next('created');
        await hostile.join(room, newKeyPair());
      }
      socket.send(message);
      assert.equal((await once(socket, 'close'))[0], code);
    }
    const { client } = await open(url);
    await enter(client, room);
    const closed = server.close();
    await client.next('drain');
    assert.equal(await client.nextOfAny(), undefined);
    await closed;
  });

  test('is refused elsewhere than at /ws, and to pages of other sites', async () => {
    await using server = await startServer({
      ...withHttp,
      origins: ['https://friend.example'],
      publicUrl: 'https://chat.example.org',
    });
    const { port } = server.addresses.http[0]!;
    const refused = async (path: string, origin: string) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { origin });
      const [error] = await once(socket, 'error').catch((reason) => [reason]);
      return /\d{3}/.exec((error as Error).message)?.[0];
    };
    assert.equal(await refused('/', 'https://friend.example'), '404');
    assert.equal(await refused('/ws', 'https://evil.example'), '403');
    for (const origin of ['https://friend.example', 'https://chat.example.org', `http://127.0.0.1:${port}`]) {
      const { client } = await open(`ws://127.0.0.1:${port}/ws`, { origin });
      await client.welcomed();
      await client.close();
    }
  });

  test('which origins may connect', () => {
    assert(mayConnect(undefined, 'chat.example', []));
    assert(mayConnect('https://chat.example', 'chat.example', []));
    assert(mayConnect('https://any.example', 'chat.example', ['*']));
    assert(!mayConnect('https://chat.example.evil', 'chat.example', []));
    assert(!mayConnect('null', 'chat.example', []));
    assert(!mayConnect('http://chat.example:81', 'chat.example', []));
    assert(!mayConnect('http://chat.example', undefined, []));
  });
});

describe('HTTP', () => {
  test('hands out pages, compressed, or nothing where they are known', async () => {
    const body = Buffer.from('a page');
    const page = {
      body,
      brotli: brotliCompressSync(body),
      etag: '"one"',
      headers: { 'Content-Type': 'text/plain', 'X-Own': 'yes' },
    };
    const pages = { get: (path: string) => (path === '/a' ? page : undefined) };
    await using server = await startServer(withHttp, { pages });
    const get = async (path: string, headers: Record<string, string> = {}, method = 'GET') => {
      const response = await fetch(`http://127.0.0.1:${server.addresses.http[0]!.port}${path}`, {
        method,
        headers,
      });
      return { response, status: response.status, text: await response.text() };
    };
    const plain = await get('/a', { 'accept-encoding': 'br;q=0, gzip' });
    assert.deepEqual([plain.status, plain.text], [200, 'a page']);
    assert.equal(plain.response.headers.get('x-own'), 'yes');
    assert.equal(plain.response.headers.get('content-encoding'), null);
    const packed = await get('/a?x', { 'accept-encoding': 'gzip, br' });
    assert.deepEqual([packed.text, packed.response.headers.get('content-encoding')], ['a page', 'br']);
    for (const etags of ['"zero", "one"', 'W/"one"']) {
      assert.equal((await get('/a', { 'if-none-match': etags })).status, 304);
    }
    assert.deepEqual((await get('/a', {}, 'HEAD')).text, '');
    assert.equal((await get('/a', {}, 'POST')).status, 405);
    assert.equal((await get('/b')).status, 404);
    assert.match((await get('/')).text, /cannot read/);
    assert.equal((await get('/healthz')).text, 'ok\n');
  });

  test('says what this is, and how it is', async () => {
    await using server = await startServer(withHttp);
    const base = `http://127.0.0.1:${server.addresses.http[0]!.port}`;
    const get = async (path: string, method = 'GET') => {
      const response = await fetch(base + path, { method, headers: { connection: 'close' } });
      return [response.status, await response.text()] as const;
    };
    assert.match((await get('/'))[1], /cannot read/);
    assert.deepEqual(await get('/healthz'), [200, 'ok\n']);
    assert.deepEqual(await get('/healthz?x', 'HEAD'), [200, '']);
    assert.equal((await get('/ws'))[0], 426);
    assert.equal((await get('/etc/passwd'))[0], 404);
    assert.equal((await get('/', 'POST'))[0], 405);
  });
});

describe('TLS', () => {
  const tls = newCertificate();
  const trust = { ca: tls.cert, servername: 'localhost' };

  test('carries the same as TCP, as does WebSocket over it', async () => {
    await using server = await startServer({ ...withHttp, tls });
    await using a = await enter(new RawClient(connectTls({ ...addressOf(server), ...trust })), room);
    const socket = new WebSocket(`wss://127.0.0.1:${server.addresses.http[0]!.port}/ws`, trust);
    await using b = await enter(new RawClient(createWebSocketStream(socket)), room);
    await talk(a, b);
  });

  test('a client without it is refused, and others do not notice', async () => {
    await using server = await startServer({ tcp: loopback, tls });
    await using a = await enter(new RawClient(connectTls({ ...addressOf(server), ...trust })), room);
    const plain = new RawClient((await import('node:net')).connect(addressOf(server)));
    plain.send({ type: 'ping', token: 1 });
    // What comes is a TLS alert, which is no frame; or nothing.
    await assert.rejects(plain.welcomed());
    await plain.close();
    a.publish(text('m'));
    await a.next('ack');
  });

  test('a certificate that is none is refused at the start', async () => {
    const bad = { cert: 'none', key: tls.key };
    await assert.rejects(startServer({ tls: bad }), { code: 'SERVER_INVALID_CERTIFICATE' });
  });
});

describe('addresses', () => {
  test('IPv4 and IPv6 at once', async () => {
    await using server = await startServer({ tcp: [...loopback, { host: '::1', port: 0 }] });
    const [four, six] = server.addresses.tcp;
    assert.equal(six?.host, '::1');
    await using a = await enter(new RawClient((await import('node:net')).connect(four!)), room);
    await using b = await enter(new RawClient((await import('node:net')).connect(six!)), room);
    await talk(a, b);
  });

  test('a port that is taken, an address of another machine, no address at all', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    const at = (host: string) => startServer({ tcp: [...loopback, { host, port }] });
    await assert.rejects(at('127.0.0.1'), {
      code: 'SERVER_PORT_TAKEN',
      message: new RegExp(`127.0.0.1:${port}`),
    });
    await assert.rejects(at('192.0.2.1'), { code: 'SERVER_ADDRESS_UNAVAILABLE' });
    await assert.rejects(at('no address'), { name: 'ServerError' });
    other.close();
    await once(other, 'close');
  });
});

test('whatever brings a connection, one piece fills its buffer: then the socket is not read', async () => {
  for (const [transport, tls] of [
    ['tcp', undefined],
    ['tcp', newCertificate()],
    ['http', undefined],
    ['http', newCertificate()],
  ] as const) {
    const settings = serverSettings({ tcp: [], http: [], [transport]: loopback, ...(tls && { tls }) });
    const accepted = Promise.withResolvers<Connection>();
    const sockets = new Sockets(settings, systemClock, () => undefined);
    const listeners = await Listeners.open(settings, sockets, () => true, {
      connection: accepted.resolve,
      acceptFailed: accepted.reject,
    });
    try {
      const { host, port } = listeners[transport][0]!;
      const trust = { rejectUnauthorized: false };
      const client =
        transport === 'http'
          ? createWebSocketStream(new WebSocket(`${tls ? 'wss' : 'ws'}://${host}:${port}/ws`, trust))
          : tls
            ? connectTls({ host, port, ...trust })
            : connect({ host, port });
      client.on('error', () => undefined);
      const { stream } = await accepted.promise;
      stream.on('data', () => undefined).pause();
      assert.equal(stream.readableHighWaterMark, 1, `${transport}${tls ? ' over TLS' : ''}`);
      stream.destroy();
      client.destroy();
    } finally {
      sockets.destroyAll();
      listeners.close();
    }
  }
});
