/** What somebody can make a client believe of a room, by places, acknowledgements and ends of the room that never were. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { flip, openArena, sayAll, serve, serveHonestly } from './testing/arena.ts';
import { type Deliver, once } from './testing/room-fixture.ts';

describe('a client to whom somebody told what is not', () => {
  const far = 134_217_783;

  it('finds back from a place far beyond the room, and misses nothing', async () => {
    await using all = await openArena();
    const log = await sayAll(all, 'one', 'two', 'three');
    const invented = { ...log[1]!, seq: far };
    all.bob.client.start();
    // Told twice, so it is believed.
    for (let round = 0; round < 2; round += 1) await serve(all, [log[0]!, invented], { head: far });
    await all.bob.until(() => all.bob.texts.length === 2);
    await all.bob.client.close();

    // What is on disk now is that place.
    const bob = await all.room.client(all.server.address);
    bob.client.start();
    serveHonestly({ ...all, bob }, log);
    await once(bob.client, 'caughtUp');
    assert.deepEqual(bob.texts, ['three']);
    assert.deepEqual(bob.codes, ['SERVER_FORGOT']);
    await bob.client.send('four');
    await bob.client.flush();
    await bob.client.close();

    const later = await all.room.client(all.server.address);
    later.client.start();
    await once(later.client, 'caughtUp');
    assert.deepEqual([...later.texts, ...later.codes], []);
    assert.equal(log.length, 4);
  });

  it('does not go beyond the end of the room that it was told when it joined', async () => {
    await using all = await openArena();
    const { bob } = all;
    const log = await sayAll(all, 'one', 'two');
    bob.client.start();
    for (let round = 0; round < 20; round += 1) {
      const connection = await serve(all, [log[0]!, { ...log[1]!, seq: far }], { head: 2 });
      await connection.closed;
    }
    serveHonestly(all, log);
    await bob.until(() => bob.texts.length === 2);
    assert.deepEqual(bob.codes, ['LEFT_OUT']);
  });

  it('does not believe at once that everything was deleted', async () => {
    await using all = await openArena();
    const { bob } = all;
    const log = await sayAll(all, 'one', 'two');
    bob.client.start();
    const connection = await all.server.acceptJoin();
    connection.send({ type: 'joined', room: all.room.roomId, head: far, first: far + 1, lastN: 0 });
    await connection.closed;
    serveHonestly(all, log);
    await bob.until(() => bob.texts.length === 2);
    assert.deepEqual(bob.codes, ['EXPIRED']);
  });

  it('sends again what was acknowledged and never arrived', async () => {
    await using all = await openArena();
    const { bob } = all;
    bob.client.start();
    for (const text of ['one', 'two']) await bob.client.send(text);
    const swallowing = await serve(all, []);
    for (const n of [1, 2]) {
      await swallowing.next('publish');
      swallowing.send({ type: 'ack', n, seq: n, time: 0 });
    }
    await bob.client.flush();
    await bob.client.close();
    swallowing.hangUp();

    const again = await all.room.client(all.server.address);
    again.client.start();
    assert.equal(again.client.unacknowledged, 0);
    const log: Deliver[] = [];
    serveHonestly({ ...all, bob: again }, log);
    await again.until(() => log.length === 2 && again.client.unacknowledged === 0);
    assert.deepEqual(
      log.map(({ n }) => n),
      [1, 2],
    );
    assert.deepEqual([...again.texts, ...again.codes], ['SERVER_FORGOT']);
  });

  it('is not kept from its place by one that is too low', async () => {
    await using all = await openArena();
    const { bob } = all;
    const log = await sayAll(all, 'one', 'two');
    bob.client.start();
    const honest = await serve(all, log);
    await bob.client.send('three');
    const { envelope } = await honest.next('publish');
    honest.send({ type: 'ack', n: 1, seq: 3, time: 0 });
    await bob.client.flush();
    honest.hangUp();
    for (let round = 0; round < 2; round += 1) await serve(all, [], { head: 0, lastN: 0 });
    log.push({
      ...{ type: 'deliver', seq: 3, time: 0, n: 1, envelope },
      member: Buffer.from(bob.client.member, 'hex'),
    });
    serveHonestly(all, log);
    await once(bob.client, 'caughtUp');
    assert.equal(bob.client.unacknowledged, 0);
    assert.deepEqual(bob.texts, ['one', 'two']);
    assert.deepEqual(bob.codes, ['SERVER_FORGOT']);
    assert.equal(log.length, 3);
  });

  it('asks about many damaged messages at once: a member cannot keep others busy with rubbish', async () => {
    await using all = await openArena();
    const { bob, alice } = all;
    const log: Deliver[] = [];
    for (let index = 0; index < 60; index += 1) {
      const deliver = await alice.say(`${index}`);
      log.push(index % 2 === 0 ? flip(deliver, 200) : deliver);
    }
    bob.client.start();
    let connections = 0;
    const counted = (): Promise<void> =>
      serve(all, log).then((connection) => {
        connections += 1;
        return connection.closed.then(counted);
      });
    counted().catch(() => {});
    await bob.until(() => bob.texts.length === 30);
    assert.ok(connections <= 3, `${connections} connections`);
  });

  it('has everything in the end, whatever it was', async () => {
    const number = fc.oneof(fc.nat({ max: 8 }), fc.constant(far));
    const lie = fc.record({
      head: number,
      first: fc.oneof(fc.constant(1), number),
      lastN: fc.nat({ max: 2 }),
      shift: number,
      ack: number,
      live: number,
      times: fc.integer({ min: 1, max: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(lie, { minLength: 1, maxLength: 3 }), async (lies) => {
        await using all = await openArena();
        const { bob, server, room } = all;
        const texts = ['one', 'two', 'three', 'four'];
        const log = await sayAll(all, ...texts);
        bob.client.start();
        for (const text of ['mine', 'mine too']) await bob.client.send(text);
        for (const { head, first, lastN, shift, ack, live } of lies.flatMap((one) =>
          Array(one.times).fill(one),
        )) {
          const connection = await server.acceptJoin();
          connection.send({ type: 'joined', room: room.roomId, head, first, lastN });
          connection.send(
            ...log.slice(1, 3).map((deliver) => ({ ...deliver, seq: deliver.seq + shift })),
            { type: 'ack', n: 1, seq: ack, time: 0 },
            { type: 'ack', n: 2, seq: ack + 1, time: 0 },
            { type: 'live', seq: live },
          );
          connection.end();
          await connection.closed;
        }
        serveHonestly(all, log);
        await bob.until(() => log.length === 6);
        await bob.client.send('mine at last');
        await bob.client.flush();
        assert.deepEqual(
          log.slice(4).map(({ n }) => n),
          [1, 2, 3],
        );
        assert.deepEqual(
          bob.texts,
          texts.filter((text) => bob.texts.includes(text)),
        );
        const told = bob.codes.some((code) => ['MISSING', 'LEFT_OUT', 'EXPIRED'].includes(code));
        assert.ok(told || bob.texts.length === texts.length, `${bob.texts}: ${bob.codes}`);
      }),
      { numRuns: 15 },
    );
  });
});
