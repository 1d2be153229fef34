/** One room while it is open: its client, and what the page is told of it. */
import type { ChatClient, ChatError, ChatMessage, Clock, Presence, SetAside } from '@skytale/chat/client';
import type {
  Connection,
  Item,
  MemberId,
  Message,
  Notice,
  RoomEvent,
  RoomSummary,
  RoomView,
  SetAside as ShownSetAside,
} from '../engine.ts';
import { memberList } from './member-list.ts';
import type { Notices } from './notices.ts';
import { RECENT_MESSAGES, RecentItems } from './recent-items.ts';
import type { KnownRoom } from './room-book.ts';
import { wordsOf } from './words.ts';

/** Longest page of the history, in messages. */
export const MAX_PAGE = 500;
/** The list of members is told at most once in so many milliseconds: a large room comes and goes all the time. */
const MEMBERS_INTERVAL = 100;
/** Unread messages are counted up to here. */
const MAX_UNREAD = 999;

export type RoomSessionParts = {
  readonly client: ChatClient;
  readonly notices: Notices;
  readonly clock: Clock;
  /** What is kept of the room. */
  readonly known: () => KnownRoom;
  readonly change: (by: Partial<KnownRoom>) => void;
  readonly summary: () => RoomSummary;
  readonly tell: (event: RoomEvent) => void;
  /** It cannot go on. @returns whether that is to be told: not if another engine leads, which goes on */
  readonly onFatal: (reason: ChatError) => Promise<boolean>;
  readonly onStoreFailed: (error: unknown) => void;
};

export class RoomSession implements AsyncDisposable {
  readonly client: ChatClient;
  readonly #parts: RoomSessionParts;
  readonly #recent: RecentItems;
  #connection: Connection = { phase: 'connecting' };
  #isOver = false;
  /** Under which the members have spoken in this run: one more, or another, is told. */
  readonly #names = new Map<MemberId, string>();
  #membersTimer: Disposable | undefined;

  /** Does not connect. The client is the session's. */
  static async open(parts: RoomSessionParts): Promise<RoomSession> {
    const { client, notices } = parts;
    const items = await pageOf(client, notices, Number.MAX_SAFE_INTEGER, RECENT_MESSAGES);
    const waiting = client.waiting.map(({ n, text, at }) => ownMessage(client, n, text, at));
    return new RoomSession(parts, new RecentItems(items, waiting));
  }

  private constructor(parts: RoomSessionParts, recent: RecentItems) {
    const { client } = parts;
    this.client = client;
    this.#parts = parts;
    this.#recent = recent;
    client.on('state', () => this.#connectionChanged());
    client.on('caughtUp', () => this.#caughtUp());
    client.on('message', (message) => this.#received(message));
    client.on('ack', ({ n, key }) => this.#sent(n, key));
    client.on('company', () => this.membersChanged());
    client.on('presence', (presence) => this.#cameOrLeft(presence));
    client.on('introduction', ({ member, name }) => this.#keep({ kind: 'introduced', member, name }));
    client.on('unsupported', ({ member, name }) => this.#keep({ kind: 'unsupported', member, name }));
    client.on('warning', ({ code, text, member }) => this.#keep({ kind: 'warning', code, text, member }));
    client.on('setAside', ({ n }) => {
      recent.dropped(n);
      this.setAsideChanged();
    });
    client.on('fatal', (reason) => void this.#failed(reason));
  }

  /** Whether it cannot go on: a new one may. */
  get isOver(): boolean {
    return this.#isOver;
  }

  start(): void {
    this.client.start();
  }

  get view(): RoomView {
    const { client } = this;
    const { known, summary } = this.#parts;
    return {
      summary: summary(),
      self: client.member,
      connection: this.#connection,
      members: memberList(client),
      presentCount: client.presentCount,
      items: this.#recent.all,
      readUpTo: known().readUpTo,
      setAside: client.setAside.map(shownSetAside),
    };
  }

  /** @param limit in messages */
  async history(before: number, limit: number): Promise<Item[]> {
    const { client, notices } = this.#parts;
    return await pageOf(client, notices, before, Math.min(limit, MAX_PAGE));
  }

  /** @param id of it among one's own, 16 bytes: the same one is not sent twice */
  async send(text: string, id: Uint8Array): Promise<Message> {
    const { client } = this;
    const { n } = await client.send(text, id);
    const waiting = client.waiting.find((message) => message.n === n);
    // It may have its place already, or have been set aside: what became of it was told.
    const message = ownMessage(client, n, text, waiting?.at ?? new Date(this.#parts.clock.now()));
    if (waiting !== undefined) {
      this.#recent.wait(message);
      this.#parts.tell({ kind: 'item', item: message });
    }
    return message;
  }

  /** The user has seen all up to this place. */
  async read(seq: number): Promise<void> {
    const { known, change } = this.#parts;
    const { last } = this.#recent;
    const readUpTo = Math.max(known().readUpTo, Math.min(seq, last));
    if (readUpTo === known().readUpTo && known().unread === 0) return;
    change({ readUpTo, unread: Math.min(MAX_UNREAD, this.#unreadAfter(readUpTo)) });
  }

  setAsideChanged(): void {
    this.#parts.tell({ kind: 'setAside', setAside: this.client.setAside.map(shownSetAside) });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#membersTimer?.[Symbol.dispose]();
    await this.client.close();
    // Else what was noticed last is lost, or written behind a room that was forgotten.
    await this.#parts.notices.settled();
  }

  #unreadAfter(readUpTo: number): number {
    const { hidden } = this.client;
    return this.#recent.countAfter(readUpTo, ({ own, member }) => !own && !hidden.has(member));
  }

  #received(message: ChatMessage): void {
    const shown = shownMessage(message);
    const waiting = message.own ? this.#recent.waitingAs(shown) : undefined;
    if (waiting !== undefined) {
      this.#sent(waiting, message.key);
      return;
    }
    if (!this.#recent.message(shown)) return;
    this.#parts.tell({ kind: 'item', item: shown });
    const { known, change } = this.#parts;
    const { unread, readUpTo } = known();
    const isNew = !message.own && !this.client.hidden.has(message.member) && message.key > readUpTo;
    // A sender's clock may be ahead, or say anything: the room would stand before all others for good.
    change({
      lastAt: Math.min(shown.at, this.#parts.clock.now()),
      ...(isNew && { unread: Math.min(MAX_UNREAD, unread + 1) }),
    });
    if (this.#names.get(shown.member) === shown.from) return;
    this.#names.set(shown.member, shown.from);
    this.membersChanged();
  }

  #sent(n: number, seq: number): void {
    if (!this.#recent.sent(n, seq)) return;
    this.#parts.tell({ kind: 'sent', n, seq });
    this.#parts.change({ lastAt: this.#parts.clock.now() });
  }

  #cameOrLeft({ member, name, present }: Presence): void {
    this.#tellNotice(this.#noticeOf({ kind: present ? 'came' : 'left', member, name }));
    this.membersChanged();
  }

  #keep(what: Notice['what']): void {
    const notice = this.#noticeOf(what);
    this.#recent.notice(notice);
    this.#parts.notices.add(notice).catch(this.#parts.onStoreFailed);
    this.#tellNotice(notice);
    this.membersChanged();
  }

  #noticeOf(what: Notice['what']): Notice {
    return { kind: 'notice', seq: this.#recent.last, what, at: this.#parts.clock.now() };
  }

  #tellNotice(item: Notice): void {
    this.#parts.tell({ kind: 'item', item });
  }

  #connectionChanged(): void {
    const { state } = this.client;
    if (this.#isOver || state.phase === 'closed') return;
    if (state.phase === 'offline') {
      this.#setConnection({ phase: 'offline', text: wordsOf(state.reason), retryIn: state.retryIn });
    } else if (state.phase === 'online') {
      this.#setConnection({ phase: 'online', caughtUp: false });
    } else {
      this.#setConnection({ phase: 'connecting' });
    }
  }

  #caughtUp(): void {
    if (this.#connection.phase === 'online') this.#setConnection({ phase: 'online', caughtUp: true });
    // Others shall know who reads. It fails only where the client does, which says so itself.
    this.client.introduce().catch(() => {});
  }

  async #failed(reason: ChatError): Promise<void> {
    this.#isOver = true;
    if (await this.#parts.onFatal(reason))
      this.#setConnection({ phase: 'ended', code: reason.code, text: wordsOf(reason) });
  }

  #setConnection(connection: Connection): void {
    this.#connection = connection;
    this.#parts.tell({ kind: 'connection', connection });
  }

  /** Tells of the members, soon. */
  membersChanged(): void {
    this.#membersTimer ??= this.#parts.clock.after(MEMBERS_INTERVAL, () => {
      this.#membersTimer = undefined;
      const members = memberList(this.client);
      this.#parts.tell({ kind: 'members', members, presentCount: this.client.presentCount });
    });
  }
}

/** Begins with a message, so that what is before it is before all; and at the beginning of what is kept with what stands before that. */
async function pageOf(client: ChatClient, notices: Notices, before: number, limit: number): Promise<Item[]> {
  const messages = (await client.history(before, limit)).map(shownMessage);
  const isFirst = messages.length < limit;
  const from = isFirst ? 0 : messages[0]!.seq!;
  const items: Item[] = [...messages, ...notices.between(from, before)];
  // A notice stands behind the message of its place; the sort leaves those of one place in order.
  return items.sort((one, other) => one.seq! - other.seq!);
}

function shownMessage({ key, from, member, text, at, own }: ChatMessage): Message {
  return { kind: 'message', seq: key, n: undefined, from, member, text, at: at.getTime(), own };
}

function ownMessage({ name, member }: ChatClient, n: number, text: string, at: Date): Message {
  return { kind: 'message', seq: undefined, n, from: name, member, text, at: at.getTime(), own: true };
}

function shownSetAside({ id, text, reason }: SetAside): ShownSetAside {
  return { id, text, reason: reason.message };
}
