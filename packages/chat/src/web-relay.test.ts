import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { createWebSocketStream, WebSocket } from 'ws';
import type { ServerAddress } from './encryption/server-address.ts';
import { newKeyPair, RawClient, text } from './server/raw-client.testing.ts';
import { addressOf, live, startServer, until } from './server/server.testing.ts';
import { WebRelay } from './web-relay.ts';

const pages = {
  get: (path: string) =>
    path === '/' ? { body: Buffer.from('the page'), headers: {}, etag: '"a"' } : undefined,
};

async function relayTo(server: ServerAddress) {
  const told: Error[] = [];
  const relay = await WebRelay.open({ server, pages, port: 0, onUnreachable: (error) => told.push(error) });
  const origin = `http://127.0.0.1:${relay.address.port}`;
  const dial = (from = origin) => new WebSocket(`ws://127.0.0.1:${relay.address.port}/ws`, { origin: from });
  return { relay, origin, dial, told };
}

/** Writes bytes below a WebSocket. */
const sendRaw = (bytes: Uint8Array) => (socket: WebSocket) =>
  (socket as unknown as { _socket: Socket })._socket.write(bytes);

describe('a page that the server did not deliver', () => {
  it('reaches the server by TCP and by WebSocket, both ways, in any size', async () => {
    await using server = await startServer({ http: [{ host: '127.0.0.1', port: 0 }] });
    for (const [transport, address] of [
      ['tcp', addressOf(server)],
      ['ws', server.addresses.http[0]!],
    ] as const) {
      const access = newKeyPair();
      await using other = await live(server, access);
      const { relay, origin, dial } = await relayTo({ transport, ...address, path: '' });
      await using _ = relay;
      assert.equal(await (await fetch(origin)).text(), 'the page');
      await using client = new RawClient(createWebSocketStream(dial()));
      await client.welcomed();
      await client.join(access, newKeyPair(), 0);
      await client.next('live');
      client.publish(text('m'), new Uint8Array(200_000));
      await client.next('ack');
      const said = await other.deliveries(2);
      assert.equal(said[1]?.envelope.length, 200_000);
      other.publish(text('back'));
      await other.next('ack');
      await client.next('ack');
      assert.deepEqual(Buffer.from((await client.next('deliver')).envelope).toString(), 'back');
    }
  });

  it('is not for pages of other sites', async () => {
    await using server = await startServer();
    const { relay, dial } = await relayTo({ transport: 'tcp', ...addressOf(server), path: '' });
    await using _ = relay;
    const socket = dial('https://evil.example');
    const { promise, resolve } = Promise.withResolvers<Error>();
    socket.on('error', resolve);
    assert.match((await promise).message, /403/);
  });

  it('outlives what pages send while the server is dialed, and dials no longer than they stay', async () => {
    const dialed: Socket[] = [];
    // It speaks no TLS, and says nothing.
    const mute = createServer((socket) => dialed.push(socket.on('error', () => undefined))).listen(
      0,
      '127.0.0.1',
    );
    await once(mute, 'listening');
    const address = mute.address() as AddressInfo;
    const { relay, dial, told } = await relayTo({
      ...{ transport: 'tls', host: '127.0.0.1', port: address.port, path: '' },
    });
    await using _ = relay;
    const wrongFrame = Buffer.from([0xff, 0x7f, 1, 2]);
    for (const leave of [(socket: WebSocket) => socket.terminate(), sendRaw(wrongFrame)]) {
      const count = dialed.length;
      const socket = dial().on('error', () => undefined);
      await once(socket, 'open');
      await until(() => dialed.length > count);
      const closed = once(dialed[count]!.resume(), 'close');
      leave(socket);
      await closed;
    }
    assert.deepEqual(told, []);
    mute.close();
  });

  it('hangs up where the server is not there, and says so', async () => {
    const gone = await startServer();
    const address = addressOf(gone);
    await gone.close();
    const { relay, dial, told } = await relayTo({ transport: 'tcp', ...address, path: '' });
    await using _ = relay;
    const { promise, resolve } = Promise.withResolvers<void>();
    dial()
      .on('close', () => resolve())
      .on('error', () => undefined);
    await promise;
    assert.equal((told[0] as { code?: string }).code, 'CHAT_UNREACHABLE');
  });
});
