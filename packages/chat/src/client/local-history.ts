import { textBytes } from '../encryption/content.ts';
import type { ChatMessage } from './client-events.ts';
import type { HistoryBound, SavedState, StateChange, StateStore } from './state-store.ts';
import type { TextRecords } from './text-records.ts';

export type LocalHistoryOptions = {
  readonly store: StateStore;
  readonly records: TextRecords;
  readonly saved: Pick<SavedState, 'lastKey' | 'forgotten'>;
  /** What is kept at most; everything, unless told. */
  readonly bound: HistoryBound | undefined;
};

/** A place further than this behind the last key may be invented, and is none for a key: keys stay numbers that can be counted on. */
const MAX_STEP = 2 ** 32;
/** The history is trimmed when it may have grown by this part of its bound: going through it costs as much as it is long. */
const TRIMMED_PARTS = 8;
/** Of a record, besides its text; generously. */
const RECORD_BYTES = 256;

/**
 * The messages of the room as this member came to know them: what was told, and what it sent, kept in the state. From here comes what
 * was read before; an envelope is opened once.
 *
 * 1. A message MUST be stored with the place that it was read at, or was given (`takeChanges`).
 * 2. Keys ascend for ever. A key is the place in the room, unless the server forgot messages or somebody made places up: what was told
 *    once is neither replaced nor moved by what comes later.
 *
 * Where a process ends while the room is read from its start, because the server forgot messages, what was found by then may be here
 * twice in the end.
 */
export class LocalHistory {
  readonly #options: LocalHistoryOptions;
  #lastKey: number;
  #unstored: ChatMessage[] = [];
  /** What can be forgotten of that which was added since the last trimming. */
  #added = { messages: 0, bytes: 0 };

  constructor(options: LocalHistoryOptions) {
    this.#options = options;
    this.#lastKey = options.saved.lastKey;
  }

  /** Messages with keys up to this one may be missing. */
  get forgotten(): number {
    return this.#options.saved.forgotten;
  }

  /** The key of what is next, and stands at the place `seq`. */
  nextKey(seq: number): number {
    const next = this.#lastKey + 1;
    this.#lastKey = seq - next > MAX_STEP ? next : Math.max(seq, next);
    return this.#lastKey;
  }

  /** A message, whose key was the next, is to be stored. */
  keep(message: ChatMessage): void {
    this.#unstored.push(message);
  }

  /**
   * What is to be stored, once.
   * @param handedOver what is, besides, to be confirmed; of this call or of earlier ones
   */
  async takeChanges(handedOver: readonly ChatMessage[]): Promise<StateChange[]> {
    const { records } = this.#options;
    const handed = new Set(handedOver.map(({ key }) => key));
    const kept = this.#unstored.splice(0).filter(({ key }) => !handed.has(key));
    for (const message of kept) this.#add(1, bytesOf(message));
    const changes = [...handedOver, ...kept].map(async (message): Promise<StateChange> => {
      const { key } = message;
      return { kind: 'message', key, record: await records.ofMessage(message), handedOver: handed.has(key) };
    });
    return [...(await Promise.all(changes)), ...this.#trimming()];
  }

  /**
   * Messages are confirmed, and can be forgotten from now on.
   * @returns what is to be stored of that
   */
  confirmed(key: number, { messages, bytes }: HistoryBound): StateChange[] {
    this.#add(messages, bytes + messages * RECORD_BYTES);
    return [{ kind: 'confirmed', key }, ...this.#trimming()];
  }

  /**
   * The last messages with keys less than `before`, by key.
   * @throws {ChatError} as `StateStore.load`
   */
  async before(before: number, limit: number): Promise<ChatMessage[]> {
    const { store, records } = this.#options;
    const saved = await store.history(before, limit);
    return await Promise.all(saved.map((message) => records.message(message)));
  }

  /** The first ones with keys greater than `after`; otherwise as `before`. */
  async after(after: number, limit: number): Promise<ChatMessage[]> {
    const { store, records } = this.#options;
    const saved = await store.historyAfter(after, limit);
    return await Promise.all(saved.map((message) => records.message(message)));
  }

  #add(messages: number, bytes: number): void {
    this.#added = { messages: this.#added.messages + messages, bytes: this.#added.bytes + bytes };
  }

  #trimming(): StateChange[] {
    const { bound } = this.#options;
    const { messages, bytes } = this.#added;
    if (bound === undefined || messages === 0) return [];
    if (TRIMMED_PARTS * messages < bound.messages && TRIMMED_PARTS * bytes < bound.bytes) return [];
    this.#added = { messages: 0, bytes: 0 };
    return [{ kind: 'trimmed', ...bound }];
  }
}

function bytesOf({ text }: ChatMessage): number {
  return textBytes(text) + RECORD_BYTES;
}
