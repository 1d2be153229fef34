import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { SqliteCopier } from './sqlite-copier.ts';
import { SqliteWriter } from './sqlite-writer.ts';

const room = 'ab'.repeat(16);
const bytes = randomBytes(200_000);
const MIB = 1024 * 1024;

/** The writer and the copier as their threads have them, and how the test looks at the write-ahead log. */
describe('copying the write-ahead log', () => {
  let directory: string;
  let writer: SqliteWriter;
  let copier: SqliteCopier;
  let other: DatabaseSync;
  let seq = 0;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'skytale-copier-'));
    const options = { directory, durability: 'normal', maxBytes: 0 } as const;
    writer = new SqliteWriter(options, () => undefined);
    writer.createRoom(room, '', 0);
    copier = new SqliteCopier(options);
    other = new DatabaseSync(join(directory, 'chat.db'), { readOnly: true });
    seq = 0;
  });
  afterEach(() => {
    other.close();
    copier.close();
    writer.close();
    rmSync(directory, { recursive: true });
  });

  /** @returns how often the writer said that the log is long */
  function append(count: number): number {
    let long = 0;
    for (let done = 0; done < count; done += 1) {
      seq += 1;
      const batch = { room, first: seq, last: seq, time: seq, members: [], at: 0, length: bytes.length };
      assert.deepEqual(writer.append([batch], bytes), [{ stored: true }]);
      if (writer.isLong()) long += 1;
    }
    return long;
  }

  /** Pages of the log since it last began anew. */
  function pages(): number {
    return Number(other.prepare('PRAGMA wal_checkpoint(NOOP)').get()?.log);
  }

  const databaseBytes = () => statSync(join(directory, 'chat.db')).size;

  test('the writer fails nobody by looking, since nobody asked: its thread would end, and the server with it', () => {
    for (seq = 1; seq <= 25; seq += 1) {
      const batch = { room, first: seq, last: seq, time: seq, members: [], at: 0, length: bytes.length };
      writer.append([batch], bytes);
    }
    // As if the disk could not be read.
    writer.close();
    assert.equal(writer.isLong(), true);
  });

  test('the writer says every 4 MiB that it is long, and does not copy it: appends do not wait for that', () => {
    const before = databaseBytes();
    assert.equal(append(70), 3);
    assert.equal(databaseBytes(), before);
    assert(pages() > 70 * 48);
  });

  test('when all of it is copied, the next append begins it anew', () => {
    append(30);
    const state = copier.copy();
    assert.equal(state.left, 0);
    assert(state.pages > 30 * 48);
    assert(databaseBytes() > 30 * bytes.length);
    append(1);
    assert(pages() < 100);
    assert.equal(other.prepare('SELECT count(*) AS all_of_them FROM batch').get()?.all_of_them, 31);
  });

  test('what somebody still reads is not overwritten, and copying does not wait for it', () => {
    append(5);
    other.exec('BEGIN');
    const count = () => other.prepare('SELECT count(*) AS batches FROM batch').get()?.batches;
    assert.equal(count(), 5);
    append(25);
    const { left } = copier.copy();
    assert(left > 25 * 48);
    append(5);
    assert.equal(count(), 5);
    other.exec('COMMIT');
    assert.equal(copier.copy().left, 0);
    append(1);
    assert(pages() < 100);
    assert.equal(count(), 36);
  });

  test('the writer begins it anew from 16 MiB on, if told that the most is copied', () => {
    append(30);
    writer.restart();
    assert(pages() > 30 * 48);
    append(30);
    other.exec('BEGIN');
    other.prepare('SELECT 1 FROM batch').get();
    append(30);
    // As what is appended during copying would be.
    assert(copier.copy().left > 0);
    other.exec('COMMIT');
    append(1);
    assert(pages() > 90 * 48);
    writer.restart();
    append(1);
    assert(pages() < 100);
  });

  test('where nobody copies it, the writer does, so that it does not grow without end', () => {
    for (let round = 0; round < 10; round += 1) {
      append(40);
      assert(statSync(join(directory, 'chat.db-wal')).size < 38 * MIB);
    }
    assert(databaseBytes() > 40 * MIB);
  });
});
