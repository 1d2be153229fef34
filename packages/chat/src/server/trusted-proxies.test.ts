/** Whose connection it is, behind proxies that are trusted and others, through all transports. */
import assert from 'node:assert/strict';
import { connect, isIP } from 'node:net';
import { describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import fc from 'fast-check';
import { createWebSocketStream, WebSocket } from 'ws';
import { newCertificate } from './certificate.testing.ts';
import { RawClient } from './raw-client.testing.ts';
import { addressOf, startServer, until } from './server.testing.ts';
import { serverSettings } from './settings.ts';
import { TrustedProxies } from './trusted-proxies.ts';

const trustedProxies = ['127.0.0.1', '10.0.0.0/8', '2001:db8:aaaa::/48'];
const xForwardedFor = new TrustedProxies({
  trustedProxies,
  forwardedHeader: 'x-forwarded-for',
  proxyProtocol: false,
});
const forwarded = new TrustedProxies({ trustedProxies, forwardedHeader: 'forwarded', proxyProtocol: false });

describe('the client behind trusted proxies', () => {
  const cases: [string, string, string | undefined][] = [
    ['127.0.0.1', '192.0.2.1', '192.0.2.1'],
    ['127.0.0.1', '6.6.6.6, 192.0.2.1', '192.0.2.1'],
    ['127.0.0.1', '192.0.2.1, 10.1.2.3', '192.0.2.1'],
    ['127.0.0.1', '192.0.2.1, unknown, 10.1.2.3', '10.1.2.3'],
    ['127.0.0.1', '10.1.1.1,10.1.2.3', '10.1.1.1'],
    ['127.0.0.1', '', '127.0.0.1'],
    ['127.0.0.1', '192.0.2.1:4711', '192.0.2.1'],
    ['127.0.0.1', '2001:DB8:0::1', '2001:db8::1'],
    ['127.0.0.1', '[2001:db8::1]:80, 2001:db8:aaaa::1', '2001:db8::1'],
    ['::ffff:127.0.0.1', '192.0.2.1', '192.0.2.1'],
    ['192.0.2.9', '192.0.2.1', '192.0.2.9'],
    ['127.0.0.1', '192.0.2.1,', '127.0.0.1'],
    ['127.0.0.1', '192.0.2.256', '127.0.0.1'],
    ['127.0.0.1', 'fe80::1%eth0', '127.0.0.1'],
    ['127.0.0.1', '[192.0.2.1]', '127.0.0.1'],
  ];
  for (const [peer, header, client] of cases) {
    test(`X-Forwarded-For: ${header || '(none)'} from ${peer}`, () => {
      assert.equal(xForwardedFor.clientOf(peer, { 'x-forwarded-for': header }), client);
    });
  }

  const standard: [string, string][] = [
    ['for=192.0.2.1', '192.0.2.1'],
    ['For="[2001:db8:cafe::17]:4711";proto=https', '2001:db8:cafe::17'],
    ['for=6.6.6.6, for=192.0.2.1;by=203.0.113.43', '192.0.2.1'],
    ['for=192.0.2.1, for=10.0.0.9', '192.0.2.1'],
    ['for=192.0.2.1, for=_hidden', '127.0.0.1'],
    ['for=unknown', '127.0.0.1'],
    ['proto=http', '127.0.0.1'],
    ['for=6.6.6.6;x=", for=192.0.2.1', '127.0.0.1'],
    ['192.0.2.1', '127.0.0.1'],
    ['__proto__=1, for=192.0.2.1', '192.0.2.1'],
  ];
  for (const [header, client] of standard) {
    test(`Forwarded: ${header}`, () => {
      assert.equal(forwarded.clientOf('127.0.0.1', { forwarded: header }), client);
    });
  }

  test('only the header of the settings counts, and none unless they name one', () => {
    const headers = { 'x-forwarded-for': '192.0.2.1', forwarded: 'for=192.0.2.2' };
    const none = new TrustedProxies({ trustedProxies, forwardedHeader: 'none', proxyProtocol: false });
    assert.equal(none.clientOf('127.0.0.1', headers), '127.0.0.1');
    assert.equal(forwarded.clientOf('127.0.0.1', headers), '192.0.2.2');
    assert.equal(xForwardedFor.clientOf('127.0.0.1', headers), '192.0.2.1');
    assert.equal(forwarded.clientOf(undefined, headers), undefined);
  });

  test('is an address, or the last proxy known, whatever the headers are', () => {
    const text = fc.oneof(
      fc.string(),
      fc.ipV4(),
      fc.ipV6(),
      fc.constantFrom('for=', '"', ',', ';', '10.0.0.1'),
    );
    fc.assert(
      fc.property(fc.array(text, { maxLength: 12 }), (parts) => {
        const value = parts.join('');
        for (const proxies of [xForwardedFor, forwarded]) {
          const client = proxies.clientOf('127.0.0.1', { 'x-forwarded-for': value, forwarded: value });
          assert.notEqual(isIP(client ?? ''), 0);
          assert.equal(
            proxies.clientOf('192.0.2.9', { 'x-forwarded-for': value, forwarded: value }),
            '192.0.2.9',
          );
        }
      }),
    );
  });

  test('what is no address or network is no proxy', () => {
    for (const entry of [
      '',
      'proxy.example',
      '10.0.0.0/33',
      '10.0.0.0/8/8',
      '10.0.0.0/x',
      '::/129',
      '10.0.0.0/',
    ]) {
      assert.throws(() => serverSettings({ trustedProxies: [entry] }), { code: 'SERVER_INVALID_SETTING' });
    }
  });
});

describe('a server behind proxies', () => {
  test('is told which', async () => {
    for (const settings of [{ proxyProtocol: true }, { forwardedHeader: 'forwarded' }] as const) {
      await assert.rejects(startServer(settings), {
        code: 'SERVER_INVALID_SETTING',
        message: /nobody is named/,
      });
    }
  });

  const anyPort = [{ host: '127.0.0.1', port: 0 }];
  const tls = newCertificate();
  const proxyHeader = (source: string) =>
    Buffer.concat([
      Buffer.from('\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c', 'latin1'),
      Buffer.from(source.split('.').map(Number)),
      Buffer.alloc(8),
    ]);

  test('counts those who come through a proxy by their own address: PROXY protocol', async () => {
    await using server = await startServer({
      trustedProxies: ['127.0.0.1'],
      proxyProtocol: true,
      maxConnectionsPerAddress: 1,
    });
    const from = (source: string) => {
      const socket = connect(addressOf(server));
      socket.write(proxyHeader(source));
      return new RawClient(socket);
    };
    await using a = from('192.0.2.1');
    await using b = from('192.0.2.2');
    await Promise.all([a.welcomed(), b.welcomed()]);
    await using again = from('192.0.2.1');
    assert.equal(await again.fatalError(), 'TOO_MANY_CONNECTIONS');
    // Who is trusted has to send the header.
    const without = new RawClient(connect(addressOf(server)));
    without.stream.write(Buffer.alloc(30));
    assert.equal(await without.nextOfAny(), undefined);
    a.send({ type: 'ping', token: 1 });
    await a.next('pong');
  });

  test('reads TLS and HTTP behind a PROXY header, also in one piece with it', async () => {
    await using server = await startServer({
      ...{ http: anyPort, tls, trustedProxies: ['127.0.0.0/8'], proxyProtocol: true },
    });
    const trust = { ca: tls.cert, servername: 'localhost' };
    const socket = connect(addressOf(server));
    socket.write(proxyHeader('192.0.2.1'));
    await using a = new RawClient(connectTls({ socket, ...trust }));
    await a.welcomed();
    const webSocket = new WebSocket(`wss://127.0.0.1:${server.addresses.http[0]!.port}/ws`, {
      ...trust,
      createConnection: () => {
        const below = connect(server.addresses.http[0]!);
        below.write(proxyHeader('192.0.2.1'));
        return connectTls({ socket: below, ...trust });
      },
    });
    await using b = new RawClient(createWebSocketStream(webSocket));
    await b.welcomed();
    await using plain = await startServer({
      http: anyPort,
      trustedProxies: ['127.0.0.1'],
      proxyProtocol: true,
    });
    const request = connect(plain.addresses.http[0]!);
    let answer = '';
    request.on('data', (piece: Buffer) => {
      answer += piece.toString();
    });
    const get = Buffer.from('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n');
    request.write(Buffer.concat([proxyHeader('192.0.2.1'), get]));
    await until(() => request.closed);
    assert.match(answer, /200 OK[\s\S]*ok\n$/);
  });

  test('counts WebSockets by the header of the settings', async () => {
    await using server = await startServer({
      ...{ tcp: [], http: anyPort, trustedProxies: ['127.0.0.1'], forwardedHeader: 'x-forwarded-for' },
      maxConnectionsPerAddress: 1,
    });
    const from = (source: string) => {
      const url = `ws://127.0.0.1:${server.addresses.http[0]!.port}/ws`;
      const headers = { 'X-Forwarded-For': source };
      return new RawClient(createWebSocketStream(new WebSocket(url, { headers })));
    };
    await using a = from('192.0.2.1');
    await using b = from('6.6.6.6, 192.0.2.2');
    await Promise.all([a.welcomed(), b.welcomed()]);
    await using again = from('7.7.7.7, 192.0.2.1');
    assert.equal(await again.fatalError(), 'TOO_MANY_CONNECTIONS');
    await Promise.all([a.close(), b.close(), again.close()]);
    await until(() => server.counters.sockets === 0);
    await using afterwards = from('192.0.2.1');
    await afterwards.welcomed();
  });
});
