import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo, createServer as createTcp, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createServer as createTls } from 'node:tls';
import { WebSocketServer } from 'ws';
import { parseServerAddress } from '../../encryption/server-address.ts';
import type { ByteStream } from '../byte-stream.ts';
import { dial } from './dial.ts';

const directory = mkdtempSync(join(tmpdir(), 'skytale-dial-'));
const identity = { key: '', cert: '' };
/** Of another server, which is trusted too. */
const otherIdentity = { key: '', cert: '' };

before(() => {
  Object.assign(identity, newIdentity('DNS:localhost,IP:127.0.0.1'));
  Object.assign(otherIdentity, newIdentity('DNS:elsewhere.example'));
});

function newIdentity(alternatives: string) {
  const [key, cert] = [join(directory, 'key'), join(directory, 'cert')];
  const request = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost';
  const names = `subjectAltName=${alternatives}`;
  const files = ['-addext', names, '-keyout', key, '-out', cert];
  execFileSync('openssl', [...request.split(' '), ...files], { stdio: 'ignore' });
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
}
after(() => rmSync(directory, { recursive: true }));

const never = new AbortController().signal;

/** The first bytes that come. */
function firstOf(stream: ByteStream): Promise<string> {
  return new Promise((resolve, reject) => {
    stream.listen({
      received: (piece) => resolve(new TextDecoder().decode(piece)),
      ended: (reason) => reject(new Error(reason ?? 'the end')),
    });
    stream.resume();
  });
}

/** Listens at a free port of this machine; stops with all its connections. */
async function listening(server: Server) {
  const sockets = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => sockets.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

describe('dialing', () => {
  it('reaches a TLS server whose certificate is trusted, and no other', async () => {
    await using server = await listening(createTls(identity, (socket) => socket.end('hello')));
    const address = parseServerAddress(`127.0.0.1:${server.port}`, 'tls');
    const stream = await dial(address, identity.cert, never);
    assert.equal(await firstOf(stream), 'hello');
    stream.close();
    await assert.rejects(dial(address, undefined, never), {
      code: 'CHAT_UNREACHABLE',
      message: /self-signed certificate/,
    });
  });

  it('tells a TLS server the name that it wants, and checks the certificate against it', async () => {
    const names: (string | false | null | undefined)[] = [];
    const tls = createTls(identity, (socket) => {
      names.push(socket.servername);
      socket.end('hello');
    });
    tls.on('tlsClientError', () => {});
    await using server = await listening(tls);
    const reach = async (host: string, transport: 'tls' | 'wss' = 'tls') => {
      const address = { ...parseServerAddress(`${host}:${server.port}`), transport };
      const stream = await dial(address, identity.cert, never);
      await firstOf(stream);
      stream.close();
    };
    await reach('localhost');
    // An address is none: it cannot be told.
    await reach('127.0.0.1');
    assert.deepEqual(names, ['localhost', false]);
    const other = createTls(otherIdentity, (socket) => socket.end('hello'));
    other.on('tlsClientError', () => {});
    await using elsewhere = await listening(other);
    const address = parseServerAddress(`localhost:${elsewhere.port}`, 'tls');
    await assert.rejects(dial(address, otherIdentity.cert, never), {
      code: 'CHAT_UNREACHABLE',
      message: /not for localhost, but for DNS:elsewhere\.example/,
    });
  });

  it('takes of a WebSocket no message in thousands of pieces', async () => {
    const http = createHttp();
    new WebSocketServer({ server: http }).on('connection', (socket) => {
      socket.on('error', () => {});
      for (let piece = 0; piece < 5000; piece += 1) socket.send(Buffer.from([0]), { fin: false });
    });
    await using server = await listening(http);
    const stream = await dial(parseServerAddress(`ws://127.0.0.1:${server.port}`), undefined, never);
    await assert.rejects(firstOf(stream), { message: /Too many message fragments/ });
  });

  it('reaches a server by WebSocket over TLS, at its usual path', async () => {
    const https = createHttps(identity);
    const paths: string[] = [];
    new WebSocketServer({ server: https }).on('connection', (socket, request) => {
      paths.push(request.url ?? '');
      socket.send(Buffer.from('hello'));
    });
    await using server = await listening(https);
    const address = parseServerAddress(`wss://localhost:${server.port}`);
    const stream = await dial(address, identity.cert, never);
    assert.equal(await firstOf(stream), 'hello');
    assert.deepEqual(paths, ['/ws']);
    stream.close();
    await assert.rejects(dial(address, undefined, never), { code: 'CHAT_UNREACHABLE' });
  });

  it('gives up when it is aborted', async () => {
    await using server = await listening(createTcp(() => {}));
    for (const transport of ['tls', 'ws'] as const) {
      const address = { ...parseServerAddress(`127.0.0.1:${server.port}`), transport };
      const controller = new AbortController();
      const dialing = assert.rejects(dial(address, undefined, controller.signal), {
        code: 'CHAT_UNREACHABLE',
      });
      controller.abort();
      await dialing;
    }
  });

  it('says why a server cannot be reached', async () => {
    const name = parseServerAddress('no-such-host.invalid:7000');
    await assert.rejects(dial(name, undefined, never), {
      code: 'CHAT_UNREACHABLE',
      message: /no-such-host\.invalid:7000 .*[^.?!][.?]$/,
    });
  });
});
