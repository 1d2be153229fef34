/** An engine in memory, without keys or connection, for tests of the page: never part of what is delivered. */
import type {
  Engine,
  EngineEvent,
  InviteLinks,
  Item,
  LinkFound,
  Member,
  MemberId,
  Message,
  Notice,
  RoomEvent,
  RoomId,
  RoomSummary,
  RoomView,
  SetAside,
} from '../engine.ts';

type FakeRoom = {
  summary: RoomSummary;
  connection: RoomView['connection'];
  members: Member[];
  items: Item[];
  waiting: Message[];
  readUpTo: number;
  setAside: SetAside[];
};

export const self: MemberId = `5e1f${'0'.repeat(60)}`;

export class FakeEngine implements Engine {
  /** Of all its rooms. */
  needsPassphrase = false;
  readonly #listeners = new Set<(event: EngineEvent) => void>();
  readonly #rooms = new Map<RoomId, FakeRoom>();
  readonly calls: unknown[][] = [];
  /** What `look` says of a link; every link is good unless it is here. */
  readonly links = new Map<string, LinkFound>();
  /** Whether what is sent gets its place at once. */
  isOnline = true;
  failing: string | undefined;
  #n = 0;

  listen(listener: (event: EngineEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  addRoom(label: string, name = 'Alice'): RoomId {
    const room = `${'room'.repeat(5)}${String(this.#rooms.size).padStart(2, '0')}`;
    const summary = { room, label, name, unread: 0, lastAt: undefined };
    const members = [{ member: self, name, present: true, hidden: false, nameIsShared: false }];
    this.#rooms.set(room, {
      summary,
      connection: { phase: 'online', caughtUp: true },
      members,
      items: [],
      waiting: [],
      readUpTo: 0,
      setAside: [],
    });
    this.#tellRooms();
    return room;
  }

  of(room: RoomId): FakeRoom {
    const found = this.#rooms.get(room);
    if (found === undefined)
      throw Object.assign(new Error(), { code: 'NO_ROOM', text: 'There is no such room.' });
    return found;
  }

  summarize(room: RoomId, change: Partial<RoomSummary>): void {
    const found = this.of(room);
    found.summary = { ...found.summary, ...change };
    this.#tellRooms();
  }

  enter(room: RoomId, name: string | undefined, member: MemberId, change: Partial<Member> = {}): void {
    const found = this.of(room);
    found.members.push({ member, name, present: true, hidden: false, nameIsShared: false, ...change });
    this.#tellMembers(room);
  }

  say(room: RoomId, from: string, member: MemberId, text: string, at = Date.now()): void {
    const found = this.of(room);
    const seq = this.#last(found) + 1;
    this.tell(room, { kind: 'item', item: this.#keep(found, { ...message(from, member, text, at), seq }) });
  }

  /** Puts many into the store at once, before the room is opened. */
  fill(
    room: RoomId,
    count: number,
    make: (index: number) => { from: string; member: MemberId; text: string; at: number },
  ) {
    const found = this.of(room);
    for (let index = 0; index < count; index += 1) {
      const { from, member, text, at } = make(index);
      found.items.push({
        ...message(from, member, text, at),
        own: member === self,
        seq: this.#last(found) + 1,
      });
    }
  }

  notice(room: RoomId, what: Notice['what'], at = Date.now()): void {
    const found = this.of(room);
    const item = { kind: 'notice', seq: this.#last(found), what, at } as const;
    this.tell(room, { kind: 'item', item: this.#keep(found, item) });
  }

  connection(room: RoomId, connection: RoomView['connection']): void {
    this.of(room).connection = connection;
    this.tell(room, { kind: 'connection', connection });
  }

  aside(room: RoomId, ...setAside: SetAside[]): void {
    this.of(room).setAside = setAside;
    this.tell(room, { kind: 'setAside', setAside });
  }

  /** All that waits gets its place. */
  flush(room: RoomId): void {
    const found = this.of(room);
    for (const waiting of found.waiting.splice(0)) {
      const seq = this.#last(found) + 1;
      found.items.push({ ...waiting, seq });
      this.tell(room, { kind: 'sent', n: waiting.n ?? 0, seq });
    }
  }

  tell(room: RoomId, ...events: RoomEvent[]): void {
    for (const listener of this.#listeners) listener({ kind: 'room', room, events });
  }

  async rooms(): Promise<readonly RoomSummary[]> {
    return [...this.#rooms.values()].map(({ summary }) => summary);
  }

  async create(options: { name: string; label: string }): Promise<RoomId> {
    this.#called('create', options);
    return this.addRoom(options.label, options.name);
  }

  async look(link: string): Promise<LinkFound> {
    this.#called('look', link);
    return (
      this.links.get(link) ?? {
        kind: 'invite',
        room: 'room'.repeat(5),
        needsPassphrase: false,
        known: undefined,
      }
    );
  }

  async join(options: { link: string; name: string; label: string; passphrase?: string }): Promise<RoomId> {
    this.#called('join', options);
    return this.addRoom(options.label, options.name);
  }

  async open(room: RoomId): Promise<RoomView> {
    this.#called('open', room);
    const { summary, connection, members, items, waiting, readUpTo, setAside } = this.of(room);
    return {
      summary,
      self,
      connection,
      members: [...members],
      presentCount: members.filter(({ present }) => present).length,
      items: [...items.slice(-60), ...waiting],
      readUpTo,
      setAside,
    };
  }

  async leave(room: RoomId): Promise<void> {
    this.#called('leave', room);
  }

  async history(room: RoomId, before: number, limit: number): Promise<readonly Item[]> {
    return this.of(room)
      .items.filter((item) => (item.seq ?? 0) < before)
      .slice(-limit);
  }

  async send(room: RoomId, text: string): Promise<Message> {
    this.#called('send', room, text);
    const found = this.of(room);
    this.#n += 1;
    const sent = { ...message(found.summary.name, self, text, Date.now()), own: true, n: this.#n };
    found.waiting.push(sent);
    this.tell(room, { kind: 'item', item: sent });
    if (this.isOnline) setTimeout(() => this.flush(room));
    return sent;
  }

  async read(room: RoomId, seq: number): Promise<void> {
    this.#called('read', room, seq);
    this.of(room).readUpTo = seq;
    this.summarize(room, { unread: 0 });
  }

  async discard(room: RoomId, id: string): Promise<void> {
    this.#called('discard', room, id);
    this.aside(room, ...this.of(room).setAside.filter((other) => other.id !== id));
  }

  async hide(room: RoomId, member: MemberId, hidden: boolean): Promise<void> {
    this.#called('hide', room, member, hidden);
    const found = this.of(room);
    found.members = found.members.map((other) => (other.member === member ? { ...other, hidden } : other));
    this.#tellMembers(room);
  }

  async rename(room: RoomId, label: string): Promise<void> {
    this.#called('rename', room, label);
    this.summarize(room, { label });
  }

  async invite(room: RoomId): Promise<InviteLinks> {
    this.#called('invite', room);
    const secret = 'vUChKxTORcvaXWQMvTQSjW5RZrTCxfXI0RI04vw8Brc';
    return {
      web: `https://chat.example.org/r/${room}#${secret}`,
      terminal: `skytale+wss://chat.example.org:443/${room}#${secret}`,
      needsPassphrase: this.needsPassphrase,
    };
  }

  async safetyNumber(): Promise<string> {
    return Array.from({ length: 12 }, (_, index) => String(12345 + index * 7919).slice(0, 5)).join(' ');
  }

  async forget(room: RoomId): Promise<void> {
    this.#called('forget', room);
    this.tell(room, { kind: 'forgotten' });
    this.#rooms.delete(room);
    this.#tellRooms();
  }

  #called(...call: unknown[]): void {
    this.calls.push(call);
    if (this.failing !== undefined) throw Object.assign(new Error(), { code: 'FAKE', text: this.failing });
  }

  #last({ items }: FakeRoom): number {
    return items.findLast((item) => item.seq !== undefined)?.seq ?? 0;
  }

  #keep(found: FakeRoom, item: Item): Item {
    found.items.push(item);
    return item;
  }

  #tellRooms(): void {
    const rooms = [...this.#rooms.values()].map(({ summary }) => summary);
    for (const listener of this.#listeners) listener({ kind: 'rooms', rooms });
  }

  #tellMembers(room: RoomId): void {
    const { members } = this.of(room);
    const presentCount = members.filter(({ present }) => present).length;
    this.tell(room, { kind: 'members', members: [...members], presentCount });
  }
}

function message(from: string, member: MemberId, text: string, at: number): Message {
  return { kind: 'message', seq: undefined, n: undefined, from, member, text, at, own: false };
}
