/** Members' states in IndexedDB. */
import {
  ChatError,
  type Durability,
  type SavedDraft,
  type SavedMessage,
  type SavedState,
  type StateChange,
  type StateStore,
} from '@skytale/chat/client';
import { decode, encode } from 'cborg';
import * as v from 'valibot';
import type { Database, DraftRow, Write } from './database.ts';
import { emptyProgress, MemberRows, type Progress, type RowChange, type Sender } from './member-rows.ts';

/** Of engines that lead there is one, so that a second state is there only after something went wrong. */
const MAX_SLOTS = 64;
/** Commits that share one transaction while the one before is written. */
const MAX_SHARING = 256;
/** What sorts behind all that may follow `STATE` in a key, or `ROOM/` in that. */
const BEHIND = '\uffff';

const bytes = v.instance(Uint8Array);
const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const identityForm = v.object({ name: v.string(), seed: bytes });
const senderForm = v.object({
  member: bytes,
  n: whole,
  name: v.string(),
  mayJump: v.boolean(),
  drafts: bytes,
});
const progressForm = v.object({
  place: v.object({ seq: whole, hash: v.optional(bytes), complete: v.boolean() }),
  handedOver: whole,
  lastKey: whole,
  forgotten: whole,
  lastDraft: whole,
  settled: whole,
  hidden: v.array(bytes),
  cipher: v.optional(bytes),
  unconfirmed: v.array(whole),
});

type Bytes = Uint8Array<ArrayBuffer>;
type Identity = { readonly name: string; readonly seed: Uint8Array };

/** The states of all members of this browser. One engine uses it; `Database` sees to that. */
export class MemberStates {
  readonly #database: Database;
  readonly #inUse = new Set<string>();
  #opening: Promise<unknown> = Promise.resolve();

  constructor(database: Database) {
    this.#database = database;
  }

  /** As `ClientEnvironment.openStore`; one call after the other. */
  openStore(room: Uint8Array, name: string, newSeed: () => Uint8Array): Promise<IndexedDbStore> {
    const opened = this.#opening.then(() => this.#open(room.toHex(), name, newSeed));
    this.#opening = opened.catch(() => {});
    return opened;
  }

  /** What removes all states of a room. They must be closed. */
  removal(room: Uint8Array): Write[] {
    const id = room.toHex();
    return removalOf(IDBKeyRange.bound(`${id}/`, `${id}/${BEHIND}`), `${id}/`, `${id}/${BEHIND}`);
  }

  async #open(room: string, name: string, newSeed: () => Uint8Array): Promise<IndexedDbStore> {
    const states = IDBKeyRange.bound(`${room}/`, `${room}/${BEHIND}`);
    const found = await this.#database.rows('states', states);
    const free: { key: string; rows: MemberRows }[] = [];
    for (const { key, value } of found) {
      if (this.#inUse.has(key)) continue;
      const identity = await this.#identity(key, value.identity);
      identity.seed.fill(0);
      if (identity.name === name)
        free.push({ key, rows: await readRows(this.#database, key, value.progress) });
    }
    const chosen = free.find(({ rows }) => rows.hasUnsent) ?? free[0];
    const taken = new Set(found.map(({ key }) => key));
    const { key, rows } = chosen ?? (await this.#make(room, name, newSeed(), taken));
    this.#inUse.add(key);
    const { identity } = (await this.#database.get('states', key))!;
    return new IndexedDbStore(this.#database, key, rows, {
      sealedIdentity: identity,
      seed: async () => (await this.#identity(key, identity)).seed.slice(),
      closed: () => this.#inUse.delete(key),
    });
  }

  async #make(room: string, name: string, seed: Uint8Array, taken: ReadonlySet<string>) {
    const database = this.#database;
    const slots = Array.from({ length: MAX_SLOTS }, (_, slot) => `${room}/${slot + 1}`);
    const key = slots.find((slot) => !taken.has(slot));
    try {
      if (key === undefined) {
        throw new ChatError(
          'CHAT_STATE_UNUSABLE',
          'This browser has been in this room under too many names. Forget the room, and enter it again.',
        );
      }
      const identity = await sealed(database, key, { name, seed } satisfies Identity);
      const progress = await sealed(database, key, emptyProgress);
      await database.write([{ table: 'states', key, value: { identity, progress } }], 'strict');
      return { key, rows: new MemberRows(emptyProgress, [], []) };
    } finally {
      seed.fill(0);
    }
  }

  async #identity(key: string, row: Uint8Array): Promise<Identity> {
    const plaintext = await this.#database.unseal('states', key, row);
    const identity = parsed(identityForm, plaintext);
    plaintext.fill(0);
    return identity;
  }
}

type StoreParts = {
  readonly sealedIdentity: Bytes;
  readonly seed: () => Promise<Uint8Array>;
  readonly closed: () => void;
};

type Waiting = {
  readonly changes: readonly StateChange[];
  readonly durability: Durability;
  readonly resolve: () => void;
  readonly reject: (error: ChatError) => void;
};

/**
 * A state. What is committed while a transaction runs shares the next one, so that while catching up hundreds of messages cost one.
 * In memory are the senders, and the drafts on their way; not the messages.
 */
export class IndexedDbStore implements StateStore {
  readonly path: string;
  readonly #database: Database;
  readonly #key: string;
  readonly #rows: MemberRows;
  readonly #parts: StoreParts;
  readonly #waiting: Waiting[] = [];
  #working: Promise<void> | undefined;
  #failure: ChatError | undefined;

  constructor(database: Database, key: string, rows: MemberRows, parts: StoreParts) {
    this.path = `IndexedDB, ${key}`;
    this.#database = database;
    this.#key = key;
    this.#rows = rows;
    this.#parts = parts;
  }

  async load(): Promise<SavedState> {
    const { unconfirmed } = this.#rows.progress;
    const saved = this.#rows.saved();
    const messages = await Promise.all(unconfirmed.map((key) => this.#message(key)));
    return { ...saved, messages, seed: await this.#parts.seed() };
  }

  async sealedAfter(after: number): Promise<SavedDraft[]> {
    return [...this.#rows.sealedAfter(after)];
  }

  async history(before: number, limit: number): Promise<SavedMessage[]> {
    const range = IDBKeyRange.bound([this.#key], [this.#key, before], false, true);
    return (await this.#database.lastRows('messages', range, limit)).map(messageOf);
  }

  async historyAfter(after: number, limit: number): Promise<SavedMessage[]> {
    const range = IDBKeyRange.bound([this.#key, after], [this.#key, BEHIND], true);
    return (await this.#database.rows('messages', range, limit)).map(messageOf);
  }

  commit(changes: readonly StateChange[], durability: Durability): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ changes, durability, resolve, reject });
    this.#working ??= this.#work();
    return promise;
  }

  async close(): Promise<void> {
    await this.#end();
    this.#parts.closed();
  }

  async wipe(): Promise<void> {
    await this.#end();
    const key = this.#key;
    await this.#database.write(removalOf(key, key, key), 'strict');
    this.#parts.closed();
  }

  async #end(): Promise<void> {
    await this.#working;
    this.#failure ??= new ChatError('CHAT_STATE_UNUSABLE', 'It is closed.');
  }

  /** Takes in what comes in the same turn too. It never fails, and when it ends nothing waits. */
  async #work(): Promise<void> {
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const sharing = this.#waiting.splice(0, MAX_SHARING);
      try {
        await this.#write(sharing);
      } catch (error) {
        this.#fail(error, sharing);
      }
    }
    // In the step that found nothing waiting: what is committed from now on begins anew.
    this.#working = undefined;
  }

  /** All of them in one transaction; where one cannot be, those before it. */
  async #write(sharing: readonly Waiting[]): Promise<void> {
    const changes: RowChange[] = [];
    const taken: Waiting[] = [];
    let refused: { readonly error: unknown } | undefined;
    for (const waiting of sharing) {
      try {
        if (this.#failure !== undefined) throw this.#failure;
        const sizes = waiting.changes.some(({ kind }) => kind === 'trimmed')
          ? await this.#sizes(changes)
          : undefined;
        changes.push(...this.#rows.commit(waiting.changes, sizes));
        taken.push(waiting);
      } catch (error) {
        refused = { error };
        break;
      }
    }
    if (taken.length > 0) {
      const durability = taken.some((waiting) => waiting.durability === 'strict') ? 'strict' : 'relaxed';
      await this.#database.write(await this.#writes(changes), durability);
      for (const { resolve } of taken) resolve();
    }
    if (refused !== undefined) throw refused.error;
  }

  async #writes(changes: readonly RowChange[]): Promise<Write[]> {
    const [database, state] = [this.#database, this.#key];
    const rows = changes.map(async (change): Promise<Write[]> => {
      const { key } = change;
      switch (change.of) {
        case 'message':
          return [{ table: 'messages', key: [state, key], value: change.value }];
        case 'messagesUpTo':
          return removals(state, key, change.but);
        case 'draft':
          return change.value === undefined
            ? [{ table: 'drafts', remove: [state, key] }]
            : [{ table: 'drafts', key: [state, key], value: change.value }];
        case 'sender': {
          const value = await database.seal('senders', [state, key], encode(change.value));
          return [{ table: 'senders', key: [state, key], value }];
        }
      }
    });
    const progress = await sealed(database, state, this.#rows.progress);
    const value = { identity: this.#parts.sealedIdentity, progress };
    return [...(await Promise.all(rows)).flat(), { table: 'states', key: state, value }];
  }

  /** Of all messages that are kept, and those of changes that are not written yet. */
  async #sizes(changes: readonly RowChange[]): Promise<Map<number, number>> {
    const range = IDBKeyRange.bound([this.#key], [this.#key, BEHIND]);
    const rows = await this.#database.rows('messages', range);
    const sizes = new Map(rows.map(({ key: [, key], value }) => [key, value.length]));
    for (const change of changes) {
      if (change.of === 'message') sizes.set(change.key, change.value.length);
      if (change.of !== 'messagesUpTo') continue;
      for (const key of sizes.keys()) if (key <= change.key && !change.but.includes(key)) sizes.delete(key);
    }
    return sizes;
  }

  #fail(error: unknown, sharing: readonly Waiting[]): void {
    this.#failure ??=
      error instanceof ChatError
        ? error
        : new ChatError('CHAT_STATE_UNUSABLE', `What this browser keeps cannot be used: ${error}.`, {
            cause: error,
          });
    for (const { reject } of [...sharing, ...this.#waiting.splice(0)]) reject(this.#failure);
  }

  async #message(key: number): Promise<SavedMessage> {
    const record = await this.#database.get('messages', [this.#key, key]);
    if (record !== undefined) return { key, record };
    throw new ChatError('CHAT_STATE_CORRUPT', 'A message that this browser keeps is missing.');
  }
}

/** What removes states, and the rows of those whose names lie between two, both included. */
function removalOf(states: IDBKeyRange | string, first: string, last: string): Write[] {
  const rows = IDBKeyRange.bound([first], [last, []]);
  return [
    { table: 'states', remove: states },
    { table: 'senders', remove: rows },
    { table: 'messages', remove: rows },
    { table: 'drafts', remove: rows },
  ];
}

/** What removes the messages up to a key, but for some. */
function removals(state: string, upTo: number, but: readonly number[]): Write[] {
  const kept = but.toSorted((one, other) => one - other);
  const ends = [...kept, upTo];
  return ends.map((end, at) => {
    const [from, isLast] = [kept[at - 1] ?? -1, at === kept.length];
    // A range between two neighbours is empty, and IndexedDB refuses it.
    if (from + 1 > end || (!isLast && from + 1 === end)) return { table: 'messages', remove: [state, -1] };
    return { table: 'messages', remove: IDBKeyRange.bound([state, from], [state, end], true, !isLast) };
  });
}

function messageOf({ key: [, key], value }: { key: [string, number]; value: Uint8Array }): SavedMessage {
  return { key, record: value };
}

async function readRows(database: Database, state: string, progress: Uint8Array): Promise<MemberRows> {
  const range = IDBKeyRange.bound([state], [state, BEHIND]);
  const senders = await Promise.all(
    (await database.rows('senders', range)).map(async ({ key, value }) => {
      const sender = parsed(senderForm, await database.unseal('senders', key, value));
      return { key: key[1], sender: sender satisfies Sender };
    }),
  );
  const drafts = (await database.rows('drafts', range)).map(({ value }): DraftRow => value);
  const { place, ...rest } = parsed(progressForm, await database.unseal('states', state, progress));
  const whole = { ...rest, cipher: rest.cipher, place: { ...place, hash: place.hash } } satisfies Progress;
  return new MemberRows(whole, senders, drafts);
}

/** Both parts of a state's row. */
async function sealed(database: Database, key: string, part: Identity | Progress): Promise<Bytes> {
  const plaintext = encode(part, { ignoreUndefinedProperties: true });
  return await database.seal('states', key, plaintext).finally(() => plaintext.fill(0));
}

/** @throws {ChatError} CHAT_STATE_CORRUPT */
function parsed<Form extends v.GenericSchema>(form: Form, plaintext: Uint8Array): v.InferOutput<Form> {
  const { success, output } = v.safeParse(form, decode(plaintext));
  if (success) return output;
  throw new ChatError('CHAT_STATE_CORRUPT', 'What this browser keeps of the room is damaged.');
}
