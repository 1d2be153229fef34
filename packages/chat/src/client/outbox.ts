import { type Content, MAX_TEXT_BYTES, textBytes } from '../encryption/content.ts';
import type { ChainPosition } from '../encryption/envelope.ts';
import type { RoomCipher } from '../encryption/room-cipher.ts';
import { ChatError } from './chat-error.ts';
import type { OutboxEntry, StateStore } from './state-store.ts';

/** What may wait for an acknowledgement before `add` waits too. */
const MAX_ENTRIES = 1024;
const MAX_BYTES = 4 * 1024 * 1024;
/** What is sealed at once and stored in one transaction. */
const BATCH_ENTRIES = 128;
const BATCH_BYTES = 512 * 1024;

export type OutboxOptions = {
  readonly store: StateStore;
  readonly cipher: RoomCipher;
  readonly name: string;
  /** How far one has read, to be told in each message. */
  readonly position: () => ChainPosition;
  readonly now: () => number;
  /** Called when there is something new to publish. */
  readonly onStored: () => void;
  /** Called when nothing can be sealed or stored any more. */
  readonly onFailed: (error: ChatError) => void;
};

type Draft = {
  readonly content: Content;
  /** Of its text. */
  readonly bytes: number;
  readonly resolve: (n: number) => void;
  readonly reject: (error: ChatError) => void;
};

type Flush = {
  readonly n: number;
  readonly resolve: () => void;
  readonly reject: (error: ChatError) => void;
};

/**
 * One's own messages on their way: drafts that wait for room are numbered, sealed, stored on disk, and kept
 * until they are acknowledged.
 *
 * Numbers are given in order, and what is sealed is stored before anything after it. If sealing or storing fails, the
 * outbox fails as a whole; the next process, with an epoch of its own, goes on from the numbers that were stored.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  /** Stored and not acknowledged, by n: all from `#acknowledged` + 1 to `#last`. */
  readonly #entries = new Map<number, Uint8Array>();
  #bytes = 0;
  #acknowledged: number;
  /** The most that ever was acknowledged. */
  #settled: number;
  #last: number;
  #drafts: Draft[] = [];
  #flushes: Flush[] = [];
  #storing: Promise<void> | undefined;
  #end: ChatError | undefined;

  /** @throws {ChatError} CHAT_STATE_CORRUPT if the stored entries do not follow the acknowledged ones */
  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#acknowledged = options.store.acknowledged();
    this.#settled = this.#acknowledged;
    this.#last = this.#acknowledged;
    for (const entry of options.store.outbox()) {
      if (entry.n !== this.#last + 1) {
        const text = `${options.store.path} is damaged: message ${this.#last + 1} is missing in its outbox.`;
        throw new ChatError('CHAT_STATE_CORRUPT', text);
      }
      this.#keep(entry);
    }
  }

  /** The number of the last acknowledged message. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** The most that `acknowledged` ever was: with `takeBack` it goes back. */
  get settled(): number {
    return this.#settled;
  }

  /** The number of the last stored message. */
  get last(): number {
    return this.#last;
  }

  /** Messages without an acknowledgement, drafts included. */
  get size(): number {
    return this.#entries.size + this.#drafts.length;
  }

  /** A message that is stored and not acknowledged. */
  envelope(n: number): Uint8Array | undefined {
    return this.#entries.get(n);
  }

  /**
   * Takes a text, and resolves with its number when it is durable.
   * @throws {ChatError} CHAT_TEXT_TOO_LONG, CHAT_TEXT_MALFORMED, and with what the outbox failed
   */
  add(text: string): Promise<number> {
    const { name, now } = this.#options;
    const problem = this.#end ?? checkText(text);
    if (problem !== undefined) return Promise.reject(problem);
    return this.#draft({ kind: 'text', name, text, at: now() }, textBytes(text));
  }

  /**
   * Takes one's name alone, unless there is or was a message that tells it; resolves as `add`.
   * @throws {ChatError} with what the outbox failed
   */
  async introduce(): Promise<void> {
    const { name, now } = this.#options;
    if (this.#end !== undefined) throw this.#end;
    if (this.#last > 0 || this.#drafts.length > 0) return;
    await this.#draft({ kind: 'name', name, at: now() }, 0);
  }

  #draft(content: Content, bytes: number): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#drafts.push({ content, bytes, resolve, reject });
    this.#store();
    return promise;
  }

  /** Resolves when all that was added so far is acknowledged. */
  flush(): Promise<void> {
    const n = this.#last + this.#drafts.length;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    if (this.#end !== undefined) reject(this.#end);
    else if (n <= this.#acknowledged) resolve();
    else this.#flushes.push({ n, resolve, reject });
    return promise;
  }

  /** Lets go of all messages up to `n`, which the server has; on disk they stay until the state advances. */
  acknowledge(n: number): void {
    while (this.#acknowledged < n) {
      this.#acknowledged += 1;
      this.#bytes -= this.#entries.get(this.#acknowledged)?.length ?? 0;
      this.#entries.delete(this.#acknowledged);
    }
    this.#settled = Math.max(this.#settled, this.#acknowledged);
    this.#store();
  }

  /** Ends the waiting for what is acknowledged, once the user has been told all that stands before it. */
  endFlushes(): void {
    const n = this.#acknowledged;
    const done = this.#flushes.filter((flush) => flush.n <= n);
    this.#flushes = this.#flushes.filter((flush) => flush.n > n);
    for (const flush of done) flush.resolve();
  }

  /**
   * Takes back that messages after `n` were acknowledged: they are to be sent again, unchanged.
   * @returns false if some are not kept any more
   */
  takeBack(n: number): boolean {
    if (n >= this.#acknowledged) return true;
    const kept = this.#options.store.outbox(n).filter((entry) => entry.n <= this.#acknowledged);
    if (kept.length < this.#acknowledged - n) return false;
    for (const entry of kept) this.#keep(entry);
    this.#acknowledged = n;
    return true;
  }

  /** Rejects what waits and what comes; resolves when nothing is being sealed any more. */
  async end(reason: ChatError): Promise<void> {
    this.#end ??= reason;
    for (const { reject } of this.#drafts.splice(0)) reject(reason);
    for (const { reject } of this.#flushes.splice(0)) reject(reason);
    await this.#storing;
  }

  #keep({ n, envelope }: OutboxEntry): void {
    this.#entries.set(n, envelope);
    this.#bytes += envelope.length;
    this.#last = Math.max(this.#last, n);
  }

  #store(): void {
    if (!this.#canStore) return;
    this.#storing ??= this.#storeAll().finally(() => {
      this.#storing = undefined;
      this.#store();
    });
  }

  get #canStore(): boolean {
    const hasRoom = this.#entries.size < MAX_ENTRIES && this.#bytes < MAX_BYTES;
    return hasRoom && this.#drafts.length > 0 && this.#end === undefined;
  }

  async #storeAll(): Promise<void> {
    // Whatever else was called in this turn goes into the first batch.
    await Promise.resolve();
    while (this.#canStore) {
      const batch = this.#nextBatch();
      try {
        await this.#storeBatch(batch);
      } catch (error) {
        const reason = failure(error);
        for (const { reject } of batch) reject(reason);
        this.#end ??= reason;
        this.#options.onFailed(reason);
      }
    }
  }

  #nextBatch(): Draft[] {
    let bytes = 0;
    let count = 0;
    for (const draft of this.#drafts) {
      if (count === BATCH_ENTRIES || bytes > BATCH_BYTES) break;
      bytes += draft.bytes;
      count += 1;
    }
    return this.#drafts.slice(0, count);
  }

  /** The drafts stay in line until they are stored, so that `flush` and `size` count them. */
  async #storeBatch(batch: readonly Draft[]): Promise<void> {
    const { cipher, position, store, onStored } = this.#options;
    const first = this.#last + 1;
    const seen = position();
    const sealed = batch.map(({ content }, index) => cipher.seal(first + index, content, seen));
    const entries = (await Promise.all(sealed)).map(({ envelope }, index) => ({
      n: first + index,
      envelope,
    }));
    if (this.#end !== undefined) return;
    store.addToOutbox(entries);
    this.#drafts.splice(0, batch.length);
    for (const entry of entries) this.#keep(entry);
    for (const [index, { resolve }] of batch.entries()) resolve(first + index);
    onStored();
  }
}

function checkText(text: string): ChatError | undefined {
  if (!text.isWellFormed()) {
    return new ChatError('CHAT_TEXT_MALFORMED', 'The message is not valid Unicode, and was not sent.');
  }
  const bytes = textBytes(text);
  if (bytes <= MAX_TEXT_BYTES) return undefined;
  return new ChatError(
    'CHAT_TEXT_TOO_LONG',
    `The message has ${bytes} bytes, more than the ${MAX_TEXT_BYTES} that are allowed, and was not sent.`,
  );
}

function failure(error: unknown): ChatError {
  if (error instanceof ChatError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new ChatError('CHAT_CRYPTO_FAILED', `The crypto device failed: ${reason}.`, { cause: error });
}
