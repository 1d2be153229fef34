import { copyOf, equalBytes, toHex } from '../bytes.ts';
import type { Clock } from '../clock.ts';
import type { ChatCrypto } from '../crypto.ts';
import { type Content, DRAFT_ID_BYTES, MAX_TEXT_BYTES, textBytes } from '../encryption/content.ts';
import type { ChainPosition } from '../encryption/envelope.ts';
import { MessageError } from '../encryption/message-error.ts';
import type { RoomCipher } from '../encryption/room-cipher.ts';
import { ChatError, cryptoFailure } from './chat-error.ts';
import type { SetAside } from './client-events.ts';
import { bytesOf, DraftBook, type Entry } from './draft-book.ts';
import { type OutboxLink, Sealer } from './sealer.ts';
import type { SavedDraft, SavedState, Sealed, StateChange, StateStore } from './state-store.ts';
import type { TextRecords } from './text-records.ts';
import type { Turns } from './turns.ts';

/** What may wait for an acknowledgement before `add` waits too. */
const MAX_ENTRIES = 1024;
const MAX_BYTES = 4 * 1024 * 1024;
/** What is stored in one commit. */
const BATCH_ENTRIES = 128;
const BATCH_BYTES = 512 * 1024;

export type OutboxOptions = {
  readonly store: StateStore;
  readonly cipher: RoomCipher;
  /** Of the cipher: nothing is opened while something is sealed. */
  readonly turns: Turns;
  readonly records: TextRecords;
  readonly crypto: ChatCrypto;
  readonly clock: Clock;
  readonly name: string;
  /** How far one has durably read, to be told in each message. */
  readonly position: () => ChainPosition;
  /** Called when there is something new to publish. */
  readonly onSealed: () => void;
  /** Called when this connection cannot carry what is next: the server is to be asked anew how much it takes. */
  readonly onTooLong: (reason: ChatError) => void;
  readonly onSetAside: (draft: SetAside) => void;
  /** Called when nothing can be sealed or stored any more. */
  readonly onFailed: (error: ChatError) => void;
};

type Waiting = {
  readonly entry: Entry;
  readonly promise: Promise<number>;
  readonly resolve: (draft: number) => void;
  readonly reject: (error: ChatError) => void;
};

type Flush = {
  readonly draft: number;
  readonly resolve: () => void;
  readonly reject: (error: ChatError) => void;
};

/**
 * One's own messages on their way: takes drafts, has them stored and sealed, and tells who waits for it.
 *
 * 1. A draft MUST be durable before `add` resolves, and an envelope before `envelope` gives it away.
 * 2. What is sent again MUST be the same envelope, as long as it is not proved that it is not stored: by another that stands under its
 *    number (`displace`), or since the server does not take one so long.
 * 3. Until the reader's turn in which something was settled or displaced, or which changed the cipher's state, is stored (`resume`),
 *    nothing MUST be sealed or told: the store would have the one without the other.
 * 4. Whoever waits MUST be told the end: by `end`, or by a failure, with which the outbox fails as a whole.
 *
 * At most `MAX_ENTRIES`, or `MAX_BYTES` and one more, are in memory with their texts, and of those that are kept the ids.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #book: DraftBook;
  readonly #sealer: Sealer;
  #durableDraft: number;
  /** Up to where the store knows what is settled. */
  #stored: number;
  /** Whether something was settled that is not stored. */
  #held = false;
  #waiting: Waiting[] = [];
  /** Those that are being stored. */
  #storing: Waiting[] = [];
  #flushes: Flush[] = [];
  #working: Promise<void> | undefined;
  #end: ChatError | undefined;

  /** @throws {ChatError} CHAT_STATE_CORRUPT if something is missing in the state */
  static async open(saved: SavedState, options: OutboxOptions): Promise<Outbox> {
    const outbox = new Outbox(saved, options);
    const book = outbox.#book;
    for (const draft of saved.outbox) book.add(await outbox.#entryOf(draft));
    for (const draft of saved.setAside) book.addSetAside(await outbox.#entryOf(draft));
    book.close();
    return outbox;
  }

  private constructor(saved: SavedState, options: OutboxOptions) {
    const { cipher, records, position, onTooLong, onSetAside } = options;
    this.#options = options;
    this.#book = new DraftBook(saved);
    this.#durableDraft = saved.lastDraft;
    this.#stored = saved.settled;
    this.#sealer = new Sealer({
      ...{ cipher, records, position, onTooLong },
      book: this.#book,
      nameOnly: () => this.#nameOnly(),
      onSetAside: (entry, reason) => {
        onSetAside(describe(entry, reason));
        this.#tellFlushes();
      },
    });
  }

  /** Own messages up to this number have their places. */
  get settled(): number {
    return this.#book.settled;
  }

  /** The last number under which anything was sealed, or is known to stand. */
  get lastN(): number {
    return this.#book.lastN;
  }

  /** The number of the last draft that is durable. */
  get lastDraft(): number {
    return this.#durableDraft;
  }

  /** Drafts without an acknowledgement. */
  get size(): number {
    return this.#book.size + this.#waiting.length;
  }

  /** What the user has not seen acknowledged, in order. */
  get unsent(): string[] {
    return [...this.#book.pending, ...this.#waiting.map(({ entry }) => entry)].flatMap(({ content }) =>
      content.kind === 'text' ? [content.text] : [],
    );
  }

  /** Texts that are durable and have no place, in order. */
  get waiting(): { n: number; text: string; at: Date }[] {
    return Array.from(this.#book.pending).flatMap(({ draft: n, content }) =>
      content.kind === 'text' && n <= this.#durableDraft
        ? [{ n, text: content.text, at: new Date(content.at) }]
        : [],
    );
  }

  get setAside(): SetAside[] {
    return Array.from(this.#book.setAsides, (entry) => describe(entry));
  }

  /** What is to be published as `n`; durable. */
  envelope(n: number): Uint8Array | undefined {
    const entry = this.#book.sealedAs(n);
    return entry?.durable === true ? entry.sealed?.envelope : undefined;
  }

  /**
   * Takes a text, and resolves with its draft's number when it is durable.
   * @param id 16 bytes; one that is known already is the same text, and is not taken twice
   * @throws {ChatError} CHAT_TEXT_TOO_LONG, CHAT_TEXT_MALFORMED, and with what the outbox failed
   */
  add(text: string, id?: Uint8Array): Promise<number> {
    const { name, clock, crypto } = this.#options;
    const problem = this.#end ?? checkText(text);
    if (problem !== undefined) return Promise.reject(problem);
    if (id !== undefined && id.length !== DRAFT_ID_BYTES)
      return Promise.reject(new RangeError(`an id of ${id.length} bytes`));
    const known = id && this.#known(id);
    return (
      known ??
      this.#wait({
        ...{ kind: 'text', name, text, at: clock.now() },
        id: id === undefined ? crypto.randomBytes(DRAFT_ID_BYTES) : copyOf(id),
      })
    );
  }

  /** What becomes, or became, of a text with this id. */
  #known(id: Uint8Array): Promise<number> | undefined {
    const taking = [...this.#storing, ...this.#waiting].find(({ entry }) => equalBytes(entry.id!, id));
    if (taking !== undefined) return taking.promise;
    const draft = this.#book.draftWithId(id);
    return draft === undefined ? undefined : Promise.resolve(draft);
  }

  /**
   * Takes one's name alone, unless there is or was a message that tells it; resolves as `add`.
   * @throws {ChatError} with what the outbox failed
   */
  async introduce(): Promise<void> {
    if (this.#end !== undefined) throw this.#end;
    const { lastDraft, settled } = this.#book;
    if (lastDraft === 0 && settled === 0) await this.#wait(this.#nameOnly());
  }

  /** Resolves when all that was added so far is acknowledged, or set aside. */
  flush(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    if (this.#end !== undefined) reject(this.#end);
    else {
      this.#flushes.push({ draft: this.#book.lastDraft, resolve, reject });
      this.#tellFlushes();
    }
    return promise;
  }

  /** A connection has joined: what waits is sealed for it. */
  async connect(link: OutboxLink): Promise<void> {
    await this.#options.turns.run(() => this.#sealer.connect(link));
    this.#work();
  }

  disconnect(): void {
    this.#sealer.disconnect();
  }

  /** Whether exactly this is sealed under this number, and has no place yet. */
  isSealedAs(n: number, envelope: Uint8Array): boolean {
    return this.#book.isSealedAs(n, envelope);
  }

  /** The draft with this id, whatever it was sealed as. */
  draftWithId(id: Uint8Array | undefined): number | undefined {
    return this.#book.draftWithId(id);
  }

  /**
   * Own messages up to `n` have their places at the server.
   * @returns what is acknowledged by that, in order
   */
  settle(n: number): Entry[] {
    this.#hold(true);
    return this.#book.settle(n);
  }

  /**
   * Something else stands under the next number, so that what was sealed under it can never be stored: it is sealed anew.
   * @returns what is to be stored of it together with the place
   */
  async displace(n: number): Promise<StateChange[]> {
    this.#hold(true);
    const entry = this.#book.displace(n);
    if (entry === undefined) return [];
    const { draft, content } = entry;
    const record = await this.#options.records.ofDraft(draft, content);
    return [
      { kind: 'sealed', draft, sealed: undefined },
      { kind: 'redrafted', draft, record },
    ];
  }

  /**
   * A draft was found to have been sent, though it is not sealed as that now.
   * @returns what it was, if it was not known to be sent, and what is to be stored of it
   */
  sentAfterAll(
    draft: number,
  ): { readonly entry: Entry; readonly changes: readonly StateChange[] } | undefined {
    this.#hold(true);
    const pending = this.#book.pendingDraft(draft);
    if (pending !== undefined && pending.sealed === undefined) {
      this.#book.remove(pending);
      const changes = (['setAside', 'discarded'] as const).map((kind) => ({ kind, draft }));
      return { entry: pending, changes };
    }
    const entry = this.#book.removeSetAside(draft);
    return entry && { entry, changes: [{ kind: 'discarded', draft }] };
  }

  /** What is to be stored of what was settled, once. */
  takeChanges(): StateChange[] {
    const n = this.#book.settled;
    if (n === this.#stored) return [];
    this.#stored = n;
    return [{ kind: 'settled', n, forget: this.#book.prune() }];
  }

  /**
   * Whether an envelope with this hash can be what one sent as message `n`, which has its place.
   * @throws {ChatError} as `StateStore.load`
   */
  async mayBe(n: number, hash: Uint8Array): Promise<boolean> {
    const { store, crypto } = this.#options;
    if (!this.#book.isKept(n) || isUnknown(hash)) return true;
    const [saved] = await store.sealedAfter(n - 1);
    if (saved?.sealed?.n !== n) return true;
    return equalBytes(hash, await crypto.sha256(saved.sealed.envelope));
  }

  /** Whether an envelope with this hash can be what is sealed as `n`, if anything is. */
  async isSealedWithHash(n: number, hash: Uint8Array): Promise<boolean> {
    const envelope = this.#book.sealedAs(n)?.sealed?.envelope;
    if (envelope === undefined || isUnknown(hash)) return true;
    return equalBytes(hash, await this.#options.crypto.sha256(envelope));
  }

  /** The reader's turn has changed the cipher's state. */
  holdSealing(): void {
    this.#hold(true);
  }

  /** What was settled and displaced is stored: those who waited for it are told, and sealing goes on. */
  resume(): void {
    this.#hold(false);
    this.#tellFlushes();
    this.#work();
  }

  /**
   * Takes back that messages after `n` have places: they are to be sent again, unchanged. On disk that changes nothing.
   * @returns false if some are not kept any more
   * @throws {ChatError} as `StateStore.load`
   */
  async takeBack(n: number): Promise<boolean> {
    const book = this.#book;
    if (!book.canTakeBack(n)) return false;
    const saved = n < book.settled ? await this.#options.store.sealedAfter(n) : [];
    const settled = saved.filter(({ sealed }) => sealed!.n <= book.settled);
    book.takeBack(n, await Promise.all(settled.map((draft) => this.#entryOf(draft, true))));
    return true;
  }

  /** What was set aside is not wanted any more. @throws {ChatError} CHAT_STATE_UNUSABLE */
  async discard(id: string): Promise<void> {
    const found = this.setAside.find((draft) => draft.id === id);
    if (found === undefined) return;
    await this.#options.store.commit([{ kind: 'discarded', draft: found.n }], 'strict');
    this.#book.removeSetAside(found.n);
  }

  /**
   * Rejects what waits and what comes; resolves when nothing is being sealed any more. What is being stored is told what becomes of
   * that: it may be sent by the next run, and who took it for lost would say it twice.
   */
  async end(reason: ChatError): Promise<void> {
    this.#end ??= reason;
    for (const { reject } of this.#waiting.splice(0)) reject(reason);
    for (const { reject } of this.#flushes.splice(0)) reject(reason);
    await this.#working;
  }

  /** After `end`, where the store does not end: nobody waits for it any longer. */
  abandon(reason: ChatError): void {
    for (const { reject } of this.#storing.splice(0)) reject(reason);
  }

  /** Of what a client of version 1 left there is only the envelope; it can be opened, as one's own. */
  async #entryOf({ draft, id, record, sealed }: SavedDraft, hadPlace = false): Promise<Entry> {
    const { records, store } = this.#options;
    const content = record === undefined ? await this.#opened(sealed) : await records.draft(draft, record);
    if (content === undefined) throw missing(store, sealed?.n ?? draft);
    return { draft, id, content, bytes: bytesOf(content), sealed, durable: true, hadPlace };
  }

  async #opened(sealed: Sealed | undefined): Promise<Content | undefined> {
    if (sealed === undefined) return undefined;
    const { cipher } = this.#options;
    try {
      const { content } = await cipher.open(cipher.member, sealed.n, sealed.envelope);
      return content.kind === 'unknown' ? undefined : content;
    } catch (error) {
      if (error instanceof MessageError) return undefined;
      throw cryptoFailure(error);
    }
  }

  #hold(held: boolean): void {
    this.#held = held;
    this.#sealer.hold(held);
  }

  #tellFlushes(): void {
    if (this.#held || this.#flushes.length === 0) return;
    const first = Math.min(this.#book.firstDraft, this.#waiting[0]?.entry.draft ?? Number.POSITIVE_INFINITY);
    const done = this.#flushes.filter(({ draft }) => draft < first);
    this.#flushes = this.#flushes.filter(({ draft }) => draft >= first);
    for (const { resolve } of done) resolve();
  }

  #nameOnly(): Content {
    const { name, clock, crypto } = this.#options;
    return { kind: 'name', name, at: clock.now(), id: crypto.randomBytes(DRAFT_ID_BYTES) };
  }

  #wait(content: Content): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#waiting.push({ entry: this.#book.newEntry(content), promise, resolve, reject });
    this.#work();
    return promise;
  }

  #work(): void {
    if (this.#working !== undefined || !this.#hasWork) return;
    this.#working = this.#workAll().finally(() => {
      this.#working = undefined;
      this.#work();
    });
  }

  get #hasWork(): boolean {
    return this.#end === undefined && (this.#canStore || this.#sealer.hasWork);
  }

  get #canStore(): boolean {
    return this.#waiting.length > 0 && this.#book.size < MAX_ENTRIES && this.#book.bytes < MAX_BYTES;
  }

  async #workAll(): Promise<void> {
    // Whatever else was called in this turn goes into the first batch.
    await Promise.resolve();
    while (this.#hasWork) {
      const batch = this.#canStore ? this.#nextBatch() : [];
      try {
        await this.#workOn(batch);
      } catch (error) {
        const reason = error instanceof ChatError ? error : cryptoFailure(error);
        for (const { reject } of batch) reject(reason);
        this.#end ??= reason;
        this.#options.onFailed(reason);
      }
    }
  }

  #nextBatch(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const { entry } of this.#waiting) {
      if (count === BATCH_ENTRIES || bytes > BATCH_BYTES) break;
      bytes += entry.bytes;
      count += 1;
    }
    return this.#waiting.slice(0, count);
  }

  /** Drafts stay in line until all is ready to be stored; what is sealed meanwhile goes into the same commit. */
  async #workOn(batch: readonly Waiting[]): Promise<void> {
    const { records, store, turns, onSealed } = this.#options;
    const changes: StateChange[] = [];
    for (const { entry } of batch) {
      const record = await records.ofDraft(entry.draft, entry.content);
      changes.push({ kind: 'draft', draft: entry.draft, id: entry.id!, record });
    }
    const fresh = batch.map(({ entry }) => entry);
    const sealing = this.#sealer.isReady ? await turns.run(() => this.#sealer.seal(fresh)) : [];
    if (this.#end !== undefined) return;
    for (const entry of fresh) this.#book.add(entry);
    const events = sealing.flatMap((work) => work(changes));
    changes.push(...this.#sealer.takeChanges());
    this.#storing = this.#waiting.splice(0, batch.length);
    if (changes.length > 0) await store.commit(changes, 'strict');
    this.#storing = [];
    for (const { entry, resolve } of batch) {
      this.#durableDraft = Math.max(this.#durableDraft, entry.draft);
      resolve(entry.draft);
    }
    for (const event of events) event();
    onSealed();
  }
}

/** A server that does not know a hash gives zeros. */
function isUnknown(hash: Uint8Array): boolean {
  return hash.every((byte) => byte === 0);
}

function describe({ draft, id, content, bytes }: Entry, reason?: ChatError): SetAside {
  const text = `Message ${draft} of ${bytes} bytes was too long for its server.`;
  return {
    n: draft,
    id: id === undefined ? `${draft}` : toHex(id),
    text: content.kind === 'text' ? content.text : '',
    reason: reason ?? new ChatError('CHAT_TEXT_TOO_LONG', text),
  };
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

function missing({ path }: StateStore, n: number): ChatError {
  const text = `${path} is damaged: message ${n} is missing in its outbox.`;
  return new ChatError('CHAT_STATE_CORRUPT', text);
}
