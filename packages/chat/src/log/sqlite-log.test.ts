import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, test } from 'node:test';
import {
  alice,
  batch,
  bob,
  deliver,
  lastOf,
  messageLogCases,
  Notes,
  noHash,
  otherRoom,
  readAll,
  room,
  run,
} from './message-log.cases.ts';
import { SqliteLog } from './sqlite-log.ts';
import { SqliteWriter } from './sqlite-writer.ts';

const base = mkdtempSync(join(tmpdir(), 'skytale-log-'));
const opened: SqliteLog[] = [];
after(async () => {
  await Promise.all(opened.map((log) => log.kill()));
  rmSync(base, { recursive: true });
});
const newDirectory = () => mkdtempSync(join(base, 'd-'));
async function open(directory: string, maxBytes = 0, busyTimeoutMs = 5000): Promise<SqliteLog> {
  const log = await SqliteLog.open({ directory, durability: 'normal', maxBytes, busyTimeoutMs });
  opened.push(log);
  return log;
}
const error = (code: string) => ({ name: 'LogError', code });

messageLogCases('SqliteLog', () => open(newDirectory()));

describe('SqliteLog on disk', () => {
  test('what nobody waits for any more when its turn has come is not read', async () => {
    const log = await open(newDirectory());
    await log.createRoom(room, '', 0);
    await log.append(batch(1, 3));
    let wanted = true;
    const reads = Array.from({ length: 6 }, (_, index) =>
      log.read(room, 0, 1000, index % 2 === 0 ? undefined : () => wanted),
    );
    wanted = false;
    const [first, begun, ...chunks] = await Promise.all(reads);
    assert.deepEqual([first?.last, begun?.last], [3, 3], 'the thread has these');
    assert.deepEqual(
      chunks.map((chunk) => chunk?.last),
      [3, undefined, 3, undefined],
    );
  });

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

  test('when there is no room for what one room wants to store, others store what there is room for', async () => {
    const log = await open(newDirectory(), 256 * 1024);
    await log.createRoom(room, '', 0);
    await log.createRoom(otherRoom, '', 0);
    let large = 0;
    const append = async () => {
      await log.append(batch(large + 1, large + 1, {}, 20_000));
      large += 1;
    };
    await assert.rejects(async () => {
      while (large < 100) await append();
    }, error('LOG_FULL'));
    // In one turn, so in one transaction.
    const [refused, stored] = await Promise.allSettled([
      append(),
      log.append(batch(1, 1, { room: otherRoom }, 20)),
    ]);
    assert.equal(refused.status === 'rejected' && refused.reason.code, 'LOG_FULL');
    assert.deepEqual(stored, { status: 'fulfilled', value: { stored: true } });
    assert.equal((await log.roomState(room))?.head, large);
    await log.close();
  });

  test('the write-ahead log does not grow without end', async () => {
    const directory = newDirectory();
    const log = await open(directory);
    await log.createRoom(room, '', 0);
    for (let seq = 1; seq <= 400; seq += 1) await log.append(batch(seq, seq, {}, 200_000));
    // 20 MB as a rule; the rest is for a machine that has no time for the thread that copies it.
    assert(statSync(join(directory, 'chat.db-wal')).size < 60_000_000);
    assert(statSync(join(directory, 'chat.db')).size > 24_000_000);
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

  test('when its threads die, everything is refused for good, and who watches is told', async () => {
    const log = await open(newDirectory());
    await log.createRoom(room, '', 0);
    await log.append(batch(1, 1));
    const notes = new Notes();
    log.watch(room, 1, notes);
    const asked = [
      ...Array.from({ length: 20 }, () => log.read(room, 0, 1e6)),
      log.prune(0, 0),
      log.lastOf(room, alice),
    ];
    const settled = Promise.allSettled(asked);
    await log.kill();
    await settled;
    for (const ask of [
      log.roomState(room),
      log.read(room, 0, 1),
      log.append(batch(2, 2)),
      log.rooms('', 1),
    ]) {
      await assert.rejects(ask, { ...error('LOG_GONE'), final: true });
    }
    assert.equal((notes.errors[0] as { code: string }).code, 'LOG_GONE');
  });

  test('opening a directory twice in one process takes nothing from who has it', async () => {
    const directory = newDirectory();
    const log = await open(directory);
    for (let attempt = 0; attempt < 2; attempt += 1) {
      await assert.rejects(open(directory), error('LOG_IN_USE'));
      assert.match(inAnotherProcess(directory, 'lock', 'BEGIN EXCLUSIVE'), /locked/);
    }
    await log.createRoom(room, '', 0);
    assert.deepEqual(await log.append(batch(1, 1)), { stored: true });
    // Also not under another name.
    symlinkSync(directory, join(base, 'link'));
    await assert.rejects(open(join(base, 'link')), error('LOG_IN_USE'));
    assert.match(inAnotherProcess(directory, 'lock', 'BEGIN EXCLUSIVE'), /locked/);
    await log.close();
    assert.equal(inAnotherProcess(directory, 'lock', 'BEGIN EXCLUSIVE'), '');
  });

  test('an administrator who holds the database locked is waited for, and then is an error that passes', async () => {
    const directory = newDirectory();
    const log = await open(directory, 0, 30);
    await log.createRoom(room, '', 0);
    await log.append(batch(1, 1));
    const other = new DatabaseSync(join(directory, 'chat.db'));
    other.exec('BEGIN IMMEDIATE');
    const busy = { ...error('LOG_BUSY'), final: false };
    await assert.rejects(log.append(batch(2, 2)), busy);
    await assert.rejects(log.createRoom(otherRoom, '', 0), busy);
    await assert.rejects(log.prune(0, 0), busy);
    assert.equal((await log.read(room, 0, 1))?.last, 1);
    assert.equal((await log.roomState(room))?.head, 1);
    other.exec('ROLLBACK');
    assert.deepEqual(await log.append(batch(2, 2)), { stored: true });
    await log.close();

    const patient = await open(directory, 0, 60_000);
    other.exec('BEGIN IMMEDIATE');
    const append = patient.append(batch(3, 3));
    assert.equal((await patient.roomState(room))?.head, 2);
    other.exec('COMMIT');
    assert.deepEqual(await append, { stored: true });
    other.close();
    await patient.close();
  });

  test('appends and questions do not wait for those who read', async () => {
    const log = await open(newDirectory());
    await log.createRoom(room, '', 0);
    for (let seq = 1; seq <= 8; seq += 1) await log.append(batch(seq, seq, {}, 256 * 1024));
    let read = 0;
    const reads = Array.from({ length: 300 }, async () => {
      await log.read(room, 0, 4 * 1024 * 1024);
      read += 1;
    });
    await log.append(batch(9, 9));
    await log.roomState(room);
    await log.lastOf(room, alice);
    assert(read < 100, `${read} of 300`);
    await Promise.all(reads);
    await log.close();
  });

  test('the write-ahead log is copied back while others read on and on', async () => {
    const directory = newDirectory();
    const log = await open(directory);
    await log.createRoom(room, '', 0);
    let seq = 0;
    const append = async (count: number) => {
      for (const end = seq + count; seq < end; seq += 1)
        await log.append(batch(seq + 1, seq + 1, {}, 200_000));
    };
    await append(20);
    let reading = true;
    const readers = Array.from({ length: 8 }, async () => {
      while (reading) await log.read(room, 0, 4e6);
    });
    await append(400);
    assert(statSync(join(directory, 'chat.db-wal')).size < 70_000_000);
    reading = false;
    await Promise.all(readers);
    await log.close();
  });

  test('a backup that reads for long holds up nothing, and when it is done the write-ahead log is short again', async () => {
    const directory = newDirectory();
    const log = await open(directory);
    await log.createRoom(room, '', 0);
    const backup = new DatabaseSync(join(directory, 'chat.db'), { readOnly: true });
    backup.exec('BEGIN');
    backup.prepare('SELECT count(*) FROM batch').get();
    let seq = 0;
    const append = async (count: number) => {
      for (const end = seq + count; seq < end; seq += 1)
        await log.append(batch(seq + 1, seq + 1, {}, 200_000));
    };
    await append(200);
    assert(statSync(join(directory, 'chat.db-wal')).size > 38_000_000);
    backup.close();
    const isLong = () => statSync(join(directory, 'chat.db-wal')).size > 36_000_000;
    for (let tries = 0; tries < 10 && isLong(); tries += 1) await append(60);
    assert(!isLong());
    await log.close();
  });

  test('pruning and deleting go in steps, and leave nothing', async () => {
    const directory = newDirectory();
    const log = await open(directory);
    for (const id of [room, otherRoom]) {
      await log.createRoom(id, '', 0);
      const appends: Promise<unknown>[] = [];
      for (let seq = 1; seq <= 1200; seq += 1)
        appends.push(log.append(batch(seq, seq, { room: id, time: seq })));
      await Promise.all(appends);
    }
    let steps = 0;
    while (await log.prune(1101, 0)) steps += 1;
    assert(steps >= 4);
    for (const id of [room, otherRoom]) assert.equal((await log.roomState(id))?.first, 1101);
    // Of large ones, a step ends by their bytes.
    for (let seq = 1201; seq <= 1204; seq += 1) await log.append(batch(seq, seq, { time: 1 }, 4_000_000));
    while (await log.prune(2, 0));
    assert.deepEqual(await log.roomState(room), { head: 1204, first: 1205, bytes: 0 });
    await log.append(batch(1205, 1205, { time: 1e6 }, 5_000_000));
    await log.append(batch(1206, 1206, { time: 1e6 }, 5_000_000));
    await log.close();
    // The process ends in the middle of a deletion.
    const writer = new SqliteWriter({ directory, durability: 'normal', maxBytes: 0 }, () => undefined);
    assert.equal(writer.beginDeletion(room), true);
    assert.equal(writer.deleteStep(room), true);
    writer.close();
    const again = await open(directory);
    assert.equal(await again.roomState(room), undefined);
    assert.deepEqual(
      (await again.rooms('', 9)).map((summary) => summary.room),
      [otherRoom],
    );
    assert.deepEqual(await again.roomCounts(''), { all: 1, ofCreator: 1 });
    assert.equal(await again.deleteRoom(room), false);
    await again.deleteRoom(otherRoom);
    while (await again.prune(0, 0));
    await again.close();
    for (const table of ['room', 'member', 'batch']) assert.equal(count(directory, table), 0);
  });
});

test('a deletion that was cut off is gone on with, and making the room anew does not wait for all of it', async () => {
  const directory = newDirectory();
  const log = await open(directory);
  await log.createRoom(room, '', 0);
  for (let seq = 1; seq <= 10; seq += 1) await log.append(batch(seq, seq, {}, 5_000_000));
  await log.close();
  const writer = new SqliteWriter({ directory, durability: 'normal', maxBytes: 0 }, () => undefined);
  writer.beginDeletion(room);
  writer.close();
  const again = await open(directory);
  await assert.rejects(again.createRoom(room, '', 0), error('LOG_BUSY'));
  while (await again.prune(0, 0));
  assert.equal(count(directory, 'batch'), 0);
  await again.createRoom(room, '', 0);
  assert.deepEqual(await again.roomState(room), { head: 0, first: 1, bytes: 0 });
  await again.close();
});

describe('SqliteLog from a database of version 1', () => {
  /** As version 1 wrote it: in a room messages of alice and bob from place 4 on, and one in which nothing was said. */
  function version1(directory: string): void {
    mkdirSync(directory, { recursive: true });
    const db = new DatabaseSync(join(directory, 'chat.db'));
    db.exec(`PRAGMA journal_mode = WAL;
      CREATE TABLE room (
        id BLOB PRIMARY KEY, head INTEGER NOT NULL, bytes INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE member (
        room BLOB NOT NULL, id BLOB NOT NULL, last_n INTEGER NOT NULL, PRIMARY KEY (room, id)
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE batch (
        room BLOB NOT NULL, last INTEGER NOT NULL, first INTEGER NOT NULL, time INTEGER NOT NULL, frames BLOB NOT NULL,
        PRIMARY KEY (room, last)
      ) STRICT;
      PRAGMA application_id = 1397446996;
      PRAGMA user_version = 1;`);
    const id = Buffer.from(room, 'hex');
    const bytes = old.reduce((sum, { frames }) => sum + frames.length, 0);
    db.prepare('INSERT INTO room VALUES (?, ?, ?), (?, 0, 0)').run(
      id,
      9,
      bytes,
      Buffer.from(otherRoom, 'hex'),
    );
    const member = db.prepare('INSERT INTO member VALUES (?, ?, ?)');
    for (const [who, n] of [
      [alice, 8],
      [bob, 2],
      [carol, 3],
    ] as const)
      member.run(id, Buffer.from(who, 'hex'), n);
    const insert = db.prepare('INSERT INTO batch VALUES (?, ?, ?, ?, ?)');
    for (const { first, last, time, frames } of old) insert.run(id, last, first, time, frames);
    db.close();
  }
  const carol = 'cc'.repeat(32);
  const old = [
    { first: 4, last: 6, time: 4000, frames: run(4, 6) },
    { first: 7, last: 7, time: 5000, frames: deliver(7, 20, bob, 2) },
    {
      first: 8,
      last: 9,
      time: 6000,
      frames: new Uint8Array(Buffer.concat([deliver(8, 20, alice, 7), deliver(9, 20, alice, 8)])),
    },
  ];
  const check = async (log: SqliteLog) => {
    const bytes = old.reduce((sum, { frames }) => sum + frames.length, 0);
    assert.deepEqual(await log.roomState(room), { head: 9, first: 4, bytes });
    assert.deepEqual(await log.roomState(otherRoom), { head: 0, first: 1, bytes: 0 });
    const chunks = await readAll(log, room, 0, 1e6);
    assert.deepEqual(chunks, [
      {
        first: 4,
        last: 9,
        frames: new Uint8Array(Buffer.concat(old.map(({ frames }) => frames))),
        damaged: false,
      },
    ]);
    assert.deepEqual(await log.lastOf(room, alice), lastOf(8));
    assert.deepEqual(await log.lastOf(room, bob), lastOf(2));
    // Her last message is not kept any more: nobody knows its hash.
    assert.deepEqual(await log.lastOf(room, carol), { n: 3, hash: noHash });
    const [summary] = await log.rooms('', 1);
    assert.deepEqual([summary?.createdAt, summary?.usedAt, summary?.members], [4000, 6000, 3]);
    while (await log.prune(0, 1_000_000_000_000));
    assert.notEqual(await log.roomState(otherRoom), undefined);
    assert.deepEqual(await log.append(batch(10, 10)), { stored: true });
  };

  test('everything is there, with checksums', async () => {
    const directory = newDirectory();
    version1(directory);
    const damages: unknown[] = [];
    const log = await SqliteLog.open({
      directory,
      durability: 'normal',
      maxBytes: 0,
      onDamage: (damage) => damages.push(damage),
    });
    await check(log);
    assert.deepEqual(damages, []);
    await log.close();
    const again = await open(directory);
    assert.equal((await again.roomState(room))?.head, 10);
    await again.close();
  });

  test('what was damaged before stays damaged', async () => {
    const directory = newDirectory();
    version1(directory);
    change(directory, "UPDATE batch SET frames = x'0000000501' WHERE last = 7");
    const log = await open(directory);
    const chunks = await readAll(log, room, 0, 1e6);
    assert.deepEqual(
      chunks.map(({ first, last, damaged }) => [first, last, damaged]),
      [
        [4, 6, false],
        [7, 7, true],
        [8, 9, false],
      ],
    );
    await log.close();
  });

  test('a migration that does not come to its end has changed nothing, and is done the next time', async () => {
    const directory = newDirectory();
    version1(directory);
    change(
      directory,
      "CREATE TRIGGER no BEFORE UPDATE ON batch WHEN NEW.last = 7 BEGIN SELECT RAISE(ABORT, 'no more'); END",
    );
    await assert.rejects(open(directory), error('LOG_FAILED'));
    assert.equal(count(directory, 'room'), 2);
    change(directory, 'DROP TRIGGER no');
    // And killed, whenever that may be.
    const opening = SqliteLog.open({ directory, durability: 'normal', maxBytes: 0 });
    await (await opening).kill();
    const log = await open(directory);
    await check(log);
    await log.close();
  });
});

/** What SQLite says to a statement in another process: nothing if it does it. */
function inAnotherProcess(directory: string, file: string, statement: string): string {
  const program = `new (require('node:sqlite').DatabaseSync)(${JSON.stringify(join(directory, file))}, { timeout: 0 })
    .exec(${JSON.stringify(statement)})`;
  return spawnSync(process.execPath, ['-e', program], { encoding: 'utf8' }).stderr;
}

function count(directory: string, table: string): unknown {
  const db = new DatabaseSync(join(directory, 'chat.db'));
  const row = db.prepare(`SELECT count(*) AS count FROM ${table}`).get();
  db.close();
  return row?.count;
}

function change(directory: string, ...statements: string[]): void {
  const db = new DatabaseSync(join(directory, 'chat.db'));
  for (const statement of statements) db.exec(statement);
  db.close();
}
