/** What is known of bytes that come by TLS and bring nothing. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { connect, createSecureContext, TLSSocket } from 'node:tls';
import { newCertificate } from './certificate.testing.ts';
import { wireBytesOf } from './connection.ts';
import type { AdmittedSocket } from './sockets.ts';

test('all bytes of TLS are counted, those of a handshake too, and none twice of a stream without it', async () => {
  const tls = newCertificate();
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const accepted = once(listener, 'connection') as Promise<[Socket]>;
  const { port } = listener.address() as AddressInfo;
  const client = connect({ port, host: '127.0.0.1', ca: tls.cert, servername: 'localhost' });
  const [socket] = await accepted;
  const admitted = { socket } as AdmittedSocket;
  assert.equal(wireBytesOf(socket, admitted), undefined);
  const secureContext = createSecureContext(tls);
  const stream = new TLSSocket(socket, { isServer: true, secureContext });
  await once(client, 'secureConnect');
  const wireBytes = wireBytesOf(stream, admitted)!;
  client.write('x');
  await once(stream, 'data');
  const before = wireBytes();
  assert(before > 200, String(before));
  client.write('y'.repeat(100));
  await once(stream, 'data');
  const more = wireBytes() - before;
  assert(more > 100 && more < 200, String(more));
  client.destroy();
  stream.destroy();
  listener.close();
});
