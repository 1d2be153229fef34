/** The rooms that this browser knows: secrets, names and marks, sealed in the database. */
import { ChatError } from '@skytale/chat/client';
import { decode, encode } from 'cborg';
import * as v from 'valibot';
import type { RoomId } from '../engine.ts';
import type { Database } from './database.ts';

/** Rooms that one browser enters; each costs a row, and none is removed unless asked. */
export const MAX_ROOMS = 256;
/** Characters of what a user calls a room. */
export const MAX_LABEL = 80;

const bytes = v.instance(Uint8Array);
const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const recordForm = v.object({
  /** The invite, for the terminal: where there is a passphrase, it is not in it. */
  link: v.string(),
  /** The room secret itself: what a passphrase was made into, too. */
  secret: bytes,
  name: v.string(),
  label: v.string(),
  /** The place up to which the user has read. */
  readUpTo: whole,
  unread: whole,
  lastAt: v.optional(v.number()),
});

export type RoomRecord = v.InferOutput<typeof recordForm>;
/** What is in memory of it always. */
export type KnownRoom = Omit<RoomRecord, 'secret' | 'link'>;

export class RoomBook {
  readonly #database: Database;
  readonly #rooms: Map<RoomId, KnownRoom>;
  readonly #changed = new Set<RoomId>();
  #writing: Promise<void> | undefined;
  /** One write after the other. */
  #last: Promise<unknown> = Promise.resolve();

  static async open(database: Database): Promise<RoomBook> {
    const rooms = new Map<RoomId, KnownRoom>();
    for (const { key, value } of await database.rows('rooms')) {
      // One that is damaged is left where it is, and out: the others are as good as before.
      const record = await opened(database, key, value).catch(unlessDamaged);
      if (record === undefined) continue;
      record.secret.fill(0);
      rooms.set(key, withoutSecret(record));
    }
    return new RoomBook(database, rooms);
  }

  private constructor(database: Database, rooms: Map<RoomId, KnownRoom>) {
    this.#database = database;
    this.#rooms = rooms;
  }

  get rooms(): ReadonlyMap<RoomId, KnownRoom> {
    return this.#rooms;
  }

  /** @throws {ChatError} CHAT_TOO_MANY_ROOMS if one more is too many */
  assertSpace(): void {
    if (this.#rooms.size >= MAX_ROOMS) {
      throw new ChatError(
        'CHAT_TOO_MANY_ROOMS',
        `This browser knows ${MAX_ROOMS} rooms. Forget one of them first.`,
      );
    }
  }

  /** @throws {ChatError} CHAT_TOO_MANY_ROOMS, CHAT_STATE_… */
  async add(room: RoomId, record: RoomRecord): Promise<void> {
    this.assertSpace();
    this.#rooms.set(room, withoutSecret(record));
    try {
      await this.#inTurn(() => this.#write(room, record));
    } catch (error) {
      this.#rooms.delete(room);
      throw error;
    }
  }

  /** Link and secret, which the caller wipes. @throws {ChatError} CHAT_STATE_… */
  async secrets(room: RoomId): Promise<Pick<RoomRecord, 'link' | 'secret'>> {
    const row = await this.#database.get('rooms', room);
    if (row === undefined) throw new ChatError('CHAT_NO_SUCH_ROOM', 'This browser does not know the room.');
    const { link, secret } = await opened(this.#database, room, row);
    return { link, secret };
  }

  /** Seen at once, and durable when it resolves; what changes meanwhile shares the next write. @throws {ChatError} CHAT_STATE_… */
  async change(room: RoomId, by: Partial<KnownRoom>): Promise<void> {
    const known = this.#rooms.get(room);
    if (known === undefined) return;
    this.#rooms.set(room, { ...known, ...by });
    this.#writing ??= this.#inTurn(() => this.#writeChanged());
    this.#changed.add(room);
    await this.#writing;
  }

  /**
   * Not known any more from now on, unless its rows stay. It is the caller's to remove them, in the turn that this gives: nothing of the
   * room is written after it.
   */
  async remove(room: RoomId, removeRows: () => Promise<void>): Promise<void> {
    const known = this.#rooms.get(room);
    this.#rooms.delete(room);
    try {
      await this.#inTurn(removeRows);
    } catch (error) {
      if (known !== undefined && !this.#rooms.has(room)) this.#rooms.set(room, known);
      throw error;
    }
  }

  async #writeChanged(): Promise<void> {
    this.#writing = undefined;
    const changed = [...this.#changed];
    this.#changed.clear();
    for (const room of changed) {
      if (!this.#rooms.has(room)) continue;
      const secrets = await this.secrets(room);
      const known = this.#rooms.get(room);
      if (known !== undefined) await this.#write(room, { ...known, ...secrets });
    }
  }

  async #write(room: RoomId, record: RoomRecord): Promise<void> {
    const plaintext = encode(record, { ignoreUndefinedProperties: true });
    record.secret.fill(0);
    const value = await this.#database.seal('rooms', room, plaintext).finally(() => plaintext.fill(0));
    await this.#database.write([{ table: 'rooms', key: room, value }], 'strict');
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  }
}

function withoutSecret({ link: _, secret: __, ...known }: RoomRecord): KnownRoom {
  return known;
}

function unlessDamaged(error: unknown): undefined {
  if (!(error instanceof ChatError) || error.code !== 'CHAT_STATE_CORRUPT') throw error;
}

async function opened(database: Database, room: RoomId, row: Uint8Array): Promise<RoomRecord> {
  const plaintext = await database.unseal('rooms', room, row);
  const { success, output } = v.safeParse(recordForm, decode(plaintext));
  plaintext.fill(0);
  if (success) return output;
  throw new ChatError('CHAT_STATE_CORRUPT', 'What this browser keeps of the room is damaged.');
}
