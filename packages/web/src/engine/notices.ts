/** What was noticed in a room, and names told, kept with its history. */
import { ChatError } from '@skytale/chat/client';
import { decode, encode } from 'cborg';
import * as v from 'valibot';
import type { Notice, RoomId } from '../engine.ts';
import type { Database, Write } from './database.ts';

/** Of one room; a server, or a member, can cause any number. The oldest are forgotten. */
export const MAX_NOTICES = 500;

const form = v.object({
  at: v.number(),
  what: v.variant('kind', [
    v.object({ kind: v.literal('introduced'), member: v.string(), name: v.string() }),
    v.object({ kind: v.literal('unsupported'), member: v.string(), name: v.string() }),
    v.object({
      kind: v.literal('warning'),
      code: v.string(),
      text: v.string(),
      member: v.optional(v.string()),
    }),
  ]),
});

/** All of them are in memory while a room is open: they are few. */
export class Notices {
  readonly #database: Database;
  readonly #room: RoomId;
  readonly #kept: { readonly number: number; readonly notice: Notice }[];
  #unwritten: Write[] = [];
  #writing: Promise<void> | undefined;
  #adding: Promise<unknown> = Promise.resolve();

  static async open(database: Database, room: RoomId): Promise<Notices> {
    const rows = await database.rows('notices', IDBKeyRange.bound([room], [room, []]));
    const kept: { number: number; notice: Notice }[] = [];
    for (const { key, value } of rows) {
      const what = await opened(database, key, value);
      if (what !== undefined) kept.push({ number: key[2], notice: { kind: 'notice', seq: key[1], ...what } });
    }
    kept.sort((one, other) => one.number - other.number);
    return new Notices(database, room, kept);
  }

  private constructor(database: Database, room: RoomId, kept: { number: number; notice: Notice }[]) {
    this.#database = database;
    this.#room = room;
    this.#kept = kept;
  }

  /** Keeps one; a loss of power may take it. @returns fails with what the database does */
  add(notice: Notice): Promise<void> {
    const number = (this.#kept.at(-1)?.number ?? 0) + 1;
    this.#kept.push({ number, notice });
    const gone = this.#kept.splice(0, Math.max(0, this.#kept.length - MAX_NOTICES));
    for (const { number: old, notice: one } of gone)
      this.#unwritten.push({ table: 'notices', remove: [this.#room, one.seq, old] });
    const written = this.#write(notice, number);
    this.#adding = Promise.allSettled([this.#adding, written]);
    return written;
  }

  /** Resolves when all that was added is written, or cannot be. */
  async settled(): Promise<void> {
    await this.#adding;
  }

  /** Those behind places from one up to another, which is not among them. */
  between(from: number, before: number): Notice[] {
    return this.#kept.map(({ notice }) => notice).filter(({ seq }) => seq >= from && seq < before);
  }

  async #write({ seq, at, what }: Notice, number: number): Promise<void> {
    const key: [string, number, number] = [this.#room, seq, number];
    const plaintext = encode({ at, what }, { ignoreUndefinedProperties: true });
    const value = await this.#database.seal('notices', key, plaintext);
    this.#unwritten.push({ table: 'notices', key, value });
    this.#writing ??= this.#writeAll();
    await this.#writing;
  }

  /** What comes while one transaction runs shares the next. */
  async #writeAll(): Promise<void> {
    try {
      while (this.#unwritten.length > 0) await this.#database.write(this.#unwritten.splice(0), 'relaxed');
    } finally {
      this.#writing = undefined;
    }
  }
}

/** One that is damaged is left out: no message is in it. */
async function opened(
  database: Database,
  key: [string, number, number],
  value: Uint8Array,
): Promise<Pick<Notice, 'at' | 'what'> | undefined> {
  try {
    const { at, what } = v.parse(form, decode(await database.unseal('notices', key, value)));
    return { at, what: what.kind === 'warning' ? { ...what, member: what.member } : what };
  } catch (error) {
    if (error instanceof ChatError && error.code !== 'CHAT_STATE_CORRUPT') throw error;
    return undefined;
  }
}

/** What removes all of a room. */
export function noticesRemoval(room: RoomId): Write {
  return { table: 'notices', remove: IDBKeyRange.bound([room], [room, []]) };
}
