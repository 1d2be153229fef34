/** The engine itself, of the tab that leads: what is asked of it, for all tabs. */
import {
  ChatClient,
  type ChatCrypto,
  ChatError,
  type ClientEnvironment,
  type ClientTuning,
  type Clock,
  createRoom,
  formatInvite,
  type Invite,
  InviteError,
  inviteSecret,
  parseInvite,
  RoomKeys,
} from '@skytale/chat/client';
import type { CryptoDevice } from '@skytale/cryptodev/webcrypto';
import type {
  EngineEvent,
  InviteLinks,
  Item,
  LinkFound,
  MemberId,
  Message,
  RoomEvent,
  RoomId,
  RoomSummary,
  RoomView,
} from '../engine.ts';
import type { Database } from './database.ts';
import { faultOf } from './fault-of.ts';
import { MemberStates } from './indexed-db-store.ts';
import { Notices, noticesRemoval } from './notices.ts';
import { OpenRooms } from './open-rooms.ts';
import type { PageServer } from './page-server.ts';
import { type KnownRoom, MAX_LABEL, RoomBook } from './room-book.ts';
import { RoomSession } from './room-session.ts';

/** Rooms that are open at a time, each with a connection; of more the one that was opened first is closed. */
export const MAX_OPEN_ROOMS = 16;

export type EngineServiceParts = {
  readonly database: Database;
  readonly crypto: ChatCrypto;
  readonly device: CryptoDevice;
  readonly environment: Omit<ClientEnvironment, 'openStore'>;
  readonly server: PageServer;
  readonly tell: (event: EngineEvent) => void;
  /** Another engine leads. */
  readonly onDeposed: () => void;
  /** For tests. */
  readonly tuning?: Partial<ClientTuning> | undefined;
};

export class EngineService implements AsyncDisposable {
  readonly #parts: EngineServiceParts;
  readonly #clock: Clock;
  readonly #states: MemberStates;
  readonly #book: RoomBook;
  readonly #open: OpenRooms<RoomSession>;
  /** Rooms are entered one after the other: asked for twice at a time, as by two tabs, one is entered once. */
  #entering: Promise<unknown> = Promise.resolve();
  /** What is told with the end of this turn. */
  #events = new Map<RoomId, RoomEvent[]>();
  #roomsChanged = false;
  #flushing: Disposable | undefined;
  #closed = false;

  /** @throws {ChatError} CHAT_STATE_… */
  static async open(parts: EngineServiceParts): Promise<EngineService> {
    return new EngineService(parts, await RoomBook.open(parts.database));
  }

  private constructor(parts: EngineServiceParts, book: RoomBook) {
    this.#parts = parts;
    this.#clock = parts.environment.clock;
    this.#states = new MemberStates(parts.database);
    this.#book = book;
    this.#open = new OpenRooms(MAX_OPEN_ROOMS, (room) => this.#openSession(room));
  }

  rooms(): RoomSummary[] {
    return Array.from(this.#book.rooms.keys(), (room) => this.#summary(room)).sort(
      (one, other) => (other.lastAt ?? 0) - (one.lastAt ?? 0),
    );
  }

  async create(name: string, label: string, passphrase: string | undefined): Promise<RoomId> {
    const { crypto, environment, server } = this.#parts;
    const options = { server: server.address, crypto, ...(passphrase !== undefined && { passphrase }) };
    using invite = wiped(await createRoom(options, environment));
    return await this.#enter(invite, name, label, passphrase);
  }

  async look(link: string): Promise<LinkFound> {
    try {
      using invite = wiped(await this.#parse(link));
      const room = idOf(invite);
      const known = this.#book.rooms.has(room) ? this.#summary(room) : undefined;
      return { kind: 'invite', room, needsPassphrase: invite.secret.kind === 'passphrase', known };
    } catch (error) {
      if (!(error instanceof InviteError || error instanceof ChatError)) throw error;
      return { kind: 'bad', ...faultOf(error) };
    }
  }

  async join(link: string, name: string, label: string, passphrase: string | undefined): Promise<RoomId> {
    using invite = wiped(await this.#parse(link));
    return await this.#enter(invite, name, label, passphrase);
  }

  /** What had come to its end is tried once more. */
  async open(room: RoomId): Promise<RoomView> {
    const opening = this.#open.get(room);
    if ((await opening).isOver) await this.#open.close(room, opening);
    const { view } = await this.#open.get(room);
    // What was told before the view is in it.
    this.#flush();
    return view;
  }

  async history(room: RoomId, before: number, limit: number): Promise<Item[]> {
    return await (await this.#open.get(room)).history(before, limit);
  }

  async send(room: RoomId, text: string, id: Uint8Array): Promise<Message> {
    const message = await (await this.#open.get(room)).send(text, id);
    this.#flush();
    return message;
  }

  async read(room: RoomId, seq: number): Promise<void> {
    await (await this.#open.get(room)).read(seq);
  }

  async discard(room: RoomId, id: string): Promise<void> {
    const session = await this.#open.get(room);
    await session.client.discard(id);
    session.setAsideChanged();
  }

  async hide(room: RoomId, member: MemberId, hidden: boolean): Promise<void> {
    const session = await this.#open.get(room);
    await session.client.hide(member, hidden);
    session.membersChanged();
  }

  async rename(room: RoomId, label: string): Promise<void> {
    this.#known(room);
    await this.#change(room, { label: label.slice(0, MAX_LABEL) });
  }

  async invite(room: RoomId): Promise<InviteLinks> {
    const { crypto, server } = this.#parts;
    const { link, secret } = await this.#book.secrets(room);
    secret.fill(0);
    using invite = wiped(await parseInvite(crypto, link));
    return { ...server.links(invite), needsPassphrase: invite.secret.kind === 'passphrase' };
  }

  async safetyNumber(room: RoomId, member: MemberId): Promise<string> {
    const digits = await (await this.#open.get(room)).client.safetyNumber(member);
    if (digits !== undefined) return digits;
    throw new ChatError('CHAT_NAME_INVALID', 'There is no such member.');
  }

  async forget(room: RoomId): Promise<void> {
    if (!this.#book.rooms.has(room)) return;
    const { database } = this.#parts;
    // It is not known any more before it is closed: nobody opens it meanwhile, and writes rows behind those that are removed.
    await this.#book.remove(room, async () => {
      await this.#open.close(room).catch(() => {});
      await database.write(
        [
          { table: 'rooms', remove: room },
          noticesRemoval(room),
          ...this.#states.removal(Uint8Array.fromBase64(room, { alphabet: 'base64url' })),
        ],
        'strict',
      );
    });
    this.#tell(room, { kind: 'forgotten' });
    this.#tellRooms();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#flushing?.[Symbol.dispose]();
    await this.#open.closeAll();
  }

  /** @throws {InviteError}; {ChatError} CHAT_UNREACHABLE for another server's */
  async #parse(link: string): Promise<Invite> {
    const { crypto, server } = this.#parts;
    const invite = await parseInvite(crypto, link);
    if (server.isAt(invite.server)) return { ...invite, server: server.address };
    const { host } = invite.server;
    throw new ChatError(
      'CHAT_UNREACHABLE',
      `This invite is for a room at ${host}, and this page reaches no server but its own. Open the link in a browser if it begins with http, or use it in a terminal: skytale chat 'LINK'.`,
    );
  }

  #enter(invite: Invite, name: string, label: string, passphrase: string | undefined): Promise<RoomId> {
    const entered = this.#entering.then(() => this.#enterNext(invite, name, label, passphrase));
    this.#entering = entered.catch(() => {});
    return entered;
  }

  async #enterNext(
    invite: Invite,
    name: string,
    label: string,
    passphrase: string | undefined,
  ): Promise<RoomId> {
    const room = idOf(invite);
    if (this.#book.rooms.has(room)) return room;
    this.#book.assertSpace();
    const secret = await inviteSecret(this.#parts.crypto, invite, passphrase);
    try {
      const known = { name, label: label.slice(0, MAX_LABEL), readUpTo: 0, unread: 0 };
      // What cannot be a name is found before anything is kept of the room.
      await using client = await this.#openClient(secret, name);
      const link = formatInvite(invite);
      await this.#book.add(room, { ...known, name: client.name, link, secret: secret.slice() });
    } finally {
      secret.fill(0);
    }
    this.#tellRooms();
    return room;
  }

  async #openClient(secret: Uint8Array, name: string): Promise<ChatClient> {
    const { crypto, device, environment, server, tuning = {} } = this.#parts;
    const keys = await RoomKeys.derive(crypto, secret);
    try {
      const options = { server: server.address, keys, name, device, tuning };
      const openStore = this.#states.openStore.bind(this.#states);
      return await ChatClient.open(options, { ...environment, openStore });
    } catch (error) {
      keys[Symbol.dispose]();
      throw error;
    }
  }

  async #openSession(room: RoomId): Promise<RoomSession> {
    const { database } = this.#parts;
    const { name } = this.#known(room);
    const { secret } = await this.#book.secrets(room);
    const client = await this.#openClient(secret, name).finally(() => secret.fill(0));
    await using undo = new AsyncDisposableStack();
    undo.use(client);
    const session = await RoomSession.open({
      ...{ client, clock: this.#clock, notices: await Notices.open(database, room) },
      known: () => this.#known(room),
      change: (by) => {
        this.#change(room, by).catch((error: unknown) => this.#storeFailed(error));
      },
      summary: () => this.#summary(room),
      tell: (event) => this.#tell(room, event),
      onFatal: (reason) => this.#clientFailed(reason),
      onStoreFailed: (error) => this.#storeFailed(error),
    });
    if (this.#closed || !this.#book.rooms.has(room))
      throw new ChatError('CHAT_CLOSED', 'The room was closed.');
    session.start();
    undo.move();
    return session;
  }

  /** Whoever leads by now has the same identity, and replaces this one at the server. */
  async #clientFailed({ code }: ChatError): Promise<boolean> {
    if (code !== 'CHAT_REPLACED' && code !== 'CHAT_STATE_IN_USE') return true;
    if (!(await this.#parts.database.isDeposed().catch(() => false))) return true;
    this.#parts.onDeposed();
    return false;
  }

  #storeFailed(error: unknown): void {
    if (error instanceof ChatError && error.code === 'CHAT_STATE_IN_USE') this.#parts.onDeposed();
  }

  #known(room: RoomId): KnownRoom {
    const known = this.#book.rooms.get(room);
    if (known !== undefined) return known;
    throw new ChatError('CHAT_NO_SUCH_ROOM', 'This browser does not know the room, or has forgotten it.');
  }

  #summary(room: RoomId): RoomSummary {
    const { label, name, unread, lastAt } = this.#known(room);
    return { room, label, name, unread, lastAt };
  }

  async #change(room: RoomId, by: Partial<KnownRoom>): Promise<void> {
    const changed = this.#book.change(room, by);
    this.#tellRooms();
    await changed;
  }

  #tell(room: RoomId, event: RoomEvent): void {
    const events = this.#events.get(room);
    if (events === undefined) this.#events.set(room, [event]);
    else events.push(event);
    this.#flushSoon();
  }

  #tellRooms(): void {
    this.#roomsChanged = true;
    this.#flushSoon();
  }

  #flushSoon(): void {
    this.#flushing ??= this.#clock.soon(() => this.#flush());
  }

  #flush(): void {
    this.#flushing?.[Symbol.dispose]();
    this.#flushing = undefined;
    if (this.#closed) return;
    const events = this.#events;
    this.#events = new Map();
    for (const [room, ofRoom] of events) this.#parts.tell({ kind: 'room', room, events: ofRoom });
    if (this.#roomsChanged) this.#parts.tell({ kind: 'rooms', rooms: this.rooms() });
    this.#roomsChanged = false;
  }
}

/** Whose secret is wiped in the end. */
function wiped(invite: Invite): Invite & Disposable {
  const { secret } = invite;
  return { ...invite, [Symbol.dispose]: () => void (secret.kind === 'random' && secret.secret.fill(0)) };
}

function idOf({ roomId }: Invite): RoomId {
  return roomId.toBase64({ alphabet: 'base64url', omitPadding: true });
}
