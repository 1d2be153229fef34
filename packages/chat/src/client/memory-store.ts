import { toHex } from '../bytes.ts';
import { ChatError } from './chat-error.ts';
import type {
  Durability,
  HistoryBound,
  SavedDraft,
  SavedMessage,
  SavedState,
  StateChange,
  StateStore,
} from './state-store.ts';

/** What a simulated disk does. */
export type MemoryDiskOptions = {
  /** Called for each commit in its turn; what it throws, the commit is refused with. It takes effect when this resolves. */
  readonly write?: () => Promise<void>;
};

/**
 * States in memory, which outlive the clients that use them: for simulations, and where nothing is to stay. It can be asked to do
 * what disks do at the worst.
 */
export class MemoryDisk {
  readonly #options: MemoryDiskOptions;
  readonly #files: StateFile[] = [];

  constructor(options: MemoryDiskOptions = {}) {
    this.#options = options;
  }

  /** As `ClientEnvironment.openStore`. */
  async openStore(room: Uint8Array, name: string, newSeed: () => Uint8Array): Promise<MemoryStore> {
    const of = `${toHex(room)}/${name}`;
    const free = this.#files.filter((file) => file.of === of && file.user === undefined && !file.wiped);
    const file = free.find(({ content }) => hasUnsent(content)) ?? free[0] ?? this.#make(of, newSeed());
    return new MemoryStore(file, this.#options.write ?? (async () => {}));
  }

  /** The processes that have states open are gone: what they had not finished writing is lost. */
  kill(): void {
    for (const file of this.#files) file.user?.kill();
  }

  /** The same, and what was not written for good is lost too. @returns whether there was such */
  cutPower(): boolean {
    this.kill();
    let lost = false;
    for (const file of this.#files) {
      lost ||= file.content !== file.durable;
      file.content = file.durable;
    }
    return lost;
  }

  /** A copy of all states as they are, which is used as if it were this disk. */
  copy(): MemoryDisk {
    const copy = new MemoryDisk(this.#options);
    for (const { of, path, content, wiped } of this.#files)
      copy.#files.push({ of, path, wiped, content, durable: content, user: undefined });
    return copy;
  }

  #make(of: string, seed: Uint8Array): StateFile {
    const path = `${of}.${this.#files.length + 1}`;
    const content = emptyContent(seed);
    const file: StateFile = { of, path, content, durable: content, user: undefined, wiped: false };
    this.#files.push(file);
    return file;
  }
}

type StateFile = {
  readonly of: string;
  readonly path: string;
  /** As a process that was killed leaves it, and as a loss of power does. Replaced as a whole, never changed. */
  content: Content;
  durable: Content;
  user: MemoryStore | undefined;
  wiped: boolean;
};

/** See `MemoryDisk`. A commit costs as much as there are senders, messages on their way, and messages that are kept. */
export class MemoryStore implements StateStore {
  readonly path: string;
  readonly #file: StateFile;
  readonly #write: () => Promise<void>;
  #last: Promise<void> = Promise.resolve();
  #gone: ChatError | undefined;

  constructor(file: StateFile, write: () => Promise<void>) {
    this.path = file.path;
    this.#file = file;
    this.#write = write;
    file.user = this;
  }

  async load(): Promise<SavedState> {
    const { outbox, senders, messages, unconfirmed, setAside, hidden, settled, ...rest } = this.#file.content;
    const drafts = [...outbox.values()].sort((one, other) => one.draft - other.draft);
    const isKept = (draft: SavedDraft) => hasPlace(draft, settled);
    return {
      ...rest,
      seed: rest.seed.slice(),
      settled,
      senders: [...senders.values()],
      messages: inOrder(messages).filter(({ key }) => unconfirmed.has(key)),
      lastKey: messages.keys().reduce((last, key) => Math.max(last, key), rest.forgotten),
      setAside: [...setAside.values()],
      hidden: [...hidden.values()],
      outbox: drafts.filter((draft) => !isKept(draft)),
      kept: drafts.filter(isKept).map(({ draft, id, sealed }) => ({ draft, id, n: sealed!.n })),
    };
  }

  async sealedAfter(after: number): Promise<SavedDraft[]> {
    return [...this.#file.content.outbox.values()]
      .filter(({ sealed }) => sealed !== undefined && sealed.n > after)
      .sort((one, other) => one.sealed!.n - other.sealed!.n);
  }

  async history(before: number, limit: number): Promise<SavedMessage[]> {
    const older = inOrder(this.#file.content.messages).filter(({ key }) => key < before);
    return older.slice(Math.max(0, older.length - limit));
  }

  async historyAfter(after: number, limit: number): Promise<SavedMessage[]> {
    const newer = inOrder(this.#file.content.messages).filter(({ key }) => key > after);
    return newer.slice(0, limit);
  }

  commit(changes: readonly StateChange[], durability: Durability): Promise<void> {
    const done = this.#last.then(async () => {
      if (this.#gone === undefined) {
        await this.#write().catch((error: unknown) => {
          this.#gone ??= unusable(this.path, error);
        });
      }
      if (this.#gone !== undefined) throw this.#gone;
      this.#apply(changes, durability);
    });
    this.#last = done.catch(() => {});
    return done;
  }

  async close(): Promise<void> {
    await this.#last;
    this.kill();
  }

  async wipe(): Promise<void> {
    await this.close();
    this.#file.wiped = true;
    this.#file.content = emptyContent(new Uint8Array(32));
    this.#file.durable = this.#file.content;
  }

  /** Writes nothing more. */
  kill(): void {
    this.#gone ??= unusable(this.path, new Error('it is closed'));
    if (this.#file.user === this) this.#file.user = undefined;
  }

  #apply(changes: readonly StateChange[], durability: Durability): void {
    const content = copyOf(this.#file.content);
    try {
      for (const change of changes) apply(content, change);
    } catch (error) {
      this.#gone = unusable(this.path, error);
      throw this.#gone;
    }
    this.#file.content = content;
    if (durability === 'strict') this.#file.durable = content;
  }
}

type InOtherForm = 'senders' | 'messages' | 'lastKey' | 'outbox' | 'kept' | 'setAside' | 'hidden';
type Content = Omit<SavedState, InOtherForm> & {
  readonly senders: Map<string, SavedState['senders'][number]>;
  readonly messages: Map<number, Uint8Array>;
  readonly unconfirmed: Set<number>;
  readonly outbox: Map<number, SavedDraft>;
  readonly setAside: Map<number, SavedDraft>;
  readonly hidden: Map<string, Uint8Array>;
};

function hasPlace({ sealed }: SavedDraft, settled: number): boolean {
  return sealed !== undefined && sealed.n <= settled;
}

function hasUnsent({ outbox, settled }: Content): boolean {
  return outbox.values().some((draft) => !hasPlace(draft, settled));
}

type Changeable<T> = { -readonly [Key in keyof T]: T[Key] };

function emptyContent(seed: Uint8Array): Content {
  return {
    seed,
    place: { seq: 0, hash: undefined, complete: true },
    handedOver: 0,
    lastDraft: 0,
    settled: 0,
    cipher: undefined,
    senders: new Map(),
    messages: new Map(),
    unconfirmed: new Set(),
    forgotten: 0,
    outbox: new Map(),
    setAside: new Map(),
    hidden: new Map(),
  };
}

/** What is in the maps is never changed, only replaced. */
function copyOf(content: Content): Content {
  const { senders, messages, unconfirmed, outbox, setAside, hidden } = content;
  return {
    ...content,
    senders: new Map(senders),
    messages: new Map(messages),
    unconfirmed: new Set(unconfirmed),
    outbox: new Map(outbox),
    setAside: new Map(setAside),
    hidden: new Map(hidden),
  };
}

function apply(content: Changeable<Content>, change: StateChange): void {
  const { senders, messages, unconfirmed, outbox, setAside } = content;
  switch (change.kind) {
    case 'place':
      content.place = { seq: change.seq, hash: change.hash, complete: change.complete };
      return;
    case 'sender':
      senders.set(toHex(change.sender.member), change.sender);
      return;
    case 'message':
      messages.set(change.key, change.record);
      if (change.handedOver) unconfirmed.add(change.key);
      return;
    case 'confirmed':
      for (const key of unconfirmed) if (key <= change.key) unconfirmed.delete(key);
      return;
    case 'forgotten':
      forget(content, change.key);
      return;
    case 'trimmed':
      forget(content, lastToForget(messages, change));
      return;
    case 'draft': {
      const { draft, id, record } = change;
      if (outbox.has(draft)) throw new RangeError('a draft is there already');
      outbox.set(draft, { draft, id, record, sealed: undefined });
      content.lastDraft = Math.max(content.lastDraft, draft);
      return;
    }
    case 'redrafted':
      outbox.set(change.draft, { ...existing(outbox, change.draft), record: change.record });
      return;
    case 'sealed': {
      const { draft, sealed } = change;
      const others = [...outbox.values()].filter((other) => other.draft !== draft);
      if (sealed !== undefined && others.some((other) => other.sealed?.n === sealed.n))
        throw new RangeError('a number is there already');
      outbox.set(draft, { ...existing(outbox, draft), sealed });
      return;
    }
    case 'settled':
      content.settled = change.n;
      for (const { draft, sealed } of outbox.values())
        if (sealed !== undefined && sealed.n <= change.forget) outbox.delete(draft);
      return;
    case 'setAside':
      setAside.set(change.draft, { ...existing(outbox, change.draft), sealed: undefined });
      outbox.delete(change.draft);
      return;
    case 'discarded':
      setAside.delete(change.draft);
      return;
    case 'hidden':
      if (change.hidden) content.hidden.set(toHex(change.member), change.member);
      else content.hidden.delete(toHex(change.member));
      return;
    case 'cipher':
      content.cipher = change.state;
  }
}

function forget(content: Changeable<Content>, upTo: number): void {
  const { messages, unconfirmed } = content;
  content.forgotten = Math.max(content.forgotten, upTo);
  for (const key of messages.keys()) if (key <= upTo && !unconfirmed.has(key)) messages.delete(key);
}

/** The greatest key that is too many, or 0. */
function lastToForget(messages: ReadonlyMap<number, Uint8Array>, bound: HistoryBound): number {
  let [count, bytes] = [0, 0];
  for (const { key, record } of inOrder(messages).reverse()) {
    count += 1;
    bytes += record.length;
    if (count > bound.messages || bytes > bound.bytes) return key;
  }
  return 0;
}

function inOrder(messages: ReadonlyMap<number, Uint8Array>): SavedMessage[] {
  return Array.from(messages, ([key, record]) => ({ key, record })).sort((one, other) => one.key - other.key);
}

function existing(outbox: ReadonlyMap<number, SavedDraft>, draft: number): SavedDraft {
  const saved = outbox.get(draft);
  if (saved === undefined) throw new RangeError('a draft is missing in the outbox');
  return saved;
}

function unusable(path: string, error: unknown): ChatError {
  if (error instanceof ChatError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new ChatError('CHAT_STATE_UNUSABLE', `${path} cannot be used: ${reason}.`, { cause: error });
}
