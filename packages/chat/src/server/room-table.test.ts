/** A room is one object at a time, is forgotten when nobody needs it, and fails alone. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ServerParts } from './chat-server.ts';
import { newKeyPair, RawClient, text } from './raw-client.testing.ts';
import { addressOf, GatedLog, joined, live, startServer, until } from './server.testing.ts';

const room = newKeyPair();

function parts(): { readonly log: GatedLog } & Required<Pick<ServerParts, 'onFailure'>> {
  return { log: new GatedLog(), onFailure: (error) => assert.fail(`the server ends: ${error}`) };
}

/** Two members of one room hear each other, in one order. */
async function talk(a: RawClient, b: RawClient, seq: number): Promise<void> {
  a.publish(text('from a'));
  assert.equal((await a.next('ack')).seq, seq);
  assert.equal((await b.next('deliver')).seq, seq);
  b.publish(text('from b'));
  assert.equal((await b.next('ack')).seq, seq + 1);
  assert.equal((await a.next('deliver')).seq, seq + 1);
}

describe('a room', () => {
  test('that is left and joined while commits are under way stays one', async () => {
    const { log, onFailure } = parts();
    await using server = await startServer({}, { log, onFailure });
    await using noise = await live(server, newKeyPair());
    const last = await live(server, room);
    log.hold();
    noise.publish(text('k'));
    await until(() => log.waiting === 1);
    await last.close();
    await until(() => server.counters.connections === 1);
    noise.publish(text('k + 1'));
    noise.send({ type: 'ping', token: 1 });
    await noise.next('pong');
    // Another comes, and goes before it was told anything.
    const passing = await RawClient.connect(addressOf(server));
    const { lastOf } = log.asked;
    passing.sendJoin(room, newKeyPair());
    await until(() => log.asked.lastOf > lastOf);
    await passing.close();
    await until(() => server.counters.connections === 1);
    log.step();
    await until(() => log.waiting === 1);
    await using third = await RawClient.connect(addressOf(server));
    await third.join(room, newKeyPair());
    log.release();
    await third.next('live');
    await using fourth = await live(server, room);
    await talk(third, fourth, 1);
    await noise.next('ack');
  });

  test('whose last member goes while its message is under way is not opened twice', async () => {
    const { log, onFailure } = parts();
    await using server = await startServer({}, { log, onFailure });
    const a = await live(server, room);
    log.hold();
    a.publish(text('last words'));
    await until(() => log.waiting === 1);
    await a.close();
    await until(() => server.counters.connections === 0);
    assert.equal(server.counters.openRooms, 1);
    await using b = await RawClient.connect(addressOf(server));
    b.sendJoin(room, newKeyPair());
    log.release();
    const { head } = await b.next('joined');
    if (head === 0) await b.next('live');
    assert.equal((await b.next('deliver')).seq, 1);
    if (head === 1) await b.next('live');
    await using c = await joined(server, room, newKeyPair(), 1);
    await c.next('live');
    await talk(b, c, 2);
  });

  test('is forgotten at once when the last goes, at whatever point of joining', async () => {
    const { log, onFailure } = parts();
    await using server = await startServer({}, { log, onFailure });
    await using creator = await RawClient.connect(addressOf(server));
    creator.create(room);
    await creator.next('created');
    for (const question of ['roomState', 'lastOf'] as const) {
      log.silent.add(question);
      const client = await RawClient.connect(addressOf(server));
      client.sendJoin(room, newKeyPair());
      await until(() => server.counters.openRooms === 1);
      await client.close();
      await until(() => server.counters.openRooms === 0);
      log.silent.clear();
    }
    await using a = await live(server, room);
    await using b = await live(server, room);
    await talk(a, b, 1);
  });

  test('that many join at once, and that does not exist, leaves nothing behind', async () => {
    await using server = await startServer({}, parts());
    const nowhere = newKeyPair();
    const clients = await Promise.all(
      Array.from({ length: 5 }, async () => {
        const client = await RawClient.connect(addressOf(server));
        client.sendJoin(nowhere, newKeyPair());
        return client;
      }),
    );
    for (const client of clients) assert.equal(await client.fatalError(), 'NO_SUCH_ROOM');
    assert.equal(server.counters.openRooms, 0);
  });

  test('that fails ends its own connections, and opens anew with what is stored', async () => {
    const { log, onFailure } = parts();
    await using server = await startServer({}, { log, onFailure });
    await using a = await live(server, room);
    await using other = await live(server, newKeyPair());
    a.publish(text('stored'));
    await a.next('ack');
    log.hold();
    a.publish(text('lost'));
    await until(() => log.waiting === 1);
    await using joining = await RawClient.connect(addressOf(server));
    joining.sendJoin(room, newKeyPair());
    log.failing = 'LOG_FAILED';
    log.release();
    assert.equal(await a.fatalError(), 'SERVER_FAILURE');
    log.failing = undefined;
    await using b = await joined(server, room);
    assert.equal(Buffer.from((await b.next('deliver')).envelope).toString(), 'stored');
    await b.next('live');
    b.publish(text('again'));
    assert.equal((await b.next('ack')).seq, 2);
    other.publish(text('m'));
    assert.equal((await other.next('ack')).seq, 1);
  });

  test('that is deleted tells its members', async () => {
    const { log, onFailure } = parts();
    await using server = await startServer({}, { log, onFailure });
    await using a = await live(server, room);
    await using other = await live(server, newKeyPair());
    const [first] = await log.rooms('', 1);
    const [second] = await log.rooms(first!.room, 1);
    await log.deleteRoom(first!.room);
    await log.deleteRoom(second!.room);
    for (const client of [a, other]) assert.equal(await client.fatalError(), 'NO_SUCH_ROOM');
    assert.equal(server.counters.openRooms, 0);
  });

  test('takes the server with it only if the log is gone for good, and then once', async () => {
    const log = new GatedLog();
    const failures: unknown[] = [];
    await using server = await startServer({}, { log, onFailure: (error) => failures.push(error) });
    await using a = await live(server, room);
    await using b = await live(server, newKeyPair());
    log.failing = 'LOG_GONE';
    for (const client of [a, b]) {
      client.publish(text('m'));
      assert.equal(await client.fatalError(), 'SERVER_FAILURE');
    }
    assert.equal(failures.length, 1);
  });
});
