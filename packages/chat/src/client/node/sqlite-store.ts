import { chmodSync, rmSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { equalBytes } from '../../bytes.ts';
import { HASH_BYTES, PUBLIC_KEY_BYTES, SEED_BYTES } from '../../crypto.ts';
import { DRAFT_ID_BYTES } from '../../encryption/content.ts';
import { publicKeyOf } from '../../node-crypto.ts';
import { makePrivateFile } from '../../private-file.ts';
import { ChatError } from '../chat-error.ts';
import type {
  Durability,
  SavedDraft,
  SavedMessage,
  SavedState,
  StateChange,
  StateStore,
} from '../state-store.ts';
import { holdFile } from './held-file.ts';

/** "SKYC", in the database's header: it is one of ours. */
const APPLICATION_ID = 0x534b5943;
const SCHEMA_VERSION = 3;
const SCHEMA = `
  CREATE TABLE member (
    room BLOB NOT NULL, seed BLOB NOT NULL,
    seq INTEGER NOT NULL, hash BLOB, complete INTEGER NOT NULL, handed_over INTEGER NOT NULL,
    last_draft INTEGER NOT NULL DEFAULT 0, settled INTEGER NOT NULL DEFAULT 0, cipher BLOB
  ) STRICT;
  CREATE TABLE sender (
    member BLOB PRIMARY KEY, n INTEGER NOT NULL, name TEXT NOT NULL, may_jump INTEGER NOT NULL,
    drafts BLOB NOT NULL DEFAULT x''
  ) STRICT, WITHOUT ROWID;
`;
/** What version 2 added. A draft is sealed when it has a number. */
const TABLES_OF_2 = `
  CREATE TABLE outbox (
    draft INTEGER PRIMARY KEY, id BLOB, record BLOB, n INTEGER UNIQUE, envelope BLOB
  ) STRICT;
  CREATE TABLE set_aside (draft INTEGER PRIMARY KEY, id BLOB, record BLOB) STRICT;
`;
/** Version 2 kept messages under their places, until they were confirmed. */
const MESSAGES_OF_2 = `
  CREATE TABLE message (seq INTEGER PRIMARY KEY, record BLOB NOT NULL) STRICT;
`;
/** Version 3 keeps them. What is not confirmed stands in a table of its own, so that no record is written twice. */
const TABLES_OF_3 = `
  CREATE TABLE message (key INTEGER PRIMARY KEY, record BLOB NOT NULL) STRICT;
  CREATE TABLE unconfirmed (key INTEGER PRIMARY KEY) STRICT;
  CREATE TABLE hidden (member BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
  ALTER TABLE member ADD COLUMN forgotten INTEGER NOT NULL DEFAULT 0;
`;
/** Version 1 had envelopes without drafts, and knew what was acknowledged by one's own row among the senders. */
const FROM_1_TO_2 = `
  ALTER TABLE outbox RENAME TO outbox_of_1;
  ${TABLES_OF_2} ${MESSAGES_OF_2}
  INSERT INTO outbox (draft, n, envelope) SELECT n, n, envelope FROM outbox_of_1;
  DROP TABLE outbox_of_1;
  ALTER TABLE member ADD COLUMN last_draft INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE member ADD COLUMN settled INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE member ADD COLUMN cipher BLOB;
  ALTER TABLE sender ADD COLUMN drafts BLOB NOT NULL DEFAULT x'';
`;
const FROM_2_TO_3 = `
  ALTER TABLE message RENAME TO message_of_2;
  ${TABLES_OF_3}
  INSERT INTO message (key, record) SELECT seq, record FROM message_of_2;
  INSERT INTO unconfirmed (key) SELECT seq FROM message_of_2;
  DROP TABLE message_of_2;
  UPDATE member SET forgotten = coalesce((SELECT min(key) - 1 FROM message), seq);
`;

const MESSAGES = 'SELECT key, record FROM message';

/** SQLite's result codes; the first is what a statement fails with when a table is missing. */
const SQLITE_ERROR = 1;
const SQLITE_BUSY = 5;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;
const damaged = [SQLITE_ERROR, SQLITE_CORRUPT, SQLITE_NOTADB];

/**
 * A state in a SQLite database that belongs to this part of this process alone for as long as it is open. The lock is the operating
 * system's and ends with the process, however that ends.
 *
 * SQLite works in the thread that calls: what a commit changes is on disk when the call returns.
 */
export class SqliteStore implements StateStore {
  readonly path: string;
  readonly #database: DatabaseSync;
  readonly #hold: Disposable;
  readonly #statements: Statements;
  #failure: ChatError | undefined;

  /**
   * Opens the database at `path`, or makes it, with the seed of a new identity.
   * @returns `undefined` if somebody has it open
   * @throws {ChatError} CHAT_STATE_UNUSABLE, CHAT_STATE_CORRUPT, CHAT_STATE_NEWER
   */
  static open(path: string, room: Uint8Array, newSeed: () => Uint8Array): SqliteStore | undefined {
    using undo = new DisposableStack();
    try {
      makePrivateFile(path);
      chmodSync(path, 0o600);
      const hold = holdFile(path);
      if (hold === undefined) return undefined;
      undo.use(hold);
      const database = new DatabaseSync(path, { timeout: 0 });
      undo.defer(() => database.close());
      prepare(database, path, room, newSeed);
      const store = new SqliteStore(database, path, hold);
      undo.move();
      return store;
    } catch (error) {
      if (sqliteCode(error) === SQLITE_BUSY) return undefined;
      throw stateError(path, error);
    }
  }

  private constructor(database: DatabaseSync, path: string, hold: Disposable) {
    this.path = path;
    this.#database = database;
    this.#hold = hold;
    this.#statements = statementsOf(database);
  }

  /** Whether there are messages that the server has not acknowledged. */
  get hasUnsent(): boolean {
    const query = 'SELECT 1 AS one FROM outbox, member WHERE n IS NULL OR n > settled LIMIT 1';
    return this.#read(query, () => true).length > 0;
  }

  async load(): Promise<SavedState> {
    try {
      return this.#load();
    } catch (error) {
      throw stateError(this.path, error);
    }
  }

  #load(): SavedState {
    const [member] = this.#read('SELECT * FROM member', (row) => row);
    const settled = integer(member!.settled);
    return {
      seed: bytes(member!.seed, SEED_BYTES),
      place: {
        seq: integer(member!.seq),
        hash: optional(member!.hash, HASH_BYTES),
        complete: member!.complete !== 0,
      },
      senders: this.#read('SELECT * FROM sender', (row) => ({
        member: bytes(row.member, PUBLIC_KEY_BYTES),
        n: integer(row.n),
        name: String(row.name),
        mayJump: row.may_jump !== 0,
        drafts: bytes(row.drafts),
      })),
      handedOver: integer(member!.handed_over),
      messages: this.#read(`${MESSAGES} NATURAL JOIN unconfirmed ORDER BY key`, messageOf),
      lastKey: Math.max(
        integer(member!.forgotten),
        ...this.#read('SELECT max(key) AS key FROM message', ({ key }) => integer(key ?? 0)),
      ),
      forgotten: integer(member!.forgotten),
      lastDraft: integer(member!.last_draft),
      settled,
      outbox: this.#drafts(`outbox WHERE n IS NULL OR n > ${settled} ORDER BY draft`),
      kept: this.#read(`SELECT draft, id, n FROM outbox WHERE n <= ${settled} ORDER BY n`, (row) => ({
        draft: integer(row.draft),
        id: optional(row.id, DRAFT_ID_BYTES),
        n: integer(row.n),
      })),
      setAside: this.#drafts('set_aside ORDER BY draft'),
      hidden: this.#read('SELECT member FROM hidden', ({ member }) => bytes(member, PUBLIC_KEY_BYTES)),
      cipher: optional(member!.cipher),
    };
  }

  async sealedAfter(after: number): Promise<SavedDraft[]> {
    return this.#drafts(`outbox WHERE n > ${integer(after)} ORDER BY n`);
  }

  async history(before: number, limit: number): Promise<SavedMessage[]> {
    const query = `${MESSAGES} WHERE key < ${integer(before)} ORDER BY key DESC LIMIT ${integer(limit)}`;
    return this.#read(query, messageOf).reverse();
  }

  async historyAfter(after: number, limit: number): Promise<SavedMessage[]> {
    const query = `${MESSAGES} WHERE key > ${integer(after)} ORDER BY key LIMIT ${integer(limit)}`;
    return this.#read(query, messageOf);
  }

  async commit(changes: readonly StateChange[], durability: Durability): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      this.#database.exec(`PRAGMA synchronous = ${durability === 'strict' ? 'FULL' : 'NORMAL'}; BEGIN`);
      for (const change of changes) this.#change(change);
      this.#database.exec('COMMIT');
    } catch (error) {
      if (this.#database.isOpen && this.#database.isTransaction) this.#database.exec('ROLLBACK');
      this.#failure = stateError(this.path, error);
      throw this.#failure;
    }
  }

  async close(): Promise<void> {
    this[Symbol.dispose]();
  }

  /** What was in the file is overwritten before it goes; a disk that writes elsewhere, or a copy of the directory, may still have it. */
  async wipe(): Promise<void> {
    try {
      if (this.#database.isOpen) {
        const tables = this.#read("SELECT name FROM sqlite_schema WHERE type = 'table'", ({ name }) => name);
        this.#database.exec(`PRAGMA secure_delete = ON; ${tables.map((name) => `DELETE FROM "${name}";`).join('')}
          PRAGMA wal_checkpoint(TRUNCATE)`);
        this.#database.close();
      }
      for (const end of ['-wal', '-shm', '']) rmSync(`${this.path}${end}`, { force: true });
    } catch (error) {
      throw stateError(this.path, error);
    } finally {
      this[Symbol.dispose]();
    }
  }

  /** As `close`, at once. */
  [Symbol.dispose](): void {
    if (this.#database.isOpen) this.#database.close();
    this.#hold[Symbol.dispose]();
  }

  #change(change: StateChange): void {
    const run = this.#statements;
    switch (change.kind) {
      case 'place':
        run.place.run(change.seq, change.hash ?? null, change.complete ? 1 : 0);
        return;
      case 'sender': {
        const { member, n, name, mayJump, drafts } = change.sender;
        run.sender.run(member, n, name, mayJump ? 1 : 0, drafts);
        return;
      }
      case 'message':
        run.message.run(change.key, change.record);
        if (change.handedOver) run.unconfirmed.run(change.key);
        return;
      case 'confirmed':
        run.confirmed.run(change.key);
        return;
      case 'forgotten':
        this.#forget(change.key);
        return;
      case 'trimmed':
        this.#forget(integer(run.lastToForget.get(change.messages, change.bytes)?.key ?? 0));
        return;
      case 'draft':
        run.draft.run(change.draft, change.id, change.record);
        run.lastDraft.run(change.draft);
        return;
      case 'redrafted':
        mustChange(run.redrafted.run(change.record, change.draft));
        return;
      case 'sealed':
        mustChange(run.sealed.run(change.sealed?.n ?? null, change.sealed?.envelope ?? null, change.draft));
        return;
      case 'settled':
        run.settled.run(change.n);
        run.forgetSettled.run(change.forget);
        return;
      case 'setAside':
        mustChange(run.setAside.run(change.draft));
        run.leaveOutbox.run(change.draft);
        return;
      case 'discarded':
        run.discarded.run(change.draft);
        return;
      case 'hidden':
        (change.hidden ? run.hide : run.unhide).run(change.member);
        return;
      case 'cipher':
        run.cipher.run(change.state);
    }
  }

  #forget(key: number): void {
    this.#statements.forgetMessages.run(key);
    this.#statements.forgotten.run(key);
  }

  /** @param rows of a table, where they are, and how they are sorted */
  #drafts(rows: string): SavedDraft[] {
    return this.#read(`SELECT * FROM ${rows}`, ({ draft, id, record, n, envelope }) => ({
      draft: integer(draft),
      id: optional(id, DRAFT_ID_BYTES),
      record: optional(record),
      sealed: n == null ? undefined : { n: integer(n), envelope: bytes(envelope) },
    }));
  }

  #read<T>(query: string, convert: (row: Record<string, unknown>) => T): T[] {
    try {
      return this.#database.prepare(query).all().map(convert);
    } catch (error) {
      throw stateError(this.path, error);
    }
  }
}

function messageOf({ key, record }: Record<string, unknown>): SavedMessage {
  return { key: integer(key), record: bytes(record) };
}

type Statements = ReturnType<typeof statementsOf>;

function statementsOf(database: DatabaseSync) {
  const prepared = (sql: string): StatementSync => database.prepare(sql);
  return {
    place: prepared('UPDATE member SET seq = ?, hash = ?, complete = ?'),
    sender: prepared(
      'INSERT OR REPLACE INTO sender (member, n, name, may_jump, drafts) VALUES (?, ?, ?, ?, ?)',
    ),
    message: prepared('INSERT OR REPLACE INTO message (key, record) VALUES (?, ?)'),
    unconfirmed: prepared('INSERT OR IGNORE INTO unconfirmed (key) VALUES (?)'),
    confirmed: prepared('DELETE FROM unconfirmed WHERE key <= ?'),
    // Goes through all that is kept.
    lastToForget: prepared(`
      SELECT max(key) AS key FROM (
        SELECT key, row_number() OVER newest AS messages, sum(length(record)) OVER newest AS bytes
        FROM message WINDOW newest AS (ORDER BY key DESC)
      ) WHERE messages > ? OR bytes > ?`),
    forgetMessages: prepared(
      'DELETE FROM message WHERE key <= ? AND key NOT IN (SELECT key FROM unconfirmed)',
    ),
    forgotten: prepared('UPDATE member SET forgotten = max(forgotten, ?)'),
    draft: prepared('INSERT INTO outbox (draft, id, record) VALUES (?, ?, ?)'),
    lastDraft: prepared('UPDATE member SET last_draft = max(last_draft, ?)'),
    redrafted: prepared('UPDATE outbox SET record = ? WHERE draft = ?'),
    sealed: prepared('UPDATE outbox SET n = ?, envelope = ? WHERE draft = ?'),
    settled: prepared('UPDATE member SET settled = ?'),
    forgetSettled: prepared('DELETE FROM outbox WHERE n <= ?'),
    setAside: prepared(
      'INSERT INTO set_aside (draft, id, record) SELECT draft, id, record FROM outbox WHERE draft = ?',
    ),
    leaveOutbox: prepared('DELETE FROM outbox WHERE draft = ?'),
    discarded: prepared('DELETE FROM set_aside WHERE draft = ?'),
    hide: prepared('INSERT OR IGNORE INTO hidden (member) VALUES (?)'),
    unhide: prepared('DELETE FROM hidden WHERE member = ?'),
    cipher: prepared('UPDATE member SET cipher = ?'),
  };
}

function mustChange({ changes }: { readonly changes: number | bigint }): void {
  if (changes !== 1) throw new RangeError('a draft is missing in the outbox');
}

/** Locks the database and makes sure that it is what it should be, all in one transaction. */
function prepare(database: DatabaseSync, path: string, room: Uint8Array, newSeed: () => Uint8Array): void {
  database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; BEGIN IMMEDIATE');
  const version = pragma(database, 'user_version');
  if (version === 0 && pragma(database, 'schema_version') === 0) {
    create(database, room, newSeed());
  } else if (pragma(database, 'application_id') !== APPLICATION_ID) {
    throw corrupt(path, 'it is another program’s');
  } else if (version === 1 || version === 2) {
    check(database, path, room);
    if (version === 1) migrateFrom1(database);
    database.exec(`${FROM_2_TO_3} PRAGMA user_version = ${SCHEMA_VERSION}`);
  } else if (version !== SCHEMA_VERSION) {
    throw new ChatError(
      'CHAT_STATE_NEWER',
      `${path} was written by a newer version of skytale. Update skytale.`,
    );
  }
  check(database, path, room);
  database.exec('COMMIT');
}

function create(database: DatabaseSync, room: Uint8Array, seed: Uint8Array): void {
  database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}`);
  database.exec(SCHEMA + TABLES_OF_2 + TABLES_OF_3);
  database
    .prepare('INSERT INTO member (room, seed, seq, hash, complete, handed_over) VALUES (?, ?, 0, NULL, 1, 0)')
    .run(room, seed);
  seed.fill(0);
}

function migrateFrom1(database: DatabaseSync): void {
  database.exec(FROM_1_TO_2);
  const seed = bytes(database.prepare('SELECT seed FROM member').get()?.seed, SEED_BYTES);
  const own = database.prepare('SELECT n FROM sender WHERE member = ?').get(publicKeyOf(seed));
  seed.fill(0);
  const settled = integer(own?.n ?? 0);
  database
    .prepare('UPDATE member SET settled = ?, last_draft = max(?, coalesce((SELECT max(n) FROM outbox), 0))')
    .run(settled, settled);
}

function check(database: DatabaseSync, path: string, room: Uint8Array): void {
  const problem = database.prepare('PRAGMA quick_check(1)').get()?.quick_check;
  if (problem !== 'ok') throw corrupt(path, String(problem));
  const rows = database.prepare('SELECT room, length(seed) AS seed FROM member').all();
  const [row] = rows;
  if (rows.length !== 1 || row === undefined || row.seed !== SEED_BYTES) {
    throw corrupt(path, 'it holds no identity');
  }
  if (!equalBytes(bytes(row.room), room)) throw corrupt(path, 'it is another room’s');
}

function pragma(database: DatabaseSync, name: string): unknown {
  return database.prepare(`PRAGMA ${name}`).get()?.[name];
}

function integer(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw new RangeError(`a field is ${value}, no number`);
  return value;
}

function bytes(value: unknown, length?: number): Uint8Array {
  if (value instanceof Uint8Array && (length === undefined || value.length === length)) return value;
  throw new RangeError('a field has a wrong length');
}

function optional(value: unknown, length?: number): Uint8Array | undefined {
  return value === null ? undefined : bytes(value, length);
}

function sqliteCode(error: unknown): number | undefined {
  const code = error instanceof Error && 'errcode' in error ? error.errcode : undefined;
  return typeof code === 'number' ? code & 0xff : undefined;
}

function corrupt(path: string, reason: string): ChatError {
  return new ChatError(
    'CHAT_STATE_CORRUPT',
    `${path} is damaged: ${reason}. Move it away to enter the room as a new member; unsent messages in it are lost.`,
  );
}

function stateError(path: string, error: unknown): ChatError {
  if (error instanceof ChatError) return error;
  const code = sqliteCode(error);
  const reason = error instanceof Error ? error.message : String(error);
  if (error instanceof RangeError || damaged.includes(code ?? 0)) return corrupt(path, reason);
  return new ChatError('CHAT_STATE_UNUSABLE', `${path} cannot be used: ${reason}.`, { cause: error });
}
