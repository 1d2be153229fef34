/**
 * Of the engines of several tabs one leads: it has the database and the connections. The others pass on what their pages ask, and what
 * the leader tells. What goes between them, links with secrets among it, every page of this origin can hear; all of them are the page.
 */
import type { Clock } from '@skytale/chat/client';
import type { EngineEvent, RoomId, RoomView } from '../engine.ts';
import { type Answer, type Fault, type Method, resultOf } from './calls.ts';
import { faultOf } from './fault-of.ts';

/** While somebody waits, or looks: in milliseconds. */
export const PING_INTERVAL = 2000;
/** Pings without an answer after which a leader is deposed. Counted, not timed: a machine that slept has lost none. */
export const MAX_UNANSWERED = 4;
/** Before another tries to lead after one could not, in milliseconds. */
const RETRY_LEADING = 1000;
/** Calls whose outcome the leader remembers, in case they are passed on again; of those that change something. */
const MAX_REMEMBERED = 1000;
const LOCK = 'skytale engine';

/** What a call fails with in an engine that does not lead any more: the next leader is asked. */
const deposedCodes: ReadonlySet<string> = new Set(['CHAT_STATE_IN_USE', 'CHAT_CLOSED', 'CHAT_REPLACED']);

/** What only reads: done twice it does no harm, and its answers are long. */
const reads: ReadonlySet<Method> = new Set(['rooms', 'look', 'open', 'history', 'invite', 'safetyNumber']);

/** What is used of `LockManager`. */
export interface Locks {
  request(
    name: string,
    options: { readonly steal?: boolean; readonly signal?: AbortSignal },
    held: () => Promise<void>,
  ): Promise<unknown>;
}

/** What is used of `BroadcastChannel`. */
export interface Channel {
  postMessage(message: Broadcast): void;
  onmessage: ((event: { readonly data: Broadcast }) => void) | null;
  close(): void;
}

/** `from` and `to` are tabs. */
export type Broadcast =
  | { readonly kind: 'hello' }
  | { readonly kind: 'leads'; readonly generation: number }
  | { readonly kind: 'ping'; readonly generation: number }
  | { readonly kind: 'pong'; readonly generation: number }
  | ({ readonly kind: 'call'; readonly from: string } & Call)
  | { readonly kind: 'answer'; readonly to: string; readonly id: string; readonly answer: Answer }
  | { readonly kind: 'event'; readonly generation: number; readonly event: EngineEvent };

/** `id` is 32 hexadecimal digits, drawn where it is made: passed on twice, it is done once. */
export type Call = { readonly id: string; readonly method: Method; readonly args: readonly unknown[] };

/** An engine that leads. */
export interface LeadingEngine extends AsyncDisposable {
  /** Greater than those of all that led before. */
  readonly generation: number;
  call(call: Call): Promise<unknown>;
}

export type TabParts = {
  readonly locks: Locks;
  readonly channel: Channel;
  readonly clock: Clock;
  /** 16 random bytes in hexadecimal digits. */
  readonly newId: () => string;
  /** Begins to lead: no other writes from then on. */
  readonly lead: (hooks: {
    readonly tell: (event: EngineEvent) => void;
    readonly onDeposed: () => void;
  }) => Promise<LeadingEngine>;
  /** Tells the page. */
  readonly tell: (event: EngineEvent) => void;
};

type Pending = { readonly call: Call; readonly settle: (answer: Answer) => void };

/**
 * A tab's place among the tabs.
 *
 * 1. A call waits until some leader has answered it: it is passed to each that comes, with the same id.
 * 2. A leader that was deposed answers nothing and tells nothing more.
 * 3. When another leads, the rooms that the page shows are opened there, and it is told their views anew.
 */
export class Tab implements AsyncDisposable {
  readonly #parts: TabParts;
  readonly #id: string;
  readonly #pending = new Map<string, Pending>();
  readonly #shown = new Set<RoomId>();
  readonly #remembered = new Map<string, Promise<Answer>>();
  /** Of the leader that is known; 0 if none is. */
  #generation = 0;
  #leading: LeadingEngine | undefined;
  /** Ends its holding of the lock. */
  #release: (() => void) | undefined;
  #queueing = new AbortController();
  #visible = true;
  #unanswered = 0;
  #watching: Disposable | undefined;
  #closed = false;

  constructor(parts: TabParts) {
    this.#parts = parts;
    this.#id = parts.newId();
    parts.channel.onmessage = ({ data }) => this.#heard(data);
    this.#queue();
    this.#post({ kind: 'hello' });
    this.#watch();
  }

  get isLeading(): boolean {
    return this.#leading !== undefined;
  }

  /** @throws {EngineError} */
  async call(method: Method, args: readonly unknown[]): Promise<unknown> {
    const room = args[0] as RoomId;
    if (method === 'leave') {
      this.#shown.delete(room);
      return undefined;
    }
    const result = await this.#ask(method, args);
    if (method === 'open') this.#shown.add(room);
    return result;
  }

  setVisible(visible: boolean): void {
    this.#visible = visible;
    if (visible) this.#watch();
  }

  /** As closing the tab, but in order. Calls that wait are not answered. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#watching?.[Symbol.dispose]();
    this.#queueing.abort();
    await this.#stepDown();
    this.#parts.channel.onmessage = null;
    this.#parts.channel.close();
  }

  async #ask(method: Method, args: readonly unknown[]): Promise<unknown> {
    const { promise, resolve } = Promise.withResolvers<Answer>();
    const call = { id: this.#parts.newId(), method, args };
    const settle = (answer: Answer) => {
      this.#pending.delete(call.id);
      resolve(answer);
    };
    this.#pending.set(call.id, { call, settle });
    this.#pass({ call, settle });
    this.#watch();
    return resultOf(await promise);
  }

  /** To whoever leads, if that is known. */
  #pass({ call, settle }: Pending): void {
    const leading = this.#leading;
    if (leading !== undefined) void this.#do(leading, call).then((answer) => answer && settle(answer));
    else if (this.#generation > 0) this.#post({ kind: 'call', from: this.#id, ...call });
  }

  /** @returns `undefined` if it is for the next leader to answer */
  async #do(leading: LeadingEngine, call: Call): Promise<Answer | undefined> {
    const found = this.#remembered.get(call.id);
    const doing =
      found ??
      leading.call(call).then(
        (value): Answer => ({ value }),
        (error): Answer => ({ fault: faultOf(error) }),
      );
    if (found === undefined && !reads.has(call.method)) this.#remember(call.id, doing);
    const answer = await doing;
    const isOver = this.#leading !== leading;
    if ('fault' in answer && isDeposed(answer.fault)) {
      if (!isOver && answer.fault.code === 'CHAT_STATE_IN_USE') await this.#deposed(leading);
      if (isOver || answer.fault.code === 'CHAT_STATE_IN_USE') return undefined;
    }
    return answer;
  }

  #remember(id: string, doing: Promise<Answer>): void {
    this.#remembered.set(id, doing);
    if (this.#remembered.size > MAX_REMEMBERED)
      this.#remembered.delete(this.#remembered.keys().next().value!);
  }

  #heard(message: Broadcast): void {
    if (this.#closed) return;
    const leading = this.#leading;
    switch (message.kind) {
      case 'hello':
        if (leading !== undefined) this.#post({ kind: 'leads', generation: leading.generation });
        return;
      case 'ping':
        if (leading !== undefined) this.#post({ kind: 'pong', generation: leading.generation });
        return;
      case 'leads':
      case 'pong':
        if (message.generation >= this.#generation) this.#unanswered = 0;
        this.#follow(message.generation);
        return;
      case 'event':
        if (message.generation < this.#generation || leading !== undefined) return;
        this.#follow(message.generation);
        this.#unanswered = 0;
        this.#parts.tell(message.event);
        return;
      case 'call': {
        const { from, id, method, args } = message;
        if (leading === undefined) return;
        void this.#do(leading, { id, method, args }).then((answer) => {
          if (answer !== undefined) this.#post({ kind: 'answer', to: from, id, answer });
        });
        return;
      }
      case 'answer':
        if (message.to === this.#id) this.#pending.get(message.id)?.settle(message.answer);
    }
  }

  /** Another leads: it is told what waits, and asked for what the page shows. */
  #follow(generation: number): void {
    if (generation <= this.#generation) return;
    const before = this.#generation;
    this.#generation = generation;
    const leading = this.#leading;
    if (leading !== undefined && leading.generation < generation) void this.#deposed(leading);
    this.#begin(before > 0);
  }

  #begin(isAnew: boolean): void {
    for (const pending of [...this.#pending.values()]) this.#pass(pending);
    if (!isAnew) return;
    for (const room of this.#shown) void this.#show(room);
    void this.#tellRooms();
  }

  async #show(room: RoomId): Promise<void> {
    try {
      const view = (await this.#ask('open', [room])) as RoomView;
      if (this.#shown.has(room)) this.#parts.tell({ kind: 'room', room, events: [{ kind: 'view', view }] });
    } catch (error) {
      const { code } = faultOf(error);
      if (code === 'CHAT_NO_SUCH_ROOM')
        this.#parts.tell({ kind: 'room', room, events: [{ kind: 'forgotten' }] });
    }
  }

  async #tellRooms(): Promise<void> {
    const rooms = await this.#ask('rooms', []).catch(() => undefined);
    if (rooms !== undefined) this.#parts.tell({ kind: 'rooms', rooms } as EngineEvent);
  }

  #queue(): void {
    this.#queueing = new AbortController();
    const { signal } = this.#queueing;
    this.#hold({ signal });
  }

  #hold(options: { readonly steal?: boolean; readonly signal?: AbortSignal }): void {
    let mine: LeadingEngine | undefined;
    const held = this.#parts.locks.request(LOCK, options, async () => {
      const { promise: released, resolve } = Promise.withResolvers<void>();
      this.#release = resolve;
      mine = await this.#lead();
      if (mine === undefined) return;
      await released;
    });
    const again = () => {
      if (!this.#closed && this.#leading === undefined) this.#queue();
    };
    held.then(again, () => {
      // It was stolen; or is not wanted any more, since this tab steals it itself.
      if (mine !== undefined) void this.#deposed(mine);
      if (options.signal?.aborted !== true) again();
    });
  }

  /** @returns `undefined` if it could not, after a while */
  async #lead(): Promise<LeadingEngine | undefined> {
    if (this.#closed) return undefined;
    try {
      const hooks = {
        tell: (event: EngineEvent) => {
          if (leading !== undefined && this.#leading === leading) this.#tellAll(leading, event);
        },
        onDeposed: () => {
          if (leading !== undefined) void this.#deposed(leading);
        },
      };
      let leading: LeadingEngine | undefined;
      leading = await this.#parts.lead(hooks);
      if (this.#closed) {
        await leading[Symbol.asyncDispose]();
        return undefined;
      }
      const isAnew = this.#generation > 0;
      this.#remembered.clear();
      this.#leading = leading;
      this.#generation = leading.generation;
      this.#post({ kind: 'leads', generation: leading.generation });
      this.#begin(isAnew);
      return leading;
    } catch (error) {
      const fault = faultOf(error);
      for (const { settle } of [...this.#pending.values()]) settle({ fault });
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#parts.clock.after(RETRY_LEADING, resolve);
      await promise;
      return undefined;
    }
  }

  #tellAll({ generation }: LeadingEngine, event: EngineEvent): void {
    this.#post({ kind: 'event', generation, event });
    this.#parts.tell(event);
  }

  /** Somebody else leads, or is about to. What its page waits for goes on there. */
  async #deposed(leading: LeadingEngine): Promise<void> {
    if (this.#leading !== leading) return;
    await this.#stepDown();
    if (this.#closed) return;
    this.#post({ kind: 'hello' });
    this.#watch();
  }

  async #stepDown(): Promise<void> {
    const leading = this.#leading;
    this.#leading = undefined;
    this.#release?.();
    this.#release = undefined;
    // What it cannot end is not waited for: it writes nothing any more.
    try {
      await leading?.[Symbol.asyncDispose]();
    } catch {
      // Its store does not let it.
    }
  }

  #watch(): void {
    if (this.#closed || this.#leading !== undefined || this.#watching !== undefined) return;
    if (!this.#visible && this.#pending.size === 0) return;
    this.#watching = this.#parts.clock.after(PING_INTERVAL, () => {
      this.#watching = undefined;
      if (this.#leading === undefined) this.#ping();
      this.#watch();
    });
  }

  #ping(): void {
    this.#unanswered += 1;
    if (this.#unanswered <= MAX_UNANSWERED) {
      this.#post({ kind: 'ping', generation: this.#generation });
      return;
    }
    this.#unanswered = 0;
    this.#queueing.abort();
    this.#hold({ steal: true });
  }

  #post(message: Broadcast): void {
    if (!this.#closed) this.#parts.channel.postMessage(message);
  }
}

function isDeposed({ code }: Fault): boolean {
  return deposedCodes.has(code);
}
