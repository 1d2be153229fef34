/** What the server's tests share: a server without a disk, time turned by hand, a log that can be held up. */

import { type Clock, systemClock } from '../clock.ts';
import { LogError, type LogErrorCode } from '../log/log-error.ts';
import { MemoryLog } from '../log/memory-log.ts';
import type { Appended, Batch, LastMessage, LogChunk, RoomState } from '../log/message-log.ts';
import { ChatServer, type ServerParts } from './chat-server.ts';
import { type KeyPair, newKeyPair, RawClient } from './raw-client.testing.ts';
import type { Address, ServerSettingsInput } from './settings.ts';

const anyPort = [{ host: '127.0.0.1', port: 0 }];

/** Starts a server on a free port, with a log in memory unless the parts have another. */
export function startServer(
  settings: ServerSettingsInput = {},
  parts: ServerParts = {},
): Promise<ChatServer> {
  return ChatServer.start(
    {
      tcp: anyPort,
      http: [],
      presenceDelayMs: 1,
      closeTimeoutMs: 200,
      // Tests make many rooms, all from one address.
      maxRoomsPerAddress: 0,
      ...settings,
    },
    { log: new MemoryLog(), ...parts },
  );
}

export const addressOf = (server: ChatServer): Address => server.addresses.tcp[0]!;

/** A client that has created the room if need be, has joined it, and is up to date. */
export async function joined(
  server: ChatServer,
  access: KeyPair,
  member: KeyPair = newKeyPair(),
  since = 0,
  version = 1,
): Promise<RawClient> {
  const client = await RawClient.connect(addressOf(server));
  client.version = version;
  client.create(access);
  await client.next('created');
  await client.join(access, member, since);
  return client;
}

/** The same, of a room in which nothing is to be caught up with. */
export async function live(
  server: ChatServer,
  access: KeyPair,
  member?: KeyPair,
  version = 1,
): Promise<RawClient> {
  const client = await joined(server, access, member, 0, version);
  await client.next('live');
  return client;
}

/** Waits until `condition` holds; the test's own time-out is the limit. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

/** The machine's clock, of which all waiting takes a millisecond. */
export const hastyClock: Clock = { ...systemClock, after: (_ms, work) => systemClock.after(1, work) };

/** A clock that stands still until it is turned. */
export class ManualClock implements Clock {
  #now = 1_000_000;
  #timers: { at: number; work: () => void }[] = [];

  /** Timers that are set. */
  get timers(): number {
    return this.#timers.length;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  /** The event loop is real, only its time is not. */
  soon(work: () => void): Disposable {
    return systemClock.soon(work);
  }

  after(ms: number, work: () => void): Disposable {
    const timer = { at: this.#now + ms, work };
    this.#timers.push(timer);
    return {
      [Symbol.dispose]: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  /** Turns the clock, and does what is due on the way, in order. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const [next] = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#now = Math.max(this.#now, next.at);
      next.work();
    }
    this.#now = end;
  }
}

type Question = 'append' | 'createRoom' | 'roomState' | 'lastOf' | 'read' | 'close';

/** A log that can be held up: appends wait while it is held, fail while it is set to, and what is silent never answers. */
export class GatedLog extends MemoryLog {
  readonly appended: Batch[] = [];
  readonly silent = new Set<Question>();
  /** How often each was asked. */
  readonly asked: Record<Question, number> = {
    append: 0,
    createRoom: 0,
    roomState: 0,
    lastOf: 0,
    read: 0,
    close: 0,
  };
  failing: LogErrorCode | undefined;
  #held = false;
  #waiting: (() => void)[] = [];

  /** Appends that wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  hold(): void {
    this.#held = true;
  }

  /** Lets the append that waits longest go on. */
  step(): void {
    this.#waiting.shift()?.();
  }

  release(): void {
    this.#held = false;
    while (this.#waiting.length > 0) this.step();
  }

  override async append(batch: Batch): Promise<Appended> {
    await this.#answers('append');
    if (this.#held) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.failing !== undefined) throw new LogError(this.failing, 'made to fail');
    const appended = await super.append(batch);
    if (appended.stored) this.appended.push(batch);
    return appended;
  }

  override async createRoom(room: string, creator: string, now: number): Promise<void> {
    await this.#answers('createRoom');
    await super.createRoom(room, creator, now);
  }

  override async roomState(room: string): Promise<RoomState | undefined> {
    await this.#answers('roomState');
    return await super.roomState(room);
  }

  override async lastOf(room: string, member: string): Promise<LastMessage> {
    await this.#answers('lastOf');
    return await super.lastOf(room, member);
  }

  override async read(room: string, after: number, maxBytes: number): Promise<LogChunk | undefined> {
    await this.#answers('read');
    return await super.read(room, after, maxBytes);
  }

  override async close(): Promise<void> {
    await this.#answers('close');
    await super.close();
  }

  async #answers(question: Question): Promise<void> {
    this.asked[question] += 1;
    if (this.silent.has(question)) await new Promise<never>(() => undefined);
  }
}
