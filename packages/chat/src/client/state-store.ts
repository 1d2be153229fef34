import { chmodSync, closeSync, openSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { equalBytes } from '../bytes.ts';
import { type ChatCrypto, PUBLIC_KEY_BYTES } from '../crypto.ts';
import { CHAIN_HASH_BYTES } from '../encryption/envelope.ts';
import { IDENTITY_SEED_BYTES, Identity } from '../encryption/identity.ts';
import type { SavedTranscript, Sender } from '../encryption/transcript.ts';
import { ChatError } from './chat-error.ts';

/** A message of one's own that the server has not acknowledged. */
export type OutboxEntry = { readonly n: number; readonly envelope: Uint8Array };

/** How far one has come, to be kept at once. */
export type Advance = {
  readonly seq: number;
  readonly hash: Uint8Array | undefined;
  readonly complete: boolean;
  /** Those that changed. */
  readonly senders: Iterable<Sender>;
  /** Own messages up to this number are acknowledged; the last `KEPT_MESSAGES` of them are kept. */
  readonly acknowledged: number;
};

/**
 * Of acknowledged messages that stay on disk all the same: an acknowledgement proves nothing, and a server that turns out not to
 * have them is sent them again.
 */
export const KEPT_MESSAGES = 1024;

/** "SKYC", in the database's header: it is one of ours. */
const APPLICATION_ID = 0x534b5943;
const SCHEMA_VERSION = 2;
const SCHEMA = `
  CREATE TABLE member (
    room BLOB NOT NULL, seed BLOB NOT NULL,
    seq INTEGER NOT NULL, hash BLOB, complete INTEGER NOT NULL, handed_over INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE sender (
    member BLOB PRIMARY KEY, n INTEGER NOT NULL, name TEXT NOT NULL, may_jump INTEGER NOT NULL,
    drafts BLOB NOT NULL DEFAULT x''
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE outbox (n INTEGER PRIMARY KEY, envelope BLOB NOT NULL) STRICT;
`;
/** Version 1 did not know by what drafts are told from their repetition. */
const FROM_VERSION_1 = "ALTER TABLE sender ADD COLUMN drafts BLOB NOT NULL DEFAULT x''";

/** SQLite's result codes; the first is what a statement fails with when a table is missing. */
const SQLITE_ERROR = 1;
const SQLITE_BUSY = 5;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;
const damaged = [SQLITE_ERROR, SQLITE_CORRUPT, SQLITE_NOTADB];

/**
 * One member's state on disk: identity, outbox, and how far it has read, in a SQLite database that belongs to this
 * process alone for as long as it is open. The lock is the operating system's and ends with the process, however that ends.
 *
 * Every method is one transaction. What goes into the outbox is synced to disk before the method returns; the rest
 * survives the process at once, and a loss of power a little later (it is then fetched again).
 */
export class StateStore implements Disposable {
  readonly path: string;
  readonly identity: Identity;
  readonly #database: DatabaseSync;
  readonly #addToOutbox: StatementSync;
  readonly #handOver: StatementSync;
  readonly #advance: StatementSync;
  readonly #putSender: StatementSync;
  readonly #clearOutbox: StatementSync;

  /**
   * Opens the database at `path`, or makes it, with a new identity.
   * @returns `undefined` if another process has it open
   * @throws {ChatError} CHAT_STATE_UNUSABLE, CHAT_STATE_CORRUPT, CHAT_STATE_NEWER
   */
  static async open(crypto: ChatCrypto, path: string, room: Uint8Array): Promise<StateStore | undefined> {
    let database: DatabaseSync | undefined;
    try {
      closeSync(openSync(path, 'a', 0o600));
      chmodSync(path, 0o600);
      database = new DatabaseSync(path, { timeout: 0 });
      prepare(crypto, database, path, room);
      return new StateStore(database, path, await readIdentity(crypto, database));
    } catch (error) {
      database?.close();
      if (sqliteCode(error) === SQLITE_BUSY) return undefined;
      throw stateError(path, error);
    }
  }

  private constructor(database: DatabaseSync, path: string, identity: Identity) {
    this.path = path;
    this.identity = identity;
    this.#database = database;
    this.#addToOutbox = database.prepare('INSERT INTO outbox (n, envelope) VALUES (?, ?)');
    this.#handOver = database.prepare('UPDATE member SET handed_over = max(handed_over, ?)');
    this.#advance = database.prepare('UPDATE member SET seq = ?, hash = ?, complete = ?');
    this.#putSender = database.prepare(
      'INSERT OR REPLACE INTO sender (member, n, name, may_jump, drafts) VALUES (?, ?, ?, ?, ?)',
    );
    this.#clearOutbox = database.prepare('DELETE FROM outbox WHERE n <= ?');
  }

  /** The number of one's own last acknowledged message. */
  acknowledged(): number {
    const own = this.identity.key.publicKey;
    return this.transcript().senders.find(({ member }) => equalBytes(member, own))?.n ?? 0;
  }

  /** What is in the outbox and not acknowledged, or all after number `after`, in order. */
  outbox(after = this.acknowledged()): OutboxEntry[] {
    const query = `SELECT n, envelope FROM outbox WHERE n > ${after} ORDER BY n`;
    return this.#read(query, ({ n, envelope }) => ({ n: integer(n), envelope: bytes(envelope) }));
  }

  transcript(): SavedTranscript {
    const [state] = this.#read('SELECT seq, hash, complete FROM member', (row) => row);
    const hash = state!.hash;
    const senders = this.#read('SELECT member, n, name, may_jump, drafts FROM sender', (row) => ({
      member: bytes(row.member, PUBLIC_KEY_BYTES),
      n: integer(row.n),
      name: String(row.name),
      mayJump: row.may_jump !== 0,
      drafts: bytes(row.drafts),
    }));
    return {
      seq: integer(state!.seq),
      hash: hash === null ? undefined : bytes(hash, CHAIN_HASH_BYTES),
      complete: state!.complete !== 0,
      senders,
    };
  }

  /** Up to where messages were handed over to the user, confirmed or not. */
  handedOver(): number {
    return this.#read('SELECT handed_over FROM member', (row) => integer(row.handed_over))[0]!;
  }

  /** Durable, power cut or not, when it returns. @throws {ChatError} CHAT_STATE_UNUSABLE */
  addToOutbox(entries: readonly OutboxEntry[]): void {
    this.#write('FULL', () => {
      for (const { n, envelope } of entries) this.#addToOutbox.run(n, envelope);
    });
  }

  /** Notes that messages up to `seq` are about to be handed over. @throws {ChatError} CHAT_STATE_UNUSABLE */
  handOver(seq: number): void {
    this.#write('NORMAL', () => this.#handOver.run(seq));
  }

  /** The places of before do not count any more. @throws {ChatError} CHAT_STATE_UNUSABLE */
  forgetHandedOver(): void {
    this.#write('NORMAL', () => this.#database.exec('UPDATE member SET handed_over = 0'));
  }

  /** @throws {ChatError} CHAT_STATE_UNUSABLE */
  advance({ seq, hash, complete, senders, acknowledged }: Advance): void {
    this.#write('NORMAL', () => {
      this.#advance.run(seq, hash ?? null, complete ? 1 : 0);
      for (const sender of senders) {
        this.#putSender.run(sender.member, sender.n, sender.name, sender.mayJump ? 1 : 0, sender.drafts);
      }
      this.#clearOutbox.run(acknowledged - KEPT_MESSAGES);
    });
  }

  /** Gives the database free for the next process, and forgets the private key. Twice is fine. */
  [Symbol.dispose](): void {
    this.identity[Symbol.dispose]();
    if (this.#database.isOpen) this.#database.close();
  }

  #read<T>(query: string, convert: (row: Record<string, unknown>) => T): T[] {
    try {
      return this.#database.prepare(query).all().map(convert);
    } catch (error) {
      throw stateError(this.path, error);
    }
  }

  #write(synchronous: 'FULL' | 'NORMAL', change: () => void): void {
    try {
      this.#database.exec(`PRAGMA synchronous = ${synchronous}; BEGIN`);
      change();
      this.#database.exec('COMMIT');
    } catch (error) {
      if (this.#database.isOpen && this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw stateError(this.path, error);
    }
  }
}

/** Locks the database and makes sure that it is what it should be, all in one transaction. */
function prepare(crypto: ChatCrypto, database: DatabaseSync, path: string, room: Uint8Array): void {
  database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; BEGIN IMMEDIATE');
  const version = pragma(database, 'user_version');
  if (version === 0 && pragma(database, 'schema_version') === 0) {
    create(crypto, database, room);
  } else if (pragma(database, 'application_id') !== APPLICATION_ID) {
    throw corrupt(path, 'it is another program’s');
  } else if (version === 1) {
    database.exec(`${FROM_VERSION_1}; PRAGMA user_version = ${SCHEMA_VERSION}`);
  } else if (version !== SCHEMA_VERSION) {
    throw new ChatError(
      'CHAT_STATE_NEWER',
      `${path} was written by a newer version of skytale. Update skytale.`,
    );
  }
  check(database, path, room);
  database.exec('COMMIT');
}

function create(crypto: ChatCrypto, database: DatabaseSync, room: Uint8Array): void {
  const seed = Identity.newSeed(crypto);
  database.exec(
    `PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}; ${SCHEMA}`,
  );
  database
    .prepare('INSERT INTO member (room, seed, seq, hash, complete, handed_over) VALUES (?, ?, 0, NULL, 1, 0)')
    .run(room, seed);
  seed.fill(0);
}

async function readIdentity(crypto: ChatCrypto, database: DatabaseSync): Promise<Identity> {
  const seed = database.prepare('SELECT seed FROM member').get()?.seed as Uint8Array;
  try {
    return await Identity.open(crypto, seed);
  } finally {
    seed.fill(0);
  }
}

function check(database: DatabaseSync, path: string, room: Uint8Array): void {
  const problem = database.prepare('PRAGMA quick_check(1)').get()?.quick_check;
  if (problem !== 'ok') throw corrupt(path, String(problem));
  const rows = database.prepare('SELECT room, length(seed) AS seed FROM member').all();
  const [row] = rows;
  if (rows.length !== 1 || row === undefined || row.seed !== IDENTITY_SEED_BYTES) {
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
