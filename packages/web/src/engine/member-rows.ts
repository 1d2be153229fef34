/** A member's state as rows: what is in memory of it, and what a commit changes. */
import type { SavedState, StateChange } from '@skytale/chat/client';
import type { DraftRow } from './database.ts';

export type Sender = SavedState['senders'][number];
/** `key` is of its row: a number of this state's own. */
export type SenderRow = { readonly key: number; readonly sender: Sender };

/** What one row holds, that each commit writes anew. */
export type Progress = Pick<
  SavedState,
  'place' | 'handedOver' | 'lastKey' | 'forgotten' | 'lastDraft' | 'settled' | 'hidden' | 'cipher'
> & {
  /** Keys of the messages that were handed over and not confirmed: as many as the client lets be. */
  readonly unconfirmed: readonly number[];
};

export const emptyProgress: Progress = {
  place: { seq: 0, hash: undefined, complete: true },
  handedOver: 0,
  lastKey: 0,
  forgotten: 0,
  lastDraft: 0,
  settled: 0,
  hidden: [],
  cipher: undefined,
  unconfirmed: [],
};

/** What a row becomes; `value` undefined: it is removed. */
export type RowChange =
  | { readonly of: 'message'; readonly key: number; readonly value: Uint8Array }
  /** Messages up to a key, but for some. */
  | { readonly of: 'messagesUpTo'; readonly key: number; readonly but: readonly number[] }
  | { readonly of: 'draft'; readonly key: number; readonly value: DraftRow | undefined }
  | { readonly of: 'sender'; readonly key: number; readonly value: Sender };

/**
 * A member's state but for the messages, in memory. A commit takes time for the drafts on their way, of which there are a thousand or
 * two, for each change of one.
 */
export class MemberRows {
  #progress: Progress;
  readonly #senders: Map<string, SenderRow>;
  #drafts: ReadonlyMap<number, DraftRow>;

  constructor(progress: Progress, senders: readonly SenderRow[], drafts: readonly DraftRow[]) {
    this.#progress = progress;
    this.#senders = new Map(senders.map((row) => [row.sender.member.toHex(), row]));
    this.#drafts = new Map(drafts.map((row) => [row.draft, row]));
  }

  get progress(): Progress {
    return this.#progress;
  }

  /** Whether there are messages that the server has not acknowledged. */
  get hasUnsent(): boolean {
    return this.#drafts.values().some((row) => !row.setAside && !this.#hasPlace(row));
  }

  /** @returns all but the seed, and the records of messages */
  saved(): Omit<SavedState, 'seed' | 'messages'> {
    const { unconfirmed: _, ...progress } = this.#progress;
    const drafts = [...this.#drafts.values()].sort((one, other) => one.draft - other.draft);
    const outbox = drafts.filter(({ setAside }) => !setAside);
    return {
      ...progress,
      senders: Array.from(this.#senders.values(), ({ sender }) => sender),
      outbox: outbox.filter((row) => !this.#hasPlace(row)).map(withoutMark),
      kept: outbox
        .filter((row) => this.#hasPlace(row))
        .map(({ draft, id, sealed }) => ({ draft, id, n: sealed!.n }))
        .sort((one, other) => one.n - other.n),
      setAside: drafts.filter(({ setAside }) => setAside).map(withoutMark),
    };
  }

  sealedAfter(after: number): SavedState['outbox'] {
    return [...this.#drafts.values()]
      .filter(({ sealed, setAside }) => !setAside && sealed !== undefined && sealed.n > after)
      .sort((one, other) => one.sealed!.n - other.sealed!.n)
      .map(withoutMark);
  }

  /**
   * Takes all changes of a commit, or none.
   * @param sizes of all messages that are kept, by key, if they are to be counted (`trimmed`)
   * @throws {RangeError} if one of them cannot be
   */
  commit(changes: readonly StateChange[], sizes?: ReadonlyMap<number, number>): RowChange[] {
    const stage = new Stage(this.#progress, this.#senders, this.#drafts, sizes);
    for (const change of changes) stage.take(change);
    this.#progress = stage.progress;
    for (const [name, row] of stage.senders) this.#senders.set(name, row);
    this.#drafts = stage.drafts;
    return stage.rows;
  }

  #hasPlace({ sealed }: DraftRow): boolean {
    return sealed !== undefined && sealed.n <= this.#progress.settled;
  }
}

/** Copies what it changes. */
class Stage {
  progress: Progress;
  /** Those that have changed. */
  readonly senders = new Map<string, SenderRow>();
  drafts: ReadonlyMap<number, DraftRow>;
  readonly #before: ReadonlyMap<string, SenderRow>;
  #added = 0;
  #copied: Map<number, DraftRow> | undefined;
  readonly rows: RowChange[] = [];
  readonly #sizes: Map<number, number>;

  constructor(
    progress: Progress,
    senders: ReadonlyMap<string, SenderRow>,
    drafts: ReadonlyMap<number, DraftRow>,
    sizes: ReadonlyMap<number, number> | undefined,
  ) {
    this.progress = progress;
    this.#before = senders;
    this.drafts = drafts;
    this.#sizes = new Map(sizes);
  }

  take(change: StateChange): void {
    switch (change.kind) {
      case 'place': {
        const { seq, hash, complete } = change;
        this.#progressed({ place: { seq, hash, complete } });
        return;
      }
      case 'sender': {
        const name = change.sender.member.toHex();
        const known = this.senders.get(name) ?? this.#before.get(name);
        const key = known?.key ?? this.#before.size + this.#added;
        if (known === undefined) this.#added += 1;
        this.senders.set(name, { key, sender: change.sender });
        this.rows.push({ of: 'sender', key, value: change.sender });
        return;
      }
      case 'message': {
        const { key, record, handedOver } = change;
        const { unconfirmed, lastKey } = this.progress;
        this.#sizes.set(key, record.length);
        this.rows.push({ of: 'message', key, value: record });
        this.#progressed({
          lastKey: Math.max(lastKey, key),
          ...(handedOver && !unconfirmed.includes(key) && { unconfirmed: [...unconfirmed, key] }),
        });
        return;
      }
      case 'confirmed':
        this.#progressed({
          unconfirmed: this.progress.unconfirmed.filter((key) => key > change.key),
        });
        return;
      case 'forgotten':
        this.#forget(change.key);
        return;
      case 'trimmed':
        this.#forget(this.#lastToForget(change));
        return;
      case 'draft': {
        const { draft, id, record } = change;
        if (this.drafts.has(draft)) throw new RangeError('a draft is there already');
        this.#put({ draft, id, record, sealed: undefined, setAside: false });
        this.#progressed({ lastDraft: Math.max(this.progress.lastDraft, draft) });
        return;
      }
      case 'redrafted':
        this.#put({ ...this.#existing(change.draft), record: change.record });
        return;
      case 'sealed': {
        const { draft, sealed } = change;
        const row = this.#existing(draft);
        const isTaken = (other: DraftRow) => other.draft !== draft && other.sealed?.n === sealed?.n;
        if (sealed !== undefined && this.drafts.values().some(isTaken))
          throw new RangeError('a number is there already');
        this.#put({ ...row, sealed });
        return;
      }
      case 'settled':
        for (const { draft, sealed } of this.drafts.values())
          if (sealed !== undefined && sealed.n <= change.forget) this.#remove(draft);
        this.#progressed({ settled: change.n });
        return;
      case 'setAside':
        this.#put({ ...this.#existing(change.draft), sealed: undefined, setAside: true });
        return;
      case 'discarded':
        if (this.drafts.get(change.draft)?.setAside) this.#remove(change.draft);
        return;
      case 'hidden': {
        const name = change.member.toHex();
        const others = this.progress.hidden.filter((member) => member.toHex() !== name);
        this.#progressed({ hidden: change.hidden ? [...others, change.member] : others });
        return;
      }
      case 'cipher':
        this.#progressed({ cipher: change.state });
        return;
    }
  }

  #progressed(by: Partial<Progress>): void {
    this.progress = { ...this.progress, ...by };
  }

  #existing(draft: number): DraftRow {
    const row = this.drafts.get(draft);
    if (row === undefined || row.setAside) throw new RangeError('a draft is missing in the outbox');
    return row;
  }

  #ownDrafts(): Map<number, DraftRow> {
    this.#copied ??= new Map(this.drafts);
    this.drafts = this.#copied;
    return this.#copied;
  }

  #put(row: DraftRow): void {
    this.#ownDrafts().set(row.draft, row);
    this.rows.push({ of: 'draft', key: row.draft, value: row });
  }

  #remove(draft: number): void {
    this.#ownDrafts().delete(draft);
    this.rows.push({ of: 'draft', key: draft, value: undefined });
  }

  #forget(upTo: number): void {
    const but = this.progress.unconfirmed.filter((key) => key <= upTo);
    for (const key of this.#sizes.keys()) if (key <= upTo && !but.includes(key)) this.#sizes.delete(key);
    this.#progressed({ forgotten: Math.max(this.progress.forgotten, upTo) });
    this.rows.push({ of: 'messagesUpTo', key: upTo, but });
  }

  /** The greatest key that is too many, or 0. */
  #lastToForget(bound: { readonly messages: number; readonly bytes: number }): number {
    let [count, bytes] = [0, 0];
    for (const [key, size] of [...this.#sizes].sort(([one], [other]) => other - one)) {
      count += 1;
      bytes += size;
      if (count > bound.messages || bytes > bound.bytes) return key;
    }
    return 0;
  }
}

function withoutMark({ setAside: _, ...row }: DraftRow): SavedState['outbox'][number] {
  return row;
}
