/** A client whose transport cannot make the server wait tells it how much it may send. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { ServerAddress } from '../encryption/server-address.ts';
import { encodeFrame, FIRST_WINDOW, type Frame } from '../protocol/frames.ts';
import type { ClientEnvironment } from './environment.ts';
import { DuplexByteStream } from './node/duplex-byte-stream.ts';
import { ReceiveWindow } from './receive-window.ts';
import { joinedFrame, openArena, sayAll, serve, version2 } from './testing/arena.ts';
import { type Deliver, once } from './testing/room-fixture.ts';
import { Town } from './testing/town.ts';

/** Connects by what has no back pressure. */
const dial: ClientEnvironment['dial'] = async ({ host, port }: ServerAddress) =>
  new DuplexByteStream(connect({ host, port }), false);

describe('a receive window', () => {
  it('only grows, always has room for the longest frame, and is told not too often', () => {
    const frames = fc.array(fc.integer({ min: 5, max: 2 ** 24 + 4 }), { maxLength: 50 });
    fc.assert(
      fc.property(
        fc.maxSafeNat(),
        fc.integer({ min: 1024, max: 2 ** 24 }),
        frames,
        (from, maxFrame, sizes) => {
          const start = from % 2 ** 50;
          const window = new ReceiveWindow(start, maxFrame);
          let [limit, read, told] = [FIRST_WINDOW, 0, 0];
          const look = () => {
            const granted = window.toGrant(start + read);
            if (granted === undefined) return;
            assert.ok(granted > limit);
            limit = granted;
            told += 1;
          };
          look();
          for (const size of sizes.map((size) => Math.min(size, maxFrame + 4))) {
            assert.ok(limit - read >= maxFrame + 4, 'the next frame may never come');
            read += size;
            look();
            assert.ok(
              read + FIRST_WINDOW - limit < 64 * 1024,
              'a server would take it for one that takes nothing',
            );
          }
          assert.ok(told <= 1 + read / (64 * 1024), `${told} times`);
        },
      ),
    );
  });

  it('brings all that there is, however slowly it is read', async () => {
    await using town = await Town.open();
    const alice = await town.room.client(town.address, { name: 'alice' });
    alice.client.start();
    const text = 'x'.repeat(60_000);
    for (let index = 0; index < 80; index += 1) void alice.client.send(`${index} ${text}`);
    await alice.client.flush();
    const bob = await town.room.clientIn({ dial }, town.address, { autoConfirm: false });
    bob.client.start();
    while (bob.texts.length < 80) {
      const had = bob.texts.length;
      await bob.until(() => bob.texts.length > had);
      await bob.client.confirm(bob.messages.at(-1)!.key);
    }
    assert.deepEqual(
      bob.texts.map((one) => one.split(' ')[0]),
      Array.from({ length: 80 }, (_, index) => `${index}`),
    );
    assert.deepEqual(bob.codes, []);
  });

  it('is asked for where there is no back pressure, and not used where the server has none', async () => {
    await using all = await openArena();
    const log = await sayAll(all, 'one');
    const bob = await all.room.clientIn({ dial }, all.server.address, { name: 'window' });
    bob.client.start();
    const connection = await serve(all, log, {}, version2);
    assert.deepEqual(connection.join.capabilities, ['window']);
    await once(bob.client, 'caughtUp');
    assert.deepEqual(bob.texts, ['one']);
  });

  it('is granted again as what came is read', async () => {
    await using all = await openArena();
    const bob = await all.room.clientIn({ dial }, all.server.address, { name: 'window' });
    bob.client.start();
    const log: Deliver[] = [];
    for (let index = 0; index < 60; index += 1) log.push(await all.alice.say('x'.repeat(60_000)));
    const connection = await all.server.acceptJoin(version2);
    const joined = joinedFrame(all, connection.join, { head: 60 }) as Extract<Frame, { type: 'joined' }>;
    connection.send({ ...joined, capabilities: ['window'] });
    let [sent, limit] = [0, FIRST_WINDOW];
    for (const deliver of log) {
      const { length } = encodeFrame(deliver);
      while (sent + length > limit) {
        const granted = await connection.next('window');
        assert.ok(granted.limit > limit && granted.limit <= sent + FIRST_WINDOW, `${granted.limit}`);
        limit = granted.limit;
      }
      connection.send(deliver);
      sent += length;
    }
    await bob.until(() => bob.texts.length === 60);
    assert.deepEqual(bob.codes, []);
  });

  it('is not given to who did not ask, nor anything else', async () => {
    await using all = await openArena();
    const { bob } = all;
    bob.client.start();
    const connection = await all.server.acceptJoin(version2);
    const joined = joinedFrame(all, connection.join, {}) as Extract<Frame, { type: 'joined' }>;
    connection.send({ ...joined, capabilities: ['window'] });
    await connection.closed;
    for (const frame of [
      { type: 'window', limit: 9 },
      { type: 'publish_at', head: 0, n: 1, envelope: new Uint8Array(1) },
      { type: 'moved', n: 1, head: 0 },
    ] as const) {
      const next = await serve(all, [], {}, version2);
      next.send(frame);
      await next.closed;
    }
  });
});
