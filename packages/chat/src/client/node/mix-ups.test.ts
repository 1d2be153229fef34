/** Addresses whose transport is not the port's: what is said names the mistake, and what to write instead. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { parseServerAddress, type Transport } from '../../encryption/server-address.ts';
import { nodeCrypto } from '../../node-crypto.ts';
import { newCertificate } from '../../server/certificate.testing.ts';
import type { ChatServer } from '../../server/chat-server.ts';
import { startServer } from '../../server/server.testing.ts';
import { createRoomOnNode } from './node-client.ts';

const tls = newCertificate();
/** By the transport that each speaks; a port that is silent hangs up soon. */
const ports = {} as Record<Transport, number>;
const servers: ChatServer[] = [];

before(async () => {
  for (const [settings, tcp, http] of [
    [{}, 'tcp', 'ws'],
    [{ tls }, 'tls', 'wss'],
  ] as const) {
    const server = await startServer({
      ...settings,
      http: [{ host: '127.0.0.1', port: 0 }],
      helloTimeoutMs: 2000,
    });
    servers.push(server);
    ports[tcp] = server.addresses.tcp[0]!.port;
    ports[http] = server.addresses.http[0]!.port;
  }
});
after(async () => {
  for (const server of servers) await server.close();
});

const reach = (transport: Transport, port: number, host = 'localhost', path = '') =>
  createRoomOnNode({ crypto: nodeCrypto(), server: { transport, host, port, path }, ca: tls.cert });

/** What each of them comes to at each port, by the transport of the address and of the port. */
const mute = /says nothing, as a port for TLS or HTTP does: .*tls:\/\/….*skytales:\/\/… for TLS/;
const muteTls = /says nothing, as a port for HTTPS does: .*wss:\/\/… or skytale\+wss:\/\/… for HTTPS/;
const noTls =
  /cannot be reached: (that port speaks no TLS|it hangs up when TLS is begun, as a port without TLS does); .*skytale:\/\/… is for plain TCP/;
const noHttp = /cannot be reached: that port speaks no HTTP; .*skytale:\/\/… is for plain TCP/;
const isTls = /cannot be reached: it hangs up on a request by HTTP, as a port for TLS does; .*skytales:\/\//;
const table: Record<Transport, Record<Transport, RegExp | undefined>> = {
  tcp: { tcp: undefined, tls: mute, ws: mute, wss: mute },
  tls: { tcp: noTls, tls: undefined, ws: noTls, wss: muteTls },
  ws: { tcp: noHttp, tls: isTls, ws: undefined, wss: isTls },
  wss: { tcp: noTls, tls: noHttp, ws: noTls, wss: undefined },
};

describe('an address of another transport', { concurrency: true }, () => {
  for (const [address, row] of Object.entries(table)) {
    for (const [port, message] of Object.entries(row)) {
      it(`${address} at a port for ${port}`, async () => {
        const reaching = reach(address as Transport, ports[port as Transport]);
        if (message === undefined) await reaching;
        else await assert.rejects(reaching, { message });
      });
    }
  }

  it('is told by what answers, where that is no skytale server', async () => {
    const other = createServer((socket) => socket.on('error', () => {}).write('SSH-2.0-OpenSSH_10.0\r\n'));
    await once(other.listen(0, '127.0.0.1'), 'listening');
    const { port } = other.address() as AddressInfo;
    await assert.rejects(reach('tcp', port, '127.0.0.1'), { message: /no skytale server/ });
    other.close();
  });
});

describe('a server', () => {
  it('that has no skytale at that path is named with it', async () => {
    await assert.rejects(reach('ws', ports.ws, 'localhost', '/nope'), {
      message: /a web server is there that has no skytale at \/nope \(its answer is 404\)/,
    });
  });

  it('whose name is in no list is named', async () => {
    const { port } = parseServerAddress('no-such-host.invalid:7000');
    await assert.rejects(reach('tcp', port, 'no-such-host.invalid'), {
      code: 'CHAT_UNREACHABLE',
      message: /(there is no host|the name) no-such-host\.invalid[^:]*\?$/,
    });
  });

  it('whose certificate is for another host is named with both', async () => {
    await assert.rejects(reach('tls', ports.tls, '127.0.0.1'), {
      message: /its certificate is not for 127\.0\.0\.1, but for DNS:localhost/,
    });
  });
});
