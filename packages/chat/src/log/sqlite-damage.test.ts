/** What a log makes of a database that is not as it was written. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { alice, batch, bob, deliver, lastOf, Notes, readAll } from './message-log.cases.ts';
import type { Batch, LastMessage, LogChunk } from './message-log.ts';
import type { Damage } from './sqlite-database.ts';
import { SqliteLog } from './sqlite-log.ts';

const base = mkdtempSync(join(tmpdir(), 'skytale-damage-'));
/** All rooms hold the same, but for the last, in which nothing was ever said: each third message is bob's. */
const rooms = Array.from({ length: 20 }, (_, index) =>
  (17 * (index + 1)).toString(16).padStart(4, '0').repeat(8),
);
const emptyRoom = 'ee'.repeat(16);
const sizes = [3, 1, 5, 1, 2];
const head = 12;
const envelope = 90;
const isBobs = (seq: number) => seq % 3 === 0;
const frame = (seq: number) =>
  isBobs(seq) ? deliver(seq, envelope, bob, seq / 3) : deliver(seq, envelope, alice, seq);
const frames = (first: number, last: number) =>
  new Uint8Array(Buffer.concat(Array.from({ length: last - first + 1 }, (_, i) => frame(first + i))));
const lasts: Record<string, LastMessage> = { [alice]: lastOf(11, envelope), [bob]: lastOf(4, envelope) };

function batches(room: string): Batch[] {
  let next = 1;
  return sizes.map((size) => {
    const first = next;
    next += size;
    const last = next - 1;
    const seqs = Array.from({ length: size }, (_, index) => first + index);
    const bobs = seqs.findLast(isBobs);
    const alices = seqs.findLast((seq) => !isBobs(seq));
    const members = [
      ...(bobs === undefined ? [] : [{ member: bob, last: lastOf(bobs / 3, envelope) }]),
      ...(alices === undefined ? [] : [{ member: alice, last: lastOf(alices, envelope) }]),
    ];
    return { room, first, last, time: 1000 * last, frames: frames(first, last), members };
  });
}

let template: string;
before(async () => {
  template = join(base, 'template');
  const log = await SqliteLog.open({ directory: template, durability: 'normal', maxBytes: 0 });
  for (const id of [...rooms, emptyRoom]) await log.createRoom(id, 'somebody', 500);
  for (const id of rooms) for (const batch of batches(id)) await log.append(batch);
  await log.close();
});
after(() => rmSync(base, { recursive: true }));

/** A directory with a copy of the database. */
function copy(): string {
  const directory = mkdtempSync(join(base, 'd-'));
  copyFileSync(join(template, 'chat.db'), join(directory, 'chat.db'));
  return directory;
}

function change(directory: string, work: (db: DatabaseSync) => void): void {
  const db = new DatabaseSync(join(directory, 'chat.db'));
  work(db);
  db.close();
}

/** Opens a log on what `work` makes of the database, and closes it again. */
async function withDamage(
  work: (db: DatabaseSync) => void,
  look: (log: SqliteLog, damages: Damage[]) => Promise<void>,
): Promise<void> {
  const directory = copy();
  change(directory, work);
  const damages: Damage[] = [];
  const log = await SqliteLog.open({
    directory,
    durability: 'normal',
    maxBytes: 0,
    onDamage: (damage) => damages.push(damage),
  });
  try {
    await look(log, damages);
  } finally {
    await log.close();
    rmSync(directory, { recursive: true });
  }
}

const damaged = (first: number, last: number): LogChunk => ({
  first,
  last,
  frames: new Uint8Array(0),
  damaged: true,
});
/** Reads a room to its end: only what was written, from place to place, and no place twice or left out. */
async function checkRead(
  log: SqliteLog,
  id: string,
  end: number,
  maxBytes = 1e6,
  begin = 1,
): Promise<LogChunk[]> {
  const chunks = await readAll(log, id, 0, maxBytes);
  let at = begin - 1;
  for (const { first, last, frames: read, damaged } of chunks) {
    assert.equal(first, at + 1);
    assert.deepEqual(read, damaged ? new Uint8Array(0) : frames(first, last));
    at = last;
  }
  assert.equal(at, end);
  return chunks;
}

async function checkUntouched(log: SqliteLog, id: string): Promise<void> {
  assert.deepEqual(await log.roomState(id), { head, first: 1, bytes: frames(1, head).length });
  for (const member of [alice, bob]) assert.deepEqual(await log.lastOf(id, member), lasts[member]);
  assert((await checkRead(log, id, head, 300)).every(({ damaged }) => !damaged));
  assert.deepEqual(await log.append({ ...batch(head + 1, head + 1), room: id }), { stored: true });
}

const columns = {
  room: ['id', 'head', 'first', 'bytes', 'created_at', 'used_at', 'deleted', 'creator', 'sum'],
  member: ['room', 'id', 'n', 'hash', 'sum'],
  batch: ['room', 'last', 'first', 'time', 'frames', 'sum'],
} as const;
const keys = { room: ['id'], member: ['room', 'id'], batch: ['room', 'last'] } as const;
type Table = keyof typeof columns;
/** Row `row` of those of a room, one column of it, one bit. */
type Field = readonly [table: Table, column: string, row: number, bit: number];

/** Each column of these tables, in rows that may be any. */
function fieldsOf(tables: readonly Table[]): fc.Arbitrary<Field[]> {
  const fields = tables.flatMap((table) => columns[table].map((column) => [table, column] as const));
  return fc.tuple(
    ...fields.map(([table, column]) =>
      fc.tuple(fc.constant(table), fc.constant(column), fc.nat(9), fc.nat(100_000)),
    ),
  );
}

/** Puts something else into a field. */
function put(
  db: DatabaseSync,
  room: string,
  [table, column, row]: Field,
  change: (was: bigint | Uint8Array) => bigint | Uint8Array,
): void {
  const roomColumn = keys[table][0];
  const select = db.prepare(
    `SELECT * FROM ${table} WHERE ${roomColumn} = ? ORDER BY ${keys[table].join(', ')}`,
  );
  select.setReadBigInts(true);
  const rows = select.all(Buffer.from(room, 'hex'));
  const values = rows[row % rows.length]!;
  const was = values[column];
  const where = keys[table].map((key) => `${key} = ?`).join(' AND ');
  const now = change(typeof was === 'string' ? Buffer.from(was) : (was as bigint | Uint8Array));
  db.prepare(
    `UPDATE OR REPLACE ${table} SET ${column} = ${typeof was === 'string' ? 'CAST(? AS TEXT)' : '?'} WHERE ${where}`,
  ).run(now, ...keys[table].map((key) => values[key] as Uint8Array));
}

function flip(db: DatabaseSync, room: string, field: Field): void {
  // Bit 3 of a last place would make one of another batch's, which would be lost with it.
  const bit = field[1] === 'last' && field[3] % 64 === 3 ? 2 : field[3];
  put(db, room, field, (was) => {
    if (typeof was === 'bigint') return BigInt.asIntN(64, was ^ (1n << BigInt(bit % 64)));
    const bytes = Buffer.from(was);
    const at = bit % (8 * bytes.length);
    bytes[at >> 3]! ^= 1 << (at % 8);
    return bytes;
  });
}

/** The batch of a room that a field of the table of batches is of. */
const batchOf = ([, , row]: Field) => batches('')[row % sizes.length]!;

describe('SqliteLog on a damaged database', () => {
  test('one turned bit of a room or a member is turned back, and told', async () => {
    await fc.assert(
      fc.asyncProperty(fieldsOf(['room', 'member']), fc.nat(100_000), async (fields, bit) => {
        await withDamage(
          (db) => {
            for (const [index, field] of fields.entries()) flip(db, rooms[index]!, field);
            flip(db, emptyRoom, ['room', columns.room[bit % 9]!, 0, bit]);
          },
          async (log, damages) => {
            const listed = await log.rooms('', 99);
            assert.deepEqual(
              listed.map(({ room, createdAt, creator, damaged }) => [room, createdAt, creator, damaged]),
              [...rooms, emptyRoom].sort().map((room) => [room, 500, 'somebody', false]),
            );
            for (const room of rooms) await checkUntouched(log, room);
            assert.deepEqual(await log.roomState(emptyRoom), { head: 0, first: 1, bytes: 0 });
            const count = rooms.length + 1;
            assert.deepEqual(await log.roomCounts('somebody'), { all: count, ofCreator: count });
            assert.equal(damages.length, fields.length + 1);
            for (const { what } of damages) assert.match(what, /mended/);
          },
        );
      }),
      { numRuns: 4 },
    );
  });

  test('one turned bit of a batch costs that batch, no more', async () => {
    await fc.assert(
      fc.asyncProperty(fieldsOf(['batch']), fieldsOf(['batch']), async (some, others) => {
        const fields = [...some, ...others];
        const until = fields.length;
        await withDamage(
          (db) => {
            for (const [index, field] of fields.entries()) flip(db, rooms[index]!, field);
          },
          async (log, damages) => {
            for (const room of rooms.slice(until)) await checkUntouched(log, room);
            for (const [index, field] of fields.entries()) {
              const room = rooms[index]!;
              const { first, last } = batchOf(field);
              damages.length = 0;
              const chunks = await checkRead(log, room, head);
              assert.deepEqual(
                chunks.filter((chunk) => chunk.damaged),
                [damaged(first, last)],
              );
              // Told once; and read from the middle of it, that is where it begins.
              assert.deepEqual(await log.read(room, last - 1, 1), damaged(last, last));
              assert.deepEqual(damages, [{ room, first, last, what: 'messages' }]);
              for (const member of [alice, bob]) {
                assert.deepEqual(await log.lastOf(room, member), lasts[member]);
              }
            }
            // A turned bit of a time makes nothing old.
            while (await log.prune(1, 0));
            for (const room of rooms) {
              const state = await log.roomState(room);
              assert.equal(state?.first, 1);
              assert((await log.append({ ...batch(state.head + 1, state.head + 1), room })).stored);
            }
            // What is damaged goes with what is old.
            while (await log.prune(12_001, 0));
            for (const room of rooms) {
              const { first, head } = (await log.roomState(room))!;
              assert((await readAll(log, room)).every((chunk) => chunk.first >= first && chunk.last <= head));
              assert.equal(await log.deleteRoom(room), true);
              assert.equal(await log.roomState(room), undefined);
            }
          },
        );
      }),
      { numRuns: 4 },
    );
  });

  test('whatever one field holds, nothing is given out that was not written, and nothing else is touched', async () => {
    const integers = fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.nat(40).map(BigInt));
    const values = fc.tuple(integers, fc.uint8Array({ maxLength: 300 }));
    await fc.assert(
      fc.asyncProperty(
        fieldsOf(['room', 'member', 'batch']),
        fc.array(values, { minLength: 20, maxLength: 20 }),
        async (fields, changes) => {
          // Three rooms are left as they are.
          const hit = fields.slice(0, 17).map((_, index) => index);
          const offset = Number(changes[0]![0] & 15n);
          const fieldOf = (index: number) => fields[(index + offset) % fields.length]!;
          await withDamage(
            (db) => {
              for (const index of hit) {
                const [integer, bytes] = changes[index]!;
                put(db, rooms[index]!, fieldOf(index), (was) => (typeof was === 'bigint' ? integer : bytes));
              }
            },
            async (log) => {
              for (const room of rooms.slice(hit.length)) await checkUntouched(log, room);
              for (const index of hit) {
                const room = rooms[index]!;
                const [table] = fieldOf(index);
                const state = await orDamaged(log.roomState(room));
                if (state === 'damaged') {
                  assert.equal(table, 'room');
                  assert.equal(await orDamaged(log.read(room, 0, 1000)), 'damaged');
                  assert.equal(await orDamaged(log.append({ ...batch(13, 13), room })), 'damaged');
                } else {
                  assert.equal(state?.head, head, `${fieldOf(index)}`);
                  const chunks = await checkRead(log, room, head, 300);
                  if (table !== 'batch') assert(chunks.every((chunk) => !chunk.damaged));
                  assert.deepEqual(await log.append({ ...batch(13, 13), room }), { stored: true });
                }
                assert.equal(await log.deleteRoom(room), true);
                assert.equal(await log.roomState(room), undefined);
              }
            },
          );
        },
      ),
      { numRuns: 4 },
    );
  });

  test('a head or a last number that is beyond a turned bit is found among the messages', async () => {
    const garbled = Buffer.alloc(32, 0x5a);
    await withDamage(
      (db) => {
        const id = (index: number) => Buffer.from(rooms[index]!, 'hex');
        db.prepare('UPDATE room SET head = 77, bytes = 3 WHERE id = ?').run(id(0));
        db.prepare('DELETE FROM room WHERE id = ?').run(id(1));
        db.prepare('UPDATE member SET n = 99, hash = ? WHERE room = ?').run(garbled, id(2));
        db.prepare('UPDATE member SET n = 99, hash = ? WHERE room = ?').run(garbled, id(3));
        db.prepare('UPDATE batch SET frames = ? WHERE room = ? AND last = 12').run(garbled, id(3));
        db.prepare('UPDATE room SET head = 77, bytes = 3 WHERE id = ?').run(id(4));
        db.prepare('UPDATE batch SET frames = ? WHERE room = ? AND last = 12').run(garbled, id(4));
        db.prepare("UPDATE room SET head = 77, creator = 'x' WHERE id = ?").run(
          Buffer.from(emptyRoom, 'hex'),
        );
      },
      async (log, damages) => {
        const [changed, lost, numbers, unknown, noEnd] = rooms as [string, string, string, string, string];
        for (const room of [changed, lost, numbers]) await checkUntouched(log, room);
        assert.deepEqual(
          (await log.rooms('', 99)).filter(({ damaged }) => damaged).map(({ room }) => room),
          [noEnd, emptyRoom],
        );
        // Both wrote before what is damaged, and perhaps in it.
        for (const member of [alice, bob]) {
          await assert.rejects(log.lastOf(unknown, member), { code: 'LOG_DAMAGED' });
        }
        // Whoever writes again is known again.
        const frames = deliver(13, 20, bob, 5);
        await log.append({
          room: unknown,
          first: 13,
          last: 13,
          time: 13_000,
          frames,
          members: [{ member: bob, last: lastOf(5) }],
        });
        assert.deepEqual(await log.lastOf(unknown, bob), lastOf(5));
        for (const room of [noEnd, emptyRoom]) {
          const watcher = new Notes();
          log.watch(room, 0, watcher);
          await assert.rejects(log.roomState(room), { name: 'LogError', code: 'LOG_DAMAGED' });
          await assert.rejects(log.append({ ...batch(13, 13), room }), { code: 'LOG_DAMAGED' });
          assert.equal(watcher.errors.length, 1);
          assert.equal(await log.deleteRoom(room), true);
          await log.createRoom(room, '', 0);
          assert.deepEqual(await log.append({ ...batch(1, 1), room }), { stored: true });
        }
        assert(damages.some(({ room, what }) => room === lost && /mended/.test(what)));
        for (const room of rooms.slice(5)) await checkUntouched(log, room);
      },
    );
  });

  test('a room whose row cannot be mended keeps no other from being pruned or forgotten', async () => {
    const [broken, other] = [rooms[0]!, rooms[1]!];
    const damage = (db: DatabaseSync) => {
      put(db, broken, ['room', 'head', 0, 0], () => 77n);
      put(db, broken, ['batch', 'time', sizes.length - 1, 0], () => 1n);
      put(db, emptyRoom, ['room', 'used_at', 0, 0], () => 12_345n);
    };
    await withDamage(damage, async (log) => {
      await log.createRoom('ef'.repeat(16), 'somebody', 500);
      while (await log.prune(5000, 1000));
      await assert.rejects(log.roomState(broken), { code: 'LOG_DAMAGED' });
      assert.equal((await log.roomState(other))?.first, 5);
      assert.equal(await log.roomState('ef'.repeat(16)), undefined);
    });
  });

  test('a room full of damage is read to its end', async () => {
    const directory = copy();
    const log = await SqliteLog.open({ directory, durability: 'normal', maxBytes: 0 });
    const id = rooms[0]!;
    const count = 700;
    const appends: Promise<unknown>[] = [];
    for (let seq = head + 1; seq <= count; seq += 1)
      appends.push(log.append({ ...batch(seq, seq), room: id }));
    await Promise.all(appends);
    await log.close();
    change(directory, (db) => {
      db.prepare("UPDATE batch SET frames = x'00' WHERE room = ? AND last < 700").run(Buffer.from(id, 'hex'));
    });
    const again = await SqliteLog.open({ directory, durability: 'normal', maxBytes: 0 });
    const chunks = await readAll(again, id);
    assert.deepEqual(
      chunks.map(({ damaged }) => damaged),
      [true, true, true, false],
    );
    assert.equal(chunks.at(-2)?.last, count - 1);
    await again.close();
  });

  test('pages with anything in them: no wrong message, no other end than an error, and others are served', async () => {
    const whole = readFileSync(join(template, 'chat.db'));
    const pages = whole.length / 4096;
    const seen = { rooms: 0, whole: 0, damaged: 0, refused: 0 };
    const change = fc.tuple(
      // The first page is the header and the list of tables: without it there is no database.
      fc.integer({ min: 1, max: pages - 1 }),
      fc.nat(4095),
      fc.uint8Array({ minLength: 1, maxLength: 600 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
        const directory = mkdtempSync(join(base, 'd-'));
        const file = Buffer.from(whole);
        for (const [page, from, bytes] of changes)
          file.set(bytes.subarray(0, 4096 - from), page * 4096 + from);
        writeFileSync(join(directory, 'chat.db'), file);
        const log = await SqliteLog.open({ directory, durability: 'normal', maxBytes: 0 });
        try {
          for (const room of rooms) {
            seen.rooms += 1;
            const state = await orDamaged(log.roomState(room));
            if (state === 'damaged' || state === undefined) {
              seen.refused += 1;
              continue;
            }
            // A room that is lost itself, with some of its batches, is as long as what is left shows.
            const lost = changes.length > 1 && (state.head !== head || state.first !== 1);
            if (!lost) assert.deepEqual([state.first, state.head], [1, head]);
            const chunks = await checkRead(log, room, state.head, 1e6, state.first);
            if (chunks.some((chunk) => chunk.damaged)) seen.damaged += 1;
            else seen.whole += 1;
            for (const member of [alice, bob]) {
              const last = await orDamaged(log.lastOf(room, member));
              if (last !== 'damaged' && last.n !== 0) assert.deepEqual(last, lasts[member]);
            }
            await orDamaged(log.append({ ...batch(13, 13), room }));
          }
          await orDamaged(log.prune(5000, 0));
        } finally {
          await log.close();
        }
      }),
      {
        numRuns: 12,
        // Found once: a column without a value where the table's type forbids that.
        examples: [
          [
            [
              [10, 4, Uint8Array.of(15)],
              [1, 0, Uint8Array.of(0)],
            ],
          ],
        ],
      },
    );
    assert(seen.damaged + seen.refused > 0 && seen.whole > seen.rooms / 2, JSON.stringify(seen));
  });
});

/** What a promise gives, or that it was refused because of damage; any other error is one of the test. */
async function orDamaged<T>(promise: Promise<T>): Promise<T | 'damaged'> {
  try {
    return await promise;
  } catch (error) {
    if ((error as { code?: string }).code === 'LOG_DAMAGED') return 'damaged';
    throw error;
  }
}
