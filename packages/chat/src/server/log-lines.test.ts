/** What the process's log says of rooms and members: never more of an id than it takes to find it. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { pino } from 'pino';
import { SqliteLog } from '../log/sqlite-log.ts';
import { roomIdOf } from './access.ts';
import { ChatServer } from './chat-server.ts';
import { newKeyPair, text } from './raw-client.testing.ts';
import { joined, live, startServer } from './server.testing.ts';

function lines() {
  let all = '';
  const write = (line: string) => {
    all += line;
  };
  const logger = pino({ level: 'info' }, { write });
  return { logger, all: () => all, count: (what: RegExp) => all.match(new RegExp(what, 'g'))?.length ?? 0 };
}

test('a room that is deleted while somebody is in it is not named in full', async () => {
  const data = mkdtempSync(join(tmpdir(), 'skytale-lines-'));
  try {
    const log = await SqliteLog.open({ directory: data, durability: 'normal', maxBytes: 0 });
    const { logger, all, count } = lines();
    const server = await startServer({}, { log, logger });
    const room = newKeyPair();
    const id = roomIdOf(room.publicKey).toString('hex');
    const a = await live(server, room);
    await log.deleteRoom(id);
    assert.equal(await a.error(), 'NO_SUCH_ROOM');
    await a.close();
    await server.close();
    assert.equal(count(/There is no room/) > 0, true);
    assert(!all().includes(id), all());
  } finally {
    rmSync(data, { recursive: true });
  }
});

test('a damaged place is told once, with its places, however many read it', async () => {
  const data = mkdtempSync(join(tmpdir(), 'skytale-lines-'));
  try {
    const { logger, all, count } = lines();
    const room = newKeyPair();
    const id = roomIdOf(room.publicKey).toString('hex');
    const log = await SqliteLog.open({ directory: data, durability: 'normal', maxBytes: 0 });
    const first = await startServer({}, { log });
    const a = await live(first, room);
    for (const word of ['one', 'two']) {
      a.publish(text(word));
      await a.next('ack');
    }
    await a.close();
    await first.close();
    const db = new DatabaseSync(join(data, 'chat.db'));
    db.exec('UPDATE batch SET sum = sum + 1 WHERE last = 1');
    db.close();
    // This one opens its log itself.

    const second = await ChatServer.start(
      { tcp: [{ host: '127.0.0.1', port: 0 }], http: [], data, closeTimeoutMs: 200 },
      { logger },
    );
    for (let times = 0; times < 2; times += 1) {
      const reader = await joined(second, room);
      assert.equal((await reader.next('deliver')).seq, 2);
      await reader.next('live');
      await reader.close();
    }
    await second.close();
    assert.equal(count(/damaged in the database: messages/), 1, all());
    assert.match(all(), new RegExp(`"room":"${id.slice(0, 8)}","first":1,"last":1`));
    assert(!all().includes(id), all());
  } finally {
    rmSync(data, { recursive: true });
  }
});
