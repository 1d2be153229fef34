import { equalBytes, toHex } from '../bytes.ts';
import type { Clock } from '../clock.ts';
import type { ChatCrypto } from '../crypto.ts';
import {
  type Content,
  DRAFT_ID_BYTES,
  MAX_INSTEAD,
  MAX_TEXT_BYTES,
  textBytes,
} from '../encryption/content.ts';
import type { ChainPosition } from '../encryption/envelope.ts';
import { MessageError } from '../encryption/message-error.ts';
import type { RoomCipher } from '../encryption/room-cipher.ts';
import { ChatError, cryptoFailure } from './chat-error.ts';
import type { SetAside } from './client-events.ts';
import type { KeptDraft, SavedDraft, SavedState, Sealed, StateChange, StateStore } from './state-store.ts';
import type { TextRecords } from './text-records.ts';
import type { Turns } from './turns.ts';

/** What may wait for an acknowledgement before `add` waits too. */
const MAX_ENTRIES = 1024;
const MAX_BYTES = 4 * 1024 * 1024;
/** What is worked on at once and stored in one commit. */
const BATCH_ENTRIES = 128;
const BATCH_BYTES = 512 * 1024;
/**
 * Of acknowledged messages that stay on disk all the same: an acknowledgement proves nothing, and a server that turns out not to
 * have them is sent them again.
 */
export const KEPT_MESSAGES = 1024;

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

/** What the outbox knows of the present connection. */
export type OutboxLink = {
  /** What no other connection has, for the cipher. */
  readonly challenge: Uint8Array;
  /** Longest envelope that the server takes, in bytes. */
  readonly most: number;
  /** The last number of one's own that the server has. */
  readonly lastN: number;
};

type Entry = {
  readonly draft: number;
  readonly id: Uint8Array | undefined;
  content: Content;
  /** Of its text. */
  readonly bytes: number;
  sealed: Sealed | undefined;
  /** Whether the store has it as it is sealed. */
  durable: boolean;
};

type Waiting = {
  readonly entry: Entry;
  readonly resolve: (draft: number) => void;
  readonly reject: (error: ChatError) => void;
};

type Flush = {
  readonly draft: number;
  readonly resolve: () => void;
  readonly reject: (error: ChatError) => void;
};

/**
 * What was prepared, to be done all at once: it adds its changes to a commit, and gives what is to be done when they are stored.
 */
type Work = (changes: StateChange[]) => (() => void)[];

/**
 * One's own messages on their way. A *draft* is what is to be said; it has a number of its own, by which the user knows it. It is
 * sealed when there is a connection, under the member's next number in the room, `n`.
 *
 * 1. A draft MUST be durable before `add` resolves, and an envelope before `envelope` gives it away.
 * 2. What is sent again MUST be the same envelope, as long as it is not proved that it is not stored: by another that stands under its
 *    number (`displace`), or since the server does not take one so long (`#setAside`).
 * 3. Numbers MUST be given in order, one to each draft, without a hole, and none MUST be given before it is known which ones the
 *    server has. One that nobody can use any more is filled with one's name.
 * 4. No two contents MUST be sealed under one number without `renew` between them.
 * 5. Until the reader's turn in which something was settled or displaced is stored (`resume`), nothing MUST be sealed: the
 *    store would have the one without the other.
 * 6. Whoever waits MUST be told the end: by `end`, or by a failure, with which the outbox fails as a whole.
 *
 * All that is done for each message costs the same, however many there are. At most `MAX_ENTRIES`, or `MAX_BYTES` and one more,
 * are in memory with their texts, and of those that are kept the ids.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  /** Durable, not settled, by `draft`, in that order. */
  readonly #pending = new Map<number, Entry>();
  /** Those that are sealed, by `n`. */
  readonly #sealed = new Map<number, Entry>();
  readonly #kept = new Map<number, KeptDraft>();
  readonly #setAsides = new Map<number, Entry>();
  #bytes = 0;
  #lastDraft: number;
  #durableDraft: number;
  /** The last number that was ever given. */
  #lastN: number;
  #settled: number;
  /** As the store has it. */
  #stored: number;
  /** The last that was sealed since `renew`. */
  #lastInEpoch = 0;
  #link: OutboxLink | undefined;
  /** What the connection before the present one took. */
  #mostBefore = Number.POSITIVE_INFINITY;
  /** Whether what is sealed may be longer than the present connection takes. */
  #unchecked = false;
  /** Whether the server is being asked anew how much it takes. */
  #asked = false;
  /** Whether something was settled that is not stored. */
  #held = false;
  /** What the cipher is to keep. */
  #cipherState: Uint8Array | undefined;
  #waiting: Waiting[] = [];
  /** Those that are being stored. */
  #storing: readonly Waiting[] = [];
  #flushes: Flush[] = [];
  #working: Promise<void> | undefined;
  #end: ChatError | undefined;

  /** @throws {ChatError} CHAT_STATE_CORRUPT if something is missing in the state */
  static async open(saved: SavedState, options: OutboxOptions): Promise<Outbox> {
    const outbox = new Outbox(saved, options);
    for (const draft of saved.outbox) outbox.#restore(await outbox.#entryOf(draft));
    for (const draft of saved.setAside) outbox.#setAsides.set(draft.draft, await outbox.#entryOf(draft));
    for (let n = saved.settled + 1; n <= outbox.#lastN; n += 1) {
      if (!outbox.#sealed.has(n)) throw missing(options.store, n);
    }
    return outbox;
  }

  private constructor({ lastDraft, settled, kept }: SavedState, options: OutboxOptions) {
    this.#options = options;
    this.#lastDraft = lastDraft;
    this.#durableDraft = lastDraft;
    this.#settled = settled;
    this.#stored = settled;
    this.#lastN = settled;
    for (const draft of kept) this.#kept.set(draft.n, draft);
  }

  /** Own messages up to this number have their places. */
  get settled(): number {
    return this.#settled;
  }

  /** The last number under which anything was sealed, or is known to stand. */
  get lastN(): number {
    return this.#lastN;
  }

  /** The number of the last draft that is durable. */
  get lastDraft(): number {
    return this.#durableDraft;
  }

  /** Drafts without an acknowledgement. */
  get size(): number {
    return this.#pending.size + this.#waiting.length;
  }

  /** What the user has not seen acknowledged, in order. */
  get unsent(): SetAside['text'][] {
    return [...this.#pending.values(), ...this.#waiting.map(({ entry }) => entry)]
      .filter(({ content }) => content.kind === 'text')
      .map(({ content }) => (content.kind === 'text' ? content.text : ''));
  }

  get setAside(): SetAside[] {
    return Array.from(this.#setAsides.values(), (entry) => describe(entry));
  }

  /** What is to be published as `n`; durable. */
  envelope(n: number): Uint8Array | undefined {
    const entry = this.#sealed.get(n);
    return entry?.durable === true ? entry.sealed?.envelope : undefined;
  }

  /**
   * Takes a text, and resolves with its draft's number when it is durable.
   * @throws {ChatError} CHAT_TEXT_TOO_LONG, CHAT_TEXT_MALFORMED, and with what the outbox failed
   */
  add(text: string): Promise<number> {
    const { name, clock } = this.#options;
    const problem = this.#end ?? checkText(text);
    if (problem !== undefined) return Promise.reject(problem);
    const id = this.#options.crypto.randomBytes(DRAFT_ID_BYTES);
    return this.#wait({ kind: 'text', name, text, at: clock.now(), id });
  }

  /**
   * Takes one's name alone, unless there is or was a message that tells it; resolves as `add`.
   * @throws {ChatError} with what the outbox failed
   */
  async introduce(): Promise<void> {
    if (this.#end !== undefined) throw this.#end;
    if (this.#lastDraft === 0 && this.#settled === 0) await this.#wait(this.#nameOnly());
  }

  /** Resolves when all that was added so far is acknowledged, or set aside. */
  flush(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    if (this.#end !== undefined) reject(this.#end);
    else {
      this.#flushes.push({ draft: this.#lastDraft, resolve, reject });
      this.#tellFlushes();
    }
    return promise;
  }

  /** A connection has joined: what waits is sealed for it. */
  async connect(link: OutboxLink): Promise<void> {
    const { cipher, turns } = this.#options;
    await turns.run(async () => {
      await cipher.renew(link.challenge);
      this.#lastInEpoch = 0;
    });
    this.#link = link;
    this.#unchecked = true;
    this.#asked = false;
    this.#work();
  }

  disconnect(): void {
    if (this.#link !== undefined) this.#mostBefore = this.#link.most;
    this.#link = undefined;
  }

  /** The draft that is sealed as this, if it is not settled. */
  draftSealedAs(n: number, envelope: Uint8Array): number | undefined {
    const entry = this.#sealed.get(n);
    return entry?.sealed !== undefined && equalBytes(entry.sealed.envelope, envelope)
      ? entry.draft
      : undefined;
  }

  /** The draft with this id, whatever it was sealed as. */
  draftWithId(id: Uint8Array | undefined): number | undefined {
    if (id === undefined) return undefined;
    const all = [...this.#pending.values(), ...this.#setAsides.values(), ...this.#kept.values()];
    return all.find((entry) => entry.id !== undefined && equalBytes(entry.id, id))?.draft;
  }

  /**
   * Own messages up to `n` have their places at the server.
   * @returns the drafts that are acknowledged by that, in order
   */
  settle(n: number): number[] {
    const done: number[] = [];
    for (let number = this.#settled + 1; number <= n; number += 1) {
      const entry = this.#sealed.get(number);
      if (entry === undefined) continue;
      this.#sealed.delete(number);
      this.#forget(entry);
      this.#kept.set(number, { draft: entry.draft, id: entry.id, n: number });
      done.push(entry.draft);
    }
    this.#settleNumbers(n);
    return done;
  }

  /**
   * Something else stands under the next number, so that what was sealed under it can never be stored: it is sealed anew.
   * @returns what is to be stored of it together with the place
   */
  async displace(n: number): Promise<StateChange[]> {
    const entry = this.#sealed.get(n);
    this.#settleNumbers(Math.max(n, this.#settled));
    if (entry === undefined) return [];
    this.#sealed.delete(n);
    entry.sealed = undefined;
    const { instead = [] } = entry.content;
    entry.content = { ...entry.content, instead: [...instead, n].slice(-MAX_INSTEAD) };
    const { draft, content } = entry;
    const record = await this.#options.records.ofDraft(draft, content);
    return [
      { kind: 'sealed', draft, sealed: undefined },
      { kind: 'redrafted', draft, record },
    ];
  }

  /**
   * A draft was found to have been sent under number `n`, though it is not sealed as that now.
   * @returns what is to be stored of it
   */
  sentAfterAll(draft: number): StateChange[] {
    this.#held = true;
    const entry = this.#pending.get(draft);
    if (entry !== undefined && entry.sealed === undefined) {
      this.#forget(entry);
      this.#setAsides.delete(draft);
      return [
        { kind: 'setAside', draft },
        { kind: 'discarded', draft },
      ];
    }
    return this.#setAsides.delete(draft) ? [{ kind: 'discarded', draft }] : [];
  }

  /** What is to be stored of what was settled, once. */
  takeChanges(): StateChange[] {
    const n = this.#settled;
    if (n === this.#stored) return [];
    this.#stored = n;
    return [{ kind: 'settled', n, forget: Math.max(0, n - KEPT_MESSAGES) }];
  }

  /**
   * Whether an envelope with this hash can be what one sent as message `n`, which has its place.
   * @throws {ChatError} as `StateStore.load`
   */
  async mayBe(n: number, hash: Uint8Array): Promise<boolean> {
    const { store, crypto } = this.#options;
    if (!this.#kept.has(n) || hash.every((byte) => byte === 0)) return true;
    const [saved] = await store.sealedAfter(n - 1);
    if (saved?.sealed?.n !== n) return true;
    return equalBytes(hash, await crypto.sha256(saved.sealed.envelope));
  }

  /** What was settled and displaced is stored: those who waited for it are told, and sealing goes on. */
  resume(): void {
    this.#held = false;
    for (const n of this.#kept.keys()) {
      if (n > this.#settled - KEPT_MESSAGES) break;
      this.#kept.delete(n);
    }
    this.#tellFlushes();
    this.#work();
  }

  /**
   * Takes back that messages after `n` have places: they are to be sent again, unchanged. On disk that changes nothing.
   * @returns false if some are not kept any more
   * @throws {ChatError} as `StateStore.load`
   */
  async takeBack(n: number): Promise<boolean> {
    if (n >= this.#settled) return true;
    const [oldest] = this.#kept.keys();
    if (oldest === undefined || n + 1 < oldest) return false;
    for (const saved of await this.#options.store.sealedAfter(n)) {
      if (saved.sealed!.n <= this.#settled) this.#restore(await this.#entryOf(saved));
    }
    for (const number of this.#kept.keys()) if (number > n) this.#kept.delete(number);
    const inOrder = [...this.#pending].sort(([one], [other]) => one - other);
    this.#pending.clear();
    for (const [draft, entry] of inOrder) this.#pending.set(draft, entry);
    this.#settled = n;
    return true;
  }

  /** What was set aside is not wanted any more. @throws {ChatError} CHAT_STATE_UNUSABLE */
  async discard(id: string): Promise<void> {
    const entry = this.#setAsides.values().find((one) => describe(one).id === id);
    if (entry === undefined) return;
    this.#setAsides.delete(entry.draft);
    await this.#options.store.commit([{ kind: 'discarded', draft: entry.draft }], 'strict');
  }

  /** Rejects what waits and what comes; resolves when nothing is being sealed any more. */
  async end(reason: ChatError): Promise<void> {
    this.#end ??= reason;
    for (const { reject } of [...this.#storing, ...this.#waiting.splice(0)]) reject(reason);
    for (const { reject } of this.#flushes.splice(0)) reject(reason);
    await this.#working;
  }

  /** Of what a client of version 1 left there is only the envelope; it can be opened, as one's own. */
  async #entryOf({ draft, id, record, sealed }: SavedDraft): Promise<Entry> {
    const { records, store } = this.#options;
    const content = record === undefined ? await this.#opened(sealed) : await records.draft(draft, record);
    if (content === undefined) throw missing(store, sealed?.n ?? draft);
    return { draft, id, content, bytes: bytesOf(content), sealed, durable: true };
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

  #restore(entry: Entry): void {
    this.#pending.set(entry.draft, entry);
    this.#bytes += entry.bytes;
    if (entry.sealed === undefined) return;
    this.#sealed.set(entry.sealed.n, entry);
    this.#lastN = Math.max(this.#lastN, entry.sealed.n);
  }

  #forget(entry: Entry): void {
    if (this.#pending.delete(entry.draft)) this.#bytes -= entry.bytes;
  }

  #settleNumbers(n: number): void {
    this.#settled = n;
    this.#lastN = Math.max(this.#lastN, n);
    this.#held = true;
  }

  #tellFlushes(): void {
    if (this.#held || this.#flushes.length === 0) return;
    const waiting = this.#waiting[0]?.entry.draft ?? Number.POSITIVE_INFINITY;
    const first = Math.min(waiting, ...this.#pending.keys());
    const done = this.#flushes.filter(({ draft }) => draft < first);
    this.#flushes = this.#flushes.filter(({ draft }) => draft >= first);
    for (const { resolve } of done) resolve();
  }

  #nameOnly(): Content {
    const { name, clock, crypto } = this.#options;
    return { kind: 'name', name, at: clock.now(), id: crypto.randomBytes(DRAFT_ID_BYTES) };
  }

  #newEntry(content: Content): Entry {
    this.#lastDraft += 1;
    const { id } = content;
    return {
      ...{ draft: this.#lastDraft, id, content, bytes: bytesOf(content) },
      ...{ sealed: undefined, durable: false },
    };
  }

  #wait(content: Content): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#waiting.push({ entry: this.#newEntry(content), resolve, reject });
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
    return this.#end === undefined && (this.#canStore || this.#canSeal);
  }

  get #canStore(): boolean {
    return this.#waiting.length > 0 && this.#pending.size < MAX_ENTRIES && this.#bytes < MAX_BYTES;
  }

  /** Something is to be sealed; what waits to be stored is sealed with it. */
  get #canSeal(): boolean {
    return (
      this.#maySeal && (this.#unchecked || this.#pending.size > this.#sealed.size || this.#hole !== undefined)
    );
  }

  get #maySeal(): boolean {
    return this.#link !== undefined && this.#link.lastN <= this.#lastN && !this.#held && !this.#asked;
  }

  /** The first number that is to be published and has nothing. */
  get #hole(): number | undefined {
    if (this.#sealed.size >= this.#lastN - this.#settled) return undefined;
    let n = Math.max(this.#settled, this.#link?.lastN ?? 0) + 1;
    while (n <= this.#lastN && this.#sealed.has(n)) n += 1;
    return n <= this.#lastN ? n : undefined;
  }

  /** The first that was sealed for an earlier connection, and that this one does not take. */
  #firstTooLong(): Entry | undefined {
    const { most, lastN } = this.#link!;
    return this.#sealed.values().find(({ sealed }) => sealed!.n > lastN && sealed!.envelope.length > most);
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

  /** New drafts stay in line until all is ready to be stored, so that `flush` and `size` count them. */
  async #workOn(batch: readonly Waiting[]): Promise<void> {
    const { records, store, turns, onSealed } = this.#options;
    const changes: StateChange[] = [];
    for (const { entry } of batch) {
      const record = await records.ofDraft(entry.draft, entry.content);
      changes.push({ kind: 'draft', draft: entry.draft, id: entry.id!, record });
    }
    const sealing = this.#maySeal ? await turns.run(() => this.#seal(batch.map(({ entry }) => entry))) : [];
    if (this.#end !== undefined) return;
    for (const { entry } of batch) {
      this.#pending.set(entry.draft, entry);
      this.#bytes += entry.bytes;
    }
    const events = sealing.flatMap((work) => work(changes));
    if (this.#cipherState !== undefined) changes.push({ kind: 'cipher', state: this.#cipherState });
    this.#cipherState = undefined;
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

  /**
   * Seals what is next, as much as goes into one commit.
   * @param fresh drafts that are not stored yet
   */
  async #seal(fresh: readonly Entry[]): Promise<Work[]> {
    const tooLong = this.#unchecked ? this.#firstTooLong() : undefined;
    if (tooLong !== undefined) return await this.#leaveOut(tooLong);
    this.#unchecked = false;
    const hole = this.#hole;
    if (hole !== undefined) return [await this.#fill(hole)];
    const unsealed = this.#pending.values().filter(({ sealed }) => sealed === undefined);
    const works: Work[] = [];
    let bytes = 0;
    let n = this.#lastN;
    let stale = false;
    for (const entry of [...unsealed, ...fresh].slice(0, BATCH_ENTRIES)) {
      if (bytes > BATCH_BYTES || this.#link === undefined) break;
      n += 1;
      const sealed = await this.#sealAs(n, entry.content);
      if (this.#link === undefined) break;
      if (sealed.envelope.length > this.#link.most) {
        // Of those before it the commit comes first.
        if (works.length === 0 && !fresh.includes(entry)) return await this.#leaveOut(entry, sealed);
        break;
      }
      bytes += sealed.envelope.length;
      works.push((changes) => {
        // Somebody may have used the number meanwhile: then all was sealed for nothing.
        stale ||= this.#held || sealed.n !== this.#lastN + 1;
        return stale ? [] : this.#put(entry, sealed, changes);
      });
    }
    return works;
  }

  #put(entry: Entry, sealed: Sealed, changes: StateChange[]): (() => void)[] {
    entry.sealed = sealed;
    entry.durable = false;
    this.#sealed.set(sealed.n, entry);
    this.#lastN = Math.max(this.#lastN, sealed.n);
    changes.push({ kind: 'sealed', draft: entry.draft, sealed });
    return [
      () => {
        if (entry.sealed === sealed) entry.durable = true;
      },
    ];
  }

  /** Gives a number that nothing can stand under one's name. */
  async #fill(n: number): Promise<Work> {
    const entry = this.#newEntry(this.#nameOnly());
    const sealed = await this.#sealAs(n, entry.content);
    const record = await this.#options.records.ofDraft(entry.draft, entry.content);
    return (changes) => {
      if (this.#held || n <= this.#settled || this.#sealed.has(n)) return [];
      changes.push({ kind: 'draft', draft: entry.draft, id: entry.id!, record });
      this.#pending.set(entry.draft, entry);
      return this.#put(entry, sealed, changes);
    };
  }

  /**
   * The server says that it does not take something so long. Since somebody on the way can say so, it counts when two connections one after
   * the other said it.
   */
  async #leaveOut(entry: Entry, as = entry.sealed!): Promise<Work[]> {
    const { length } = as.envelope;
    const reason = tooLongFor(entry.draft, length, this.#link?.most ?? 0);
    if (length <= this.#mostBefore) {
      this.#asked = true;
      return [() => [() => this.#options.onTooLong(reason)]];
    }
    const sealedAs = entry.sealed?.n;
    const fill = sealedAs === undefined ? undefined : await this.#fill(sealedAs);
    return [
      (changes) => {
        if (this.#held || !this.#pending.has(entry.draft)) return [];
        changes.push({ kind: 'setAside', draft: entry.draft });
        this.#forget(entry);
        if (sealedAs !== undefined) this.#sealed.delete(sealedAs);
        entry.sealed = undefined;
        this.#setAsides.set(entry.draft, entry);
        const filled = fill?.(changes) ?? [];
        const tell = () => {
          this.#options.onSetAside(describe(entry, reason));
          this.#tellFlushes();
        };
        return [...filled, tell];
      },
    ];
  }

  async #sealAs(n: number, content: Content): Promise<Sealed> {
    const { cipher, position } = this.#options;
    if (n <= this.#lastInEpoch) await cipher.renew(this.#link?.challenge ?? new Uint8Array(0));
    this.#lastInEpoch = n;
    const { envelope, change } = await cipher.seal(n, content, position());
    change?.applied();
    this.#cipherState = change?.state;
    return { n, envelope };
  }
}

function bytesOf(content: Content): number {
  return content.kind === 'text' ? textBytes(content.text) : 0;
}

function describe({ draft, id, content, bytes }: Entry, reason?: ChatError): SetAside {
  return {
    n: draft,
    id: id === undefined ? `${draft}` : toHex(id),
    text: content.kind === 'text' ? content.text : '',
    reason:
      reason ??
      new ChatError('CHAT_TEXT_TOO_LONG', `Message ${draft} of ${bytes} bytes was too long for its server.`),
  };
}

function tooLongFor(draft: number, length: number, most: number): ChatError {
  const text = `Message ${draft} is too long for this server: ${length} bytes sealed, ${most} are allowed.`;
  return new ChatError('CHAT_TEXT_TOO_LONG', text);
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
