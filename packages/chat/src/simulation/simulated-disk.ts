import type { Clock } from '../clock.ts';
import { LogError, type LogErrorCode } from '../log/log-error.ts';
import type { MemoryLog } from '../log/memory-log.ts';
import type {
  Appended,
  Batch,
  LastMessage,
  LogChunk,
  MessageLog,
  RoomCounts,
  RoomState,
  RoomSummary,
  Watcher,
} from '../log/message-log.ts';
import type { SeededRandom } from './seeded-random.ts';

/** How a disk is for now. */
export interface DiskConditions {
  /** Longest time that an operation takes, in milliseconds. */
  readonly latency: number;
  /** How likely an append fails, and with what; what failed is not stored. */
  readonly failing: number;
  readonly code: LogErrorCode;
}

export const fastDisk: DiskConditions = { latency: 2, failing: 0, code: 'LOG_FAILED' };

/**
 * A log on a disk that may be slow, full, failing, hang, or lose its power. What is durable is the `MemoryLog` that it is given, which
 * outlives it; an append is written to that whole or not at all, after half of its time, and answered after the other half.
 *
 * It stands in the place of SQLite and its files, so what it leaves out is theirs: torn pages, the write-ahead log and its
 * checkpoints, checksums, the threads. Those have tests of their own, on the real thing.
 */
export class SimulatedDisk implements MessageLog {
  conditions: DiskConditions = fastDisk;
  readonly #durable: MemoryLog;
  readonly #clock: Clock;
  readonly #random: SeededRandom;
  readonly #watches = new Set<Disposable>();
  /** What waits for the disk: called when its time has come, or the power has gone. */
  readonly #underWay = new Set<() => void>();
  /** When it answers again, and whether reading waits for that too. */
  #hungUntil = 0;
  #readingHangs = false;
  #dead = false;

  constructor(durable: MemoryLog, clock: Clock, random: SeededRandom) {
    this.#durable = durable;
    this.#clock = clock;
    this.#random = random;
  }

  /** Watchers of all rooms. */
  get watching(): number {
    return this.#watches.size;
  }

  /** It answers nothing for a while, and then goes on with all that it was asked. What is in memory may be read meanwhile. */
  hang(ms: number, reading: boolean): void {
    this.#hungUntil = this.#clock.monotonic() + ms;
    this.#readingHangs = reading;
  }

  /** The process ends: nothing is answered any more, what is under way is stored or not. */
  powerOff(): void {
    this.#dead = true;
    for (const watch of this.#watches) watch[Symbol.dispose]();
    this.#watches.clear();
    // Now or never: what the next process finds does not change under its hands.
    for (const go of this.#underWay) go();
  }

  createRoom(room: string, creator: string, now: number): Promise<void> {
    return this.#perform(() => this.#durable.createRoom(room, creator, now));
  }

  roomState(room: string): Promise<RoomState | undefined> {
    return this.#perform(() => this.#durable.roomState(room), true);
  }

  roomCounts(creator: string): Promise<RoomCounts> {
    return this.#perform(() => this.#durable.roomCounts(creator), true);
  }

  rooms(after: string, count: number): Promise<readonly RoomSummary[]> {
    return this.#perform(() => this.#durable.rooms(after, count), true);
  }

  deleteRoom(room: string): Promise<boolean> {
    return this.#perform(() => this.#durable.deleteRoom(room));
  }

  lastOf(room: string, member: string): Promise<LastMessage> {
    return this.#perform(() => this.#durable.lastOf(room, member), true);
  }

  append(batch: Batch): Promise<Appended> {
    const { failing, code } = this.conditions;
    return this.#perform(() => {
      if (this.#random.chance(failing)) throw new LogError(code, 'The simulated disk was made to fail.');
      return this.#durable.append(batch);
    });
  }

  read(room: string, after: number, maxBytes: number): Promise<LogChunk | undefined> {
    return this.#perform(() => this.#durable.read(room, after, maxBytes), true);
  }

  watch(room: string, from: number, watcher: Watcher): Disposable {
    const watch = this.#durable.watch(room, from, watcher);
    this.#watches.add(watch);
    return {
      [Symbol.dispose]: () => {
        this.#watches.delete(watch);
        watch[Symbol.dispose]();
      },
    };
  }

  prune(before: number, emptyBefore: number): Promise<boolean> {
    return this.#perform(() => this.#durable.prune(before, emptyBefore));
  }

  /** The durable part stays. */
  async close(): Promise<void> {
    await this.#pass();
    this.powerOff();
  }

  async #perform<T>(work: () => Promise<T>, reading = false): Promise<T> {
    await this.#pass(reading);
    if (this.#dead && this.#random.chance(0.5)) return never();
    try {
      const result = await work();
      await this.#pass(reading);
      return this.#dead ? never() : result;
    } catch (error) {
      await this.#pass(reading);
      if (this.#dead) return never();
      throw error;
    }
  }

  #pass(reading = false): Promise<void> {
    if (this.#dead) return Promise.resolve();
    const hung = reading && !this.#readingHangs ? 0 : this.#hungUntil - this.#clock.monotonic();
    // What hung goes on in the order in which it was asked.
    const ms = hung > 0 ? hung : (this.#random.fraction() * this.conditions.latency) / 2;
    return new Promise((resolve) => {
      const go = () => {
        this.#underWay.delete(go);
        resolve();
      };
      this.#underWay.add(go);
      this.#clock.after(ms, go);
    });
  }
}

function never(): Promise<never> {
  return new Promise(() => undefined);
}
