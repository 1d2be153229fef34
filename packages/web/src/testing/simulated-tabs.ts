/** Tabs of a browser in a time of their own: they freeze, wake and die, and what goes between them takes its time. */
import type { Clock } from '@skytale/chat/client';
import {
  type Broadcast,
  type Call,
  type Channel,
  type LeadingEngine,
  type Locks,
  Tab,
} from '../engine/leader.ts';
import type { EngineEvent } from '../engine.ts';

type Event = {
  readonly at: number;
  readonly order: number;
  readonly tab: SimulatedTab;
  readonly work: () => void;
};

/** Repeats: the same seed, the same numbers (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What all tabs share. */
export class SimulatedBrowser {
  readonly random: () => number;
  readonly tabs: SimulatedTab[] = [];
  /** What is stored: texts by the ids of their calls, in order, each with the generation that wrote it. */
  readonly stored: { readonly id: string; readonly text: string; readonly generation: number }[] = [];
  generation = 0;
  now = 0;
  /** How often a leader wrote, or tried to, after another had begun to lead. */
  fenced = 0;
  /** Texts that one leader was made to send twice. */
  doneTwice = 0;
  readonly #done = new Set<string>();
  readonly locks = new SimulatedLocks();
  #events: Event[] = [];
  #order = 0;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  open(): SimulatedTab {
    const tab = new SimulatedTab(this, this.tabs.length + 1);
    this.tabs.push(tab);
    return tab;
  }

  /** A leader begins a call. */
  begin(call: string): void {
    if (this.#done.has(call)) this.doneTwice += 1;
    this.#done.add(call);
  }

  /** A wait of up to so many milliseconds. */
  some(most: number): number {
    return 1 + Math.floor(this.random() * most);
  }

  schedule(tab: SimulatedTab, after: number, work: () => void): Event {
    this.#order += 1;
    const event = { at: this.now + after, order: this.#order, tab, work };
    this.#events.push(event);
    return event;
  }

  cancel(event: Event): void {
    this.#events = this.#events.filter((other) => other !== event);
  }

  /** Lets time pass, until a condition holds if one is given. @throws {Error} if it does not by then */
  async run(ms: number, until?: () => boolean): Promise<void> {
    const end = this.now + ms;
    await settled();
    while (until?.() !== true) {
      const next = this.#events
        .filter(({ tab }) => !tab.isFrozen)
        .reduce<Event | undefined>(
          (first, event) =>
            first === undefined || event.at < first.at || (event.at === first.at && event.order < first.order)
              ? event
              : first,
          undefined,
        );
      if (next === undefined || next.at > end) {
        this.now = end;
        if (until !== undefined) throw new Error('time is over');
        return;
      }
      this.cancel(next);
      this.now = Math.max(this.now, next.at);
      if (!next.tab.isDead) next.work();
      await settled();
    }
  }
}

/** All that follows in this turn has been done. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export class SimulatedTab {
  readonly id: string;
  readonly tab: Tab;
  readonly told: EngineEvent[] = [];
  isFrozen = false;
  isDead = false;
  readonly #browser: SimulatedBrowser;
  readonly #channel: SimulatedChannel;
  #calls = 0;

  constructor(browser: SimulatedBrowser, number: number) {
    this.#browser = browser;
    this.id = `tab${number}`;
    this.#channel = new SimulatedChannel(browser, this);
    this.tab = new Tab({
      locks: browser.locks.of(browser, this),
      channel: this.#channel,
      clock: this.#clock(),
      newId: () => {
        this.#calls += 1;
        return `${this.id}.${this.#calls}`;
      },
      tell: (event) => this.told.push(event),
      lead: (hooks) => this.#lead(hooks),
    });
  }

  /** What others have said comes in. */
  hears(message: Broadcast): void {
    this.#channel.onmessage?.({ data: message });
  }

  /** Closed by the user, or crashed: in the middle of whatever it does. */
  die(): void {
    this.isDead = true;
    this.isFrozen = false;
    this.#browser.locks.drop(this);
  }

  async #lead({ tell }: { readonly tell: (event: EngineEvent) => void }): Promise<LeadingEngine> {
    const browser = this.#browser;
    await this.#wait(20);
    browser.generation += 1;
    const { generation } = browser;
    return {
      generation,
      call: async (call) => {
        if (call.method === 'send') browser.begin(`${generation} ${call.id}`);
        await this.#wait(30);
        const result = this.#do(call, generation, tell);
        await this.#wait(30);
        return result;
      },
      [Symbol.asyncDispose]: async () => {},
    };
  }

  #do({ id, method, args }: Call, generation: number, tell: (event: EngineEvent) => void): unknown {
    const browser = this.#browser;
    if (method !== 'send') return method === 'rooms' ? [] : { room: args[0], generation };
    if (generation !== browser.generation) {
      browser.fenced += 1;
      throw Object.assign(new Error('deposed'), { code: 'CHAT_STATE_IN_USE' });
    }
    if (!browser.stored.some((other) => other.id === id))
      browser.stored.push({ id, text: String(args[1]), generation });
    tell({ kind: 'rooms', rooms: [] });
    return browser.stored.findIndex((other) => other.id === id) + 1;
  }

  #wait(most: number): Promise<void> {
    return new Promise((resolve) => {
      this.#browser.schedule(this, this.#browser.some(most), resolve);
    });
  }

  #clock(): Clock {
    const browser = this.#browser;
    const after = (ms: number, work: () => void) => {
      const event = browser.schedule(this, ms, work);
      return { [Symbol.dispose]: () => browser.cancel(event) };
    };
    return { now: () => browser.now, monotonic: () => browser.now, after, soon: (work) => after(0, work) };
  }
}

class SimulatedChannel implements Channel {
  onmessage: Channel['onmessage'] = null;
  readonly #browser: SimulatedBrowser;
  readonly #tab: SimulatedTab;
  /** What is said later arrives later. */
  readonly #arrivals = new Map<SimulatedTab, number>();

  constructor(browser: SimulatedBrowser, tab: SimulatedTab) {
    this.#browser = browser;
    this.#tab = tab;
  }

  postMessage(message: Broadcast): void {
    const browser = this.#browser;
    for (const other of browser.tabs) {
      if (other === this.#tab || other.isDead) continue;
      const at = Math.max(browser.now + browser.some(10), this.#arrivals.get(other) ?? 0);
      this.#arrivals.set(other, at);
      const copy = structuredClone(message);
      browser.schedule(other, at - browser.now, () => other.hears(copy));
    }
  }

  close(): void {}
}

type Request = {
  readonly tab: SimulatedTab;
  readonly browser: SimulatedBrowser;
  readonly held: () => Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
};

/** One lock, as the Web Locks API has it. */
class SimulatedLocks {
  #holder: Request | undefined;
  #queue: Request[] = [];

  of(browser: SimulatedBrowser, tab: SimulatedTab): Locks {
    return {
      request: (_name, { steal = false, signal }, held) =>
        new Promise<void>((resolve, reject) => {
          const request = { tab, browser, held, resolve, reject };
          signal?.addEventListener('abort', () => {
            if (!this.#queue.includes(request)) return;
            this.#queue = this.#queue.filter((other) => other !== request);
            reject(signal.reason);
          });
          if (steal) {
            const robbed = this.#holder;
            this.#holder = undefined;
            if (robbed !== undefined)
              browser.schedule(robbed.tab, 1, () => robbed.reject(new DOMException('stolen', 'AbortError')));
            this.#queue.unshift(request);
          } else this.#queue.push(request);
          this.#grant();
        }),
    };
  }

  drop(tab: SimulatedTab): void {
    this.#queue = this.#queue.filter((request) => request.tab !== tab);
    if (this.#holder?.tab === tab) this.#holder = undefined;
    this.#grant();
  }

  #grant(): void {
    if (this.#holder !== undefined) return;
    const next = this.#queue.shift();
    if (next === undefined) return;
    this.#holder = next;
    const end = () => {
      if (this.#holder !== next) return;
      this.#holder = undefined;
      next.resolve();
      this.#grant();
    };
    next.browser.schedule(next.tab, next.browser.some(5), () => {
      // It may have been robbed of it before it heard of it.
      if (this.#holder === next) void next.held().then(end, end);
    });
  }
}
