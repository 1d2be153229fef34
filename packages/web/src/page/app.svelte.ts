/** What the page shows: its rooms, and which one is open. */
import type { Engine, EngineEvent, LinkFound, RoomId, RoomSummary } from '../engine.ts';
import { pathOfRoom, roomOfPath } from './address.ts';
import { notify } from './notifications.ts';
import { RoomModel } from './room.svelte.ts';
import { errorInWords, isTold } from './words.ts';

export type Invited = Extract<LinkFound, { kind: 'invite' }> & {
  readonly link: string;
  /** The user's name, where it is known already. */
  readonly name?: string;
};

export type Shown =
  | { readonly kind: 'loading' }
  /** `intent`: which of the two the user has asked for. */
  | { readonly kind: 'start'; readonly intent: 'create' | 'join' | undefined; readonly problem?: string }
  | { readonly kind: 'invited'; readonly invited: Invited }
  | { readonly kind: 'room'; readonly room: RoomModel };

export class AppModel {
  readonly engine: Engine;
  rooms: readonly RoomSummary[] = $state.raw([]);
  shown: Shown = $state.raw({ kind: 'loading' });
  /** What failed, in words, until the user has seen it. */
  problem: string | undefined = $state();
  /** Counts what was asked for; what was asked for before, and comes later, is dropped. */
  #turn = 0;
  /** What is told of a room while it is being opened. */
  #opening: { room: RoomId; events: EngineEvent[] } | undefined;

  constructor(engine: Engine) {
    this.engine = engine;
    engine.listen((event) => this.#hear(event));
  }

  /** @param link that the page was opened with */
  async begin(link: string | undefined, path: string): Promise<void> {
    await this.trying(async () => {
      this.rooms = await this.engine.rooms();
    });
    if (link !== undefined) return await this.follow(link);
    const room = roomOfPath(path);
    if (room !== undefined && !this.rooms.some((known) => known.room === room)) {
      this.start(undefined, missingSecret);
      history.replaceState(null, '', '/');
      return;
    }
    await this.go(room ?? (path === '/' ? undefined : this.rooms[0]?.room));
  }

  /** Shows what a link leads to: a room that is known, an invitation, or what is wrong with it. */
  async follow(link: string): Promise<void> {
    const turn = this.#newTurn();
    await this.trying(async () => {
      const found = await this.engine.look(link);
      if (turn !== this.#turn) return;
      if (found.kind === 'bad') {
        history.replaceState(null, '', '/');
        this.#show({ kind: 'start', intent: 'join', problem: found.text });
      } else if (found.known !== undefined) {
        await this.open(found.known.room);
      } else {
        this.invited({ ...found, link });
      }
    });
    if (this.shown.kind === 'loading') this.start(undefined);
  }

  /** Asks for what is lacking to enter a room: a name, and perhaps a passphrase. */
  invited(invited: Invited): void {
    this.#newTurn();
    this.#show({ kind: 'invited', invited });
  }

  /** As the address says. */
  async go(room: RoomId | undefined): Promise<void> {
    if (room === undefined) this.start(undefined);
    else await this.open(room);
  }

  start(intent: 'create' | 'join' | undefined, problem?: string): void {
    this.#newTurn();
    this.#show({ kind: 'start', intent, ...(problem !== undefined && { problem }) });
    this.#address(undefined);
  }

  async open(room: RoomId): Promise<void> {
    const turn = this.#newTurn();
    this.#opening = { room, events: [] };
    await this.trying(async () => {
      const view = await this.engine.open(room);
      if (turn !== this.#turn) return;
      const model = new RoomModel(this.engine, view);
      const events = this.#opening?.events ?? [];
      this.#opening = undefined;
      this.#show({ kind: 'room', room: model });
      this.#address(room);
      for (const event of events) this.#hear(event);
      keepStorage();
    });
    if (this.shown.kind === 'loading') this.start(undefined);
  }

  /** Does what may fail, and says so if it does. @returns whether it was done */
  async trying(work: () => Promise<void>): Promise<boolean> {
    try {
      this.problem = undefined;
      await work();
      return true;
    } catch (error) {
      this.problem = errorInWords(error);
      if (!isTold(error)) reportError(error);
      return false;
    }
  }

  #newTurn(): number {
    this.#turn += 1;
    this.#opening = undefined;
    return this.#turn;
  }

  #show(shown: Shown): void {
    const before = this.shown.kind === 'room' ? this.shown.room.room : undefined;
    const after = shown.kind === 'room' ? shown.room.room : undefined;
    if (before !== undefined && before !== after) this.engine.leave(before).catch(() => {});
    this.shown = shown;
  }

  #address(room: RoomId | undefined): void {
    const path = pathOfRoom(room);
    if (location.pathname !== path) history.pushState(null, '', path);
  }

  #hear(event: EngineEvent): void {
    if (event.kind === 'rooms') {
      this.#tell(this.rooms, event.rooms);
      this.rooms = event.rooms;
      const room = this.shown.kind === 'room' ? this.shown.room : undefined;
      const summary = event.rooms.find((other) => other.room === room?.room);
      if (room !== undefined && summary !== undefined) room.summary = summary;
      return;
    }
    if (event.room === this.#opening?.room) this.#opening.events.push(event);
    if (this.shown.kind !== 'room' || this.shown.room.room !== event.room) return;
    if (!this.shown.room.apply(event.events)) this.start(undefined);
  }

  #tell(before: readonly RoomSummary[], after: readonly RoomSummary[]): void {
    for (const summary of after) {
      const unread = before.find(({ room }) => room === summary.room)?.unread ?? 0;
      if (summary.unread > unread) notify(summary, () => void this.open(summary.room));
    }
  }
}

/** Asks the browser not to throw away what is kept here when its disk is full. It may say no, or ask the user. */
function keepStorage(): void {
  navigator.storage?.persist?.().catch(() => {});
}

const missingSecret =
  'This address names a room, and lacks its secret (what stands behind the #). Ask for the whole invite link, and open that.';
