import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, test } from 'node:test';
import { alice, batch, lastOf, messageLogCases, room } from './message-log.cases.ts';
import { SqliteLog } from './sqlite-log.ts';

const base = mkdtempSync(join(tmpdir(), 'skytale-log-'));
const opened: SqliteLog[] = [];
after(async () => {
  await Promise.all(opened.map((log) => log.kill()));
  rmSync(base, { recursive: true });
});
const newDirectory = () => mkdtempSync(join(base, 'd-'));
async function open(directory: string, maxBytes = 0): Promise<SqliteLog> {
  const log = await SqliteLog.open({ directory, durability: 'normal', maxBytes });
  opened.push(log);
  return log;
}
const error = (code: string) => ({ name: 'LogError', code });

messageLogCases('SqliteLog', () => open(newDirectory()));

describe('SqliteLog on disk', () => {
  test('what was stored is there after closing, and after a crash', async () => {
    const directory = newDirectory();
    const first = await open(directory);
    await first.createRoom(room, '', 0);
    await first.append(batch(1, 3));
    await first.close();
    const second = await open(directory);
    await second.append(batch(4, 4));
    await second.kill();
    const third = await open(directory);
    assert.equal((await third.roomState(room))?.head, 4);
    assert.deepEqual(await third.lastOf(room, alice), lastOf(4));
    await third.close();
  });

  test('directory and files are for their owner only', async () => {
    const directory = join(newDirectory(), 'a', 'b');
    const log = await open(directory);
    await log.createRoom(room, '', 0);
    assert.equal(statSync(directory).mode & 0o777, 0o700);
    const files = readdirSync(directory).sort();
    assert.deepEqual(files, ['chat.db', 'chat.db-shm', 'chat.db-wal', 'lock']);
    for (const file of files) assert.equal(statSync(join(directory, file)).mode & 0o777, 0o600, file);
    await log.close();
    assert.deepEqual(readdirSync(directory).sort(), ['chat.db', 'lock']);
  });

  test('a directory in use is refused, and free again after close or crash', async () => {
    const directory = newDirectory();
    const log = await open(directory);
    await assert.rejects(open(directory), error('LOG_IN_USE'));
    await log.close();
    const next = await open(directory);
    await next.kill();
    await (await open(directory)).close();
  });

  test('the database of a running server may be read by others', async () => {
    const directory = newDirectory();
    const log = await open(directory);
    await log.createRoom(room, '', 0);
    const reader = new DatabaseSync(join(directory, 'chat.db'), { readOnly: true });
    assert.equal(reader.prepare('SELECT count(*) AS rooms FROM room').get()?.rooms, 1);
    reader.close();
    await log.close();
  });

  test('a path that is no directory, or that cannot be written', async () => {
    const directory = newDirectory();
    writeFileSync(join(directory, 'file'), '');
    await assert.rejects(open(join(directory, 'file')), error('LOG_NOT_ACCESSIBLE'));
    await assert.rejects(open(join(directory, 'file', 'below')), error('LOG_NOT_ACCESSIBLE'));
    // Permissions do not stop root, who may run this.
    chmodSync(directory, 0o500);
    if (process.getuid?.() !== 0) await assert.rejects(open(directory), error('LOG_NOT_ACCESSIBLE'));
    chmodSync(directory, 0o700);
  });

  test('a file that is no database, one of another program, one of a newer version', async () => {
    const garbage = newDirectory();
    writeFileSync(join(garbage, 'chat.db'), 'no database '.repeat(1000));
    await assert.rejects(open(garbage), error('LOG_CORRUPT'));
    const foreign = newDirectory();
    change(foreign, 'CREATE TABLE t (x)');
    await assert.rejects(open(foreign), error('LOG_CORRUPT'));
    const newer = newDirectory();
    await (await open(newer)).close();
    change(newer, 'PRAGMA user_version = 99');
    await assert.rejects(open(newer), { ...error('LOG_WRONG_VERSION'), message: /layout 99/ });
  });

  test('damage inside is found when it is read, and does not end the log', async () => {
    const directory = newDirectory();
    const log = await open(directory);
    await log.createRoom(room, '', 0);
    for (let seq = 1; seq <= 4; seq += 1) await log.append(batch(seq, seq));
    await log.append(batch(5, 9));
    await log.close();
    change(
      directory,

      "UPDATE batch SET frames = x'0000ffff' WHERE last = 9",
    );
    const again = await open(directory);
    await assert.rejects(again.read(room, 6, 1e6), error('LOG_DAMAGED'));
    assert.equal((await again.read(room, 2, 1))?.last, 3);
    await again.append(batch(10, 10));
    await again.close();
  });

  test('pages overwritten on disk are an error, not a crash', async () => {
    const directory = newDirectory();
    const log = await open(directory);
    await log.createRoom(room, '', 0);
    for (let seq = 1; seq <= 200; seq += 1) await log.append(batch(seq, seq, {}, 500));
    await log.close();
    const path = join(directory, 'chat.db');
    const bytes = readFileSync(path);
    bytes.fill(0xff, 8192);
    writeFileSync(path, bytes);
    await assert.rejects(async () => {
      const damaged = await open(directory);
      for (let seq = 0; seq < 200; seq += 1) await damaged.read(room, seq, 1e6);
    }, error('LOG_DAMAGED'));
  });

  test('when it is full it refuses, keeps what it has, and takes more when there is room', async () => {
    const log = await open(newDirectory(), 128 * 1024);
    await log.createRoom(room, '', 0);
    let head = 0;
    const append = async (time: number) => {
      await log.append(batch(head + 1, head + 1, { time }, 4000));
      head += 1;
    };
    await assert.rejects(async () => {
      while (head < 1000) await append(1000 + head);
    }, error('LOG_FULL'));
    assert(head > 10 && head < 33);
    assert.equal((await log.roomState(room))?.head, head);
    assert.equal((await log.read(room, head - 1, 1))?.last, head);
    await log.prune(1000 + 5, 0);
    await append(2000);
    assert.equal((await log.read(room, head - 1, 1))?.last, head);
    await log.close();
  });

  test('the write-ahead log does not grow without end', async () => {
    const directory = newDirectory();
    const log = await open(directory);
    await log.createRoom(room, '', 0);
    for (let seq = 1; seq <= 120; seq += 1) await log.append(batch(seq, seq, {}, 200_000));
    await log.roomCounts('');
    assert(statSync(join(directory, 'chat.db-wal')).size < 8_000_000);
    assert(statSync(join(directory, 'chat.db')).size > 16_000_000);
    await log.close();
  });

  test('when its thread dies, each append was stored or is refused, and what comes is refused', async () => {
    const directory = newDirectory();
    const log = await open(directory);
    await log.createRoom(room, '', 0);
    const appends = Array.from({ length: 50 }, (_, i) => log.append(batch(i + 1, i + 1)));
    const settled = Promise.allSettled(appends);
    await appends[0];
    await log.kill();
    const outcomes = await settled;
    const stored = outcomes.filter(({ status }) => status === 'fulfilled').length;
    for (const outcome of outcomes.slice(stored)) {
      assert(outcome.status === 'rejected' && outcome.reason.code === 'LOG_GONE');
    }
    await assert.rejects(log.append(batch(99, 99)), error('LOG_GONE'));
    await log.close();

    const reopened = await open(directory);
    assert(((await reopened.roomState(room))?.head ?? 0) >= stored);
    await reopened.close();
  });
});

function change(directory: string, ...statements: string[]): void {
  const db = new DatabaseSync(join(directory, 'chat.db'));
  for (const statement of statements) db.exec(statement);
  db.close();
}
