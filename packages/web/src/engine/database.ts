/** The engine's database: rows under keys, sealed where they say something, and written by one engine alone. */
import { ChatError, type Durability } from '@skytale/chat/client';
import { type IDBPDatabase, openDB } from 'idb';

/** A row that is sealed. */
type Sealed = Uint8Array<ArrayBuffer>;

/** A member's draft, which the chat's core has sealed: `setAside`, if it cannot be sent. */
export type DraftRow = {
  readonly draft: number;
  readonly id: Uint8Array | undefined;
  readonly record: Uint8Array | undefined;
  readonly sealed: { readonly n: number; readonly envelope: Uint8Array } | undefined;
  readonly setAside: boolean;
};

/** `state` is `ROOM/SLOT`, the room's id in hexadecimal digits. */
export type Tables = {
  /** What is known of a room, by its id. */
  rooms: { key: string; value: Sealed };
  /** What was noticed in a room: [room, place, number]. */
  notices: { key: [string, number, number]; value: Sealed };
  states: { key: string; value: { readonly identity: Sealed; readonly progress: Sealed } };
  /** [state, number]. */
  senders: { key: [string, number]; value: Sealed };
  /** [state, key]: records, which the chat's core has sealed. */
  messages: { key: [string, number]; value: Uint8Array };
  /** [state, draft]. */
  drafts: { key: [string, number]; value: DraftRow };
};

export type Table = keyof Tables;

/** Besides the tables: the key, and the generation. */
const META = 'meta';
/** The generations that are over, by number. */
const OVER = 'over';
/** Leaders after which nothing is remembered of one: none hangs that long and wakes. */
const REMEMBERED_GENERATIONS = 1000;

/** A change of one row, or of a range of them. */
export type Write =
  | { readonly table: Table; readonly key: Tables[Table]['key']; readonly value: unknown }
  | { readonly table: Table; readonly remove: IDBKeyRange | Tables[Table]['key'] };

const VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const LABEL = 'skytale row 1';
const tables: readonly Table[] = ['rooms', 'notices', 'states', 'senders', 'messages', 'drafts'];

export type DatabaseOptions = {
  readonly name?: string;
  readonly subtle?: SubtleCrypto;
  /** Called when the browser has closed it, or a newer version of the engine wants it. */
  readonly onLost?: () => void;
};

/**
 * 1. A write is one transaction: all of it, or nothing; nobody is waited for in the middle of one, its own engine least of all.
 * 2. Every write checks in its transaction that no other engine has led since `lead` (the generation): one that was deposed writes nothing.
 * 3. Rows are sealed with AES-256-GCM, bound to their table and key, under a key that no script can read out. It is in the same database:
 *    who has the browser's files has it. A nonce is random (NIST SP 800-38D, section 8.2.2, which allows 2^32 for one key).
 */
export class Database {
  readonly #db: IDBPDatabase;
  readonly #subtle: SubtleCrypto;
  readonly #key: CryptoKey;
  #generation = 0;

  /** @throws {ChatError} CHAT_STATE_UNUSABLE, CHAT_STATE_NEWER */
  static async open(options: DatabaseOptions = {}): Promise<Database> {
    const { name = 'skytale', subtle = globalThis.crypto.subtle, onLost = () => {} } = options;
    try {
      const db = await openDB(name, VERSION, {
        upgrade(made) {
          const meta = made.createObjectStore(META);
          // Tabs that were open when the user cleared what is stored here shall see that another leads since.
          meta.put(Date.now(), 'generation').catch(() => {}); // it fails with the whole of the upgrade
          made.createObjectStore(OVER);
          for (const table of tables) made.createObjectStore(table);
        },
        blocking: onLost,
        terminated: onLost,
      });
      const key = await sealOf(db, subtle);
      return new Database(db, subtle, key);
    } catch (error) {
      throw unusable(error);
    }
  }

  private constructor(db: IDBPDatabase, subtle: SubtleCrypto, key: CryptoKey) {
    this.#db = db;
    this.#subtle = subtle;
    this.#key = key;
  }

  /**
   * From now on this engine writes, and none that led before.
   * @returns the generation: greater than all before, also than those of a database in the place of which this one was made
   * @throws {ChatError} CHAT_STATE_UNUSABLE
   */
  async lead(): Promise<number> {
    for (;;) {
      const before = Number((await this.#reading(() => this.#db.get(META, 'generation'))) ?? 0);
      const isFirst = await this.#transact([META], 'strict', (of, fence) => {
        fence(before);
        of(OVER).put(true, before);
        of(OVER).delete(IDBKeyRange.upperBound(before - REMEMBERED_GENERATIONS));
        of(META).put(before + 1, 'generation');
      });
      if (!isFirst) continue; // another has begun to lead since
      this.#generation = before + 1;
      return this.#generation;
    }
  }

  /** Whether another engine leads now. @throws {ChatError} CHAT_STATE_UNUSABLE */
  async isDeposed(): Promise<boolean> {
    return (await this.#reading(() => this.#db.get(META, 'generation'))) !== this.#generation;
  }

  /** @throws {ChatError} CHAT_STATE_IN_USE if another engine leads, CHAT_STATE_UNUSABLE */
  async write(writes: readonly Write[], durability: Durability): Promise<void> {
    const touched = tables.filter((table) => writes.some((write) => write.table === table));
    const isLeading = await this.#transact(touched, durability, (of, fence) => {
      fence(this.#generation);
      for (const write of writes) {
        if ('remove' in write) of(write.table).delete(write.remove);
        else of(write.table).put(write.value, write.key);
      }
    });
    if (!isLeading) throw deposed();
  }

  /**
   * A transaction of which all is asked for at once. So it ends whether or not this engine lives on: one that hangs in the middle would
   * keep all others from writing. Therefore nothing is read in it; the fence is a row that cannot be added where it is already.
   * @returns false if the generation at the fence is over, and nothing was written
   */
  async #transact(
    stores: readonly string[],
    durability: Durability,
    ask: (of: (store: string) => Store, fence: (generation: number) => void) => void,
  ): Promise<boolean> {
    let isOver = false;
    try {
      const transaction = this.#db.transaction([OVER, ...stores], 'readwrite', { durability });
      const { done } = transaction;
      done.catch(() => {}); // it is awaited below, if nothing else fails before
      // Where a request fails the transaction does, which says so.
      const of = (name: string): Store => {
        const store = transaction.objectStore(name);
        return {
          put: (value, key) => void store.put(value, key).catch(() => {}),
          delete: (key) => void store.delete(key).catch(() => {}),
        };
      };
      try {
        ask(of, (generation) => {
          const store = transaction.objectStore(OVER);
          store.add(true, generation).catch((error: unknown) => {
            isOver = error instanceof DOMException && error.name === 'ConstraintError';
          });
          // Where it could be added the generation is not over.
          of(OVER).delete(generation);
        });
        transaction.commit();
        await done;
        return true;
      } catch (error) {
        abort(transaction);
        throw error;
      }
    } catch (error) {
      if (isOver) return false;
      throw unusable(error);
    }
  }

  /** @throws {ChatError} CHAT_STATE_UNUSABLE */
  get<T extends Table>(table: T, key: Tables[T]['key']): Promise<Tables[T]['value'] | undefined> {
    return this.#reading(() => this.#db.get(table, key));
  }

  /** By key. @throws {ChatError} CHAT_STATE_UNUSABLE */
  rows<T extends Table>(
    table: T,
    range?: IDBKeyRange,
    limit?: number,
  ): Promise<{ key: Tables[T]['key']; value: Tables[T]['value'] }[]> {
    return this.#reading(async () => {
      const { store } = this.#db.transaction(table);
      const [keys, values] = await Promise.all([store.getAllKeys(range, limit), store.getAll(range, limit)]);
      return keys.map((key, at) => ({ key: key as Tables[T]['key'], value: values[at]! }));
    });
  }

  /** The last ones of a range, by key. Costs as much as they are. @throws {ChatError} CHAT_STATE_UNUSABLE */
  lastRows<T extends Table>(
    table: T,
    range: IDBKeyRange,
    limit: number,
  ): Promise<{ key: Tables[T]['key']; value: Tables[T]['value'] }[]> {
    return this.#reading(async () => {
      const found: { key: Tables[T]['key']; value: Tables[T]['value'] }[] = [];
      let cursor = limit > 0 ? await this.#db.transaction(table).store.openCursor(range, 'prev') : null;
      while (cursor !== null) {
        found.push({ key: cursor.key as Tables[T]['key'], value: cursor.value });
        if (found.length === limit) break;
        cursor = await cursor.continue();
      }
      return found.reverse();
    });
  }

  async seal(table: Table, key: Tables[Table]['key'], plaintext: Uint8Array): Promise<Sealed> {
    const nonce = globalThis.crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
    const algorithm = { name: 'AES-GCM', iv: nonce, additionalData: boundTo(table, key) };
    const sealed = await this.#subtle.encrypt(algorithm, this.#key, plaintext as Sealed);
    const row = new Uint8Array(NONCE_BYTES + sealed.byteLength);
    row.set(nonce);
    row.set(new Uint8Array(sealed), NONCE_BYTES);
    return row;
  }

  /** @throws {ChatError} CHAT_STATE_CORRUPT if it is not what was sealed for this row */
  async unseal(table: Table, key: Tables[Table]['key'], row: Uint8Array): Promise<Sealed> {
    try {
      if (row.length < NONCE_BYTES + TAG_BYTES) throw new RangeError('a row that is too short');
      const algorithm = {
        name: 'AES-GCM',
        iv: row.slice(0, NONCE_BYTES),
        additionalData: boundTo(table, key),
      };
      return new Uint8Array(await this.#subtle.decrypt(algorithm, this.#key, row.slice(NONCE_BYTES)));
    } catch (cause) {
      throw new ChatError('CHAT_STATE_CORRUPT', 'What this browser keeps of the room is damaged.', { cause });
    }
  }

  close(): void {
    this.#db.close();
  }

  async #reading<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      throw unusable(error);
    }
  }
}

/** What is used of a table in a transaction. */
type Store = {
  put(value: unknown, key: IDBValidKey): void;
  delete(key: IDBValidKey | IDBKeyRange): void;
};

/** One that has ended already is left as it is. */
function abort(transaction: { abort(): void }): void {
  try {
    transaction.abort();
  } catch (error) {
    if ((error as Error).name !== 'InvalidStateError') throw error;
  }
}

/** The key, which the first engine makes. */
async function sealOf(db: IDBPDatabase, subtle: SubtleCrypto): Promise<CryptoKey> {
  const found = await db.get(META, 'seal');
  if (found !== undefined) return found;
  const fresh = await subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
  const transaction = db.transaction(META, 'readwrite', { durability: 'strict' });
  transaction.done.catch(() => {});
  // Another may have been faster.
  await transaction.store.add(fresh, 'seal').catch(() => {});
  return await db.get(META, 'seal');
}

function boundTo(table: Table, key: Tables[Table]['key']): Sealed {
  return new TextEncoder().encode(JSON.stringify([LABEL, table, key]));
}

function deposed(): ChatError {
  return new ChatError('CHAT_STATE_IN_USE', 'Another tab of this browser has taken over.');
}

function unusable(error: unknown): ChatError {
  if (error instanceof ChatError) return error;
  const name = error instanceof Error ? error.name : '';
  if (name === 'VersionError') {
    return new ChatError('CHAT_STATE_NEWER', 'A newer version of this page has been here. Reload the page.');
  }
  const text =
    name === 'QuotaExceededError'
      ? 'This browser has no room left for the messages of this page. Free some disk space.'
      : `What this browser keeps for this page cannot be used: ${error instanceof Error ? error.message : String(error)}`;
  return new ChatError('CHAT_STATE_UNUSABLE', text, { cause: error });
}
