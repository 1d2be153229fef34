/** A room that is shown: what the engine says of it, for components to read, and what the user does in it. */
import type {
  Connection,
  Engine,
  Member,
  MemberId,
  RoomEvent,
  RoomId,
  RoomSummary,
  RoomView,
  SetAside,
} from '../engine.ts';
import { type Entry, Timeline } from './timeline.ts';

export class RoomModel {
  readonly room: RoomId;
  readonly self: MemberId;
  /** The place behind which the unread mark stands, as long as the room is shown. */
  readonly readUpTo: number;
  summary: RoomSummary = $state.raw()!;
  connection: Connection = $state.raw({ phase: 'connecting' });
  members: readonly Member[] = $state.raw([]);
  presentCount: number = $state(0);
  setAside: readonly SetAside[] = $state.raw([]);
  entries: readonly Entry[] = $state.raw([]);
  atStart: boolean = $state(false);
  atEnd: boolean = $state(true);
  /** The highest place known, shown or not. */
  last: number = $state(0);
  readonly #engine: Engine;
  #timeline: Timeline;
  #read: number;

  constructor(engine: Engine, view: RoomView) {
    this.#engine = engine;
    this.room = view.summary.room;
    this.self = view.self;
    this.readUpTo = view.readUpTo;
    this.#read = view.readUpTo;
    this.#timeline = this.#show(view);
    this.#copy();
  }

  /** @returns whether the room still is */
  apply(events: readonly RoomEvent[]): boolean {
    const items = [];
    for (const event of events) {
      switch (event.kind) {
        case 'item':
          items.push(event.item);
          continue;
        case 'sent':
          this.#timeline.add(...items.splice(0));
          this.#timeline.sent(event.n, event.seq);
          break;
        case 'connection':
          this.connection = event.connection;
          break;
        case 'members':
          this.members = event.members;
          this.presentCount = event.presentCount;
          break;
        case 'setAside':
          this.setAside = event.setAside;
          break;
        case 'view':
          items.length = 0;
          this.#timeline = this.#show(event.view);
          this.#copy();
          break;
        case 'forgotten':
          return false;
      }
    }
    if (items.length > 0) this.#timeline.add(...items);
    return true;
  }

  async send(text: string): Promise<void> {
    const message = await this.#engine.send(this.room, text);
    if (!this.#timeline.atEnd) await this.#timeline.toEnd();
    this.#timeline.add(message);
  }

  older = (): Promise<void> => this.#timeline.older();
  newer = (): Promise<void> => this.#timeline.newer();
  toEnd = (): Promise<void> => this.#timeline.toEnd();

  /** The user looks at the end of it. */
  seen(): void {
    if (!this.atEnd || this.last <= this.#read) return;
    this.#read = this.last;
    this.#engine.read(this.room, this.last).catch(() => {
      // It is said again with the next message.
    });
  }

  async discard(id: string): Promise<void> {
    await this.#engine.discard(this.room, id);
  }

  #show(view: RoomView): Timeline {
    this.summary = view.summary;
    this.connection = view.connection;
    this.members = view.members;
    this.presentCount = view.presentCount;
    this.setAside = view.setAside;
    const history = (before: number, limit: number) => this.#engine.history(this.room, before, limit);
    return new Timeline(history, view.items, () => this.#copy());
  }

  #copy(): void {
    const { entries, atStart, atEnd, last } = this.#timeline;
    Object.assign(this, { entries, atStart, atEnd, last });
  }
}
