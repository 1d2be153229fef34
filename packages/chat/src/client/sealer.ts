import type { Content } from '../encryption/content.ts';
import type { ChainPosition } from '../encryption/envelope.ts';
import type { RoomCipher } from '../encryption/room-cipher.ts';
import { ChatError } from './chat-error.ts';
import type { DraftBook, Entry } from './draft-book.ts';
import type { Sealed, StateChange } from './state-store.ts';
import type { TextRecords } from './text-records.ts';

/** What is sealed at once and stored in one commit. */
const BATCH_ENTRIES = 128;
const BATCH_BYTES = 512 * 1024;

/** What is known of the present connection. */
export type OutboxLink = {
  /** What no other connection has, for the cipher. */
  readonly challenge: Uint8Array;
  /** Longest envelope that the server takes, in bytes. */
  readonly most: number;
  /** The last number of one's own that the server has. */
  readonly lastN: number;
};

export type SealerOptions = {
  readonly cipher: RoomCipher;
  readonly records: TextRecords;
  readonly book: DraftBook;
  /** How far one has durably read, to be told in each message. */
  readonly position: () => ChainPosition;
  /** One's name alone, as a content of its own. */
  readonly nameOnly: () => Content;
  /** Called when this connection cannot carry what is next: the server is to be asked anew how much it takes. */
  readonly onTooLong: (reason: ChatError) => void;
  readonly onSetAside: (entry: Entry, reason: ChatError) => void;
};

/**
 * What was prepared, to be done all at once: it adds its changes to a commit, and gives what is to be done when they are stored.
 */
export type Work = (changes: StateChange[]) => (() => void)[];

/**
 * Seals drafts for the present connection.
 *
 * 1. Numbers MUST be given in order, one to each draft, without a hole, and none before it is known what stands under those that the
 *    server has. One that nobody can use any more is filled with one's name.
 * 2. No two contents MUST be sealed under one number without `renew` between them.
 * 3. What is sealed MUST NOT be replaced, save where the server does not take one so long, and said so on two connections, one after the
 *    other.
 * 4. `seal` only prepares; while it did, a number may have been used by others. What it gives MUST be done at once, or not at all.
 */
export class Sealer {
  readonly #options: SealerOptions;
  #link: OutboxLink | undefined;
  /** What the connection before the present one took. */
  #mostBefore = Number.POSITIVE_INFINITY;
  /** Whether what is sealed may be longer than the present connection takes. */
  #unchecked = false;
  /** Whether the server is being asked anew how much it takes. */
  #asked = false;
  /** The last number that was sealed since `renew`. */
  #lastInEpoch = 0;
  /** What the cipher is to keep. */
  #cipherState: Uint8Array | undefined;
  /** Whether something was settled that is not stored. */
  #held = false;

  constructor(options: SealerOptions) {
    this.#options = options;
  }

  /** A connection has joined. Not while something is being sealed. */
  async connect(link: OutboxLink): Promise<void> {
    await this.#options.cipher.renew(link.challenge);
    this.#lastInEpoch = 0;
    this.#link = link;
    this.#unchecked = true;
    this.#asked = false;
  }

  disconnect(): void {
    if (this.#link !== undefined) this.#mostBefore = this.#link.most;
    this.#link = undefined;
  }

  /** Stops sealing, and what was prepared is for nothing; or lets it go on. */
  hold(held: boolean): void {
    this.#held = held;
  }

  /** Whether something can be sealed now. */
  get isReady(): boolean {
    const { book } = this.#options;
    return this.#link !== undefined && this.#link.lastN <= book.lastN && !this.#held && !this.#asked;
  }

  /** Whether something of the book is to be sealed now. */
  get hasWork(): boolean {
    const { book } = this.#options;
    return this.isReady && (this.#unchecked || book.hasUnsealed || this.#hole !== undefined);
  }

  /**
   * Prepares what is next, as much as goes into one commit. To find it, it looks at all that is pending: at most as much as an outbox holds.
   * @param fresh drafts that are not in the book yet, but will be when the work is done
   */
  async seal(fresh: readonly Entry[]): Promise<Work[]> {
    const { book } = this.#options;
    const link = this.#link;
    if (link === undefined) return [];
    const tooLong = this.#unchecked ? book.firstTooLong(link.lastN, link.most) : undefined;
    if (tooLong !== undefined) return await this.#leaveOut(tooLong, tooLong.sealed!, link);
    this.#unchecked = false;
    const hole = this.#hole;
    if (hole !== undefined) return [await this.#fill(hole)];
    const works: Work[] = [];
    let bytes = 0;
    let n = book.lastN;
    let stale = false;
    for (const entry of [...this.#unsealed(), ...fresh].slice(0, BATCH_ENTRIES)) {
      if (bytes > BATCH_BYTES) break;
      n += 1;
      const sealed = await this.#sealAs(n, entry.content);
      if (sealed.envelope.length > link.most) {
        // Of those before it, and of its own draft, the commit comes first.
        if (works.length === 0 && book.isPending(entry)) return await this.#leaveOut(entry, sealed, link);
        break;
      }
      bytes += sealed.envelope.length;
      works.push((changes) => {
        // Somebody may have used the number meanwhile: then all was sealed for nothing.
        stale ||= this.#held || sealed.n !== book.lastN + 1;
        return stale ? [] : this.#put(entry, sealed, changes);
      });
    }
    return works;
  }

  /** What the cipher is to keep, once. */
  takeChanges(): StateChange[] {
    const state = this.#cipherState;
    this.#cipherState = undefined;
    return state === undefined ? [] : [{ kind: 'cipher', state }];
  }

  get #hole(): number | undefined {
    return this.#options.book.hole(this.#link?.lastN ?? 0);
  }

  *#unsealed(): Iterable<Entry> {
    for (const entry of this.#options.book.pending) if (entry.sealed === undefined) yield entry;
  }

  #put(entry: Entry, sealed: Sealed, changes: StateChange[]): (() => void)[] {
    const { book } = this.#options;
    book.seal(entry, sealed);
    changes.push({ kind: 'sealed', draft: entry.draft, sealed });
    return [() => book.stored(entry, sealed)];
  }

  /** Gives a number that nothing can stand under one's name. */
  async #fill(n: number): Promise<Work> {
    const { book, records, nameOnly } = this.#options;
    const entry = book.newEntry(nameOnly());
    const sealed = await this.#sealAs(n, entry.content);
    const record = await records.ofDraft(entry.draft, entry.content);
    return (changes) => {
      if (this.#held || n <= book.settled || book.sealedAs(n) !== undefined) return [];
      changes.push({ kind: 'draft', draft: entry.draft, id: entry.id!, record });
      book.add(entry);
      return this.#put(entry, sealed, changes);
    };
  }

  /** Anybody on the way can say that the server does not take something so long. So it is asked once more. */
  async #leaveOut(entry: Entry, { envelope }: Sealed, { most }: OutboxLink): Promise<Work[]> {
    const { book, onTooLong, onSetAside } = this.#options;
    const text = `Message ${entry.draft} is too long for this server: ${envelope.length} bytes sealed, ${most} are allowed.`;
    const reason = new ChatError('CHAT_TEXT_TOO_LONG', text);
    if (envelope.length <= this.#mostBefore) {
      this.#asked = true;
      return [() => [() => onTooLong(reason)]];
    }
    const number = entry.sealed?.n;
    const fill = number === undefined ? undefined : await this.#fill(number);
    return [
      (changes) => {
        if (this.#held || !book.isPending(entry)) return [];
        changes.push({ kind: 'setAside', draft: entry.draft });
        book.setAside(entry);
        return [...(fill?.(changes) ?? []), () => onSetAside(entry, reason)];
      },
    ];
  }

  async #sealAs(n: number, content: Content): Promise<Sealed> {
    const { cipher, position } = this.#options;
    if (n <= this.#lastInEpoch) await cipher.renew(this.#link?.challenge ?? new Uint8Array(0));
    this.#lastInEpoch = n;
    const { envelope, change } = await cipher.seal(n, content, position());
    change?.applied();
    if (change !== undefined) this.#cipherState = change.state;
    return { n, envelope };
  }
}
