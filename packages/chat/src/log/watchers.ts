import { goneBehind } from './log-error.ts';
import type { Batch, Watcher } from './message-log.ts';

/**
 * Who watches which room of a log. Every watch MUST be given each batch behind its place once, in order, without
 * a hole, or be told that it failed; after that, and after it was disposed of, nothing.
 *
 * What is stored here is handed on as it is: nothing is read back for it. Only where a watch does not stand right before it
 * (it has just begun, or another writer was faster) is the log read. Giving a batch costs O(watches of its room); a watch
 * holds what was stored while it reads, which is one batch for each append under way.
 */
export class Watchers {
  readonly #rooms = new Map<string, Set<Watch>>();
  readonly #next: (room: string, after: number) => Promise<Batch | undefined>;

  /**
   * @param next gives the batch of `room` behind the place `after`, cut if that is inside of it, or `undefined` if the room ends there;
   * rejects where there is no such room, and with `goneBehind` where all that stood there was pruned
   */
  constructor(next: (room: string, after: number) => Promise<Batch | undefined>) {
    this.#next = next;
  }

  has(room: string): boolean {
    return this.#rooms.has(room);
  }

  watch(room: string, from: number, watcher: Watcher): Disposable {
    const watch = new Watch(room, from, watcher, this.#next, () => this.#remove(room, watch));
    const watches = this.#rooms.get(room);
    if (watches === undefined) this.#rooms.set(room, new Set([watch]));
    else watches.add(watch);
    watch.catchUp();
    return watch;
  }

  /** Hands on what was just stored. @returns `undefined`, or what resolves when all who watch have been given it */
  stored(batch: Batch): Promise<unknown> | undefined {
    const behind: Promise<void>[] = [];
    for (const watch of this.#rooms.get(batch.room) ?? []) {
      const waiting = watch.stored(batch);
      if (waiting !== undefined) behind.push(waiting);
    }
    return behind.length === 0 ? undefined : Promise.all(behind);
  }

  /** Tells all who watch a room that nothing more comes. */
  fail(room: string, error: unknown): void {
    for (const watch of [...(this.#rooms.get(room) ?? [])]) watch.fail(error);
  }

  failAll(error: unknown): void {
    for (const room of [...this.#rooms.keys()]) this.fail(room, error);
  }

  #remove(room: string, watch: Watch): void {
    const watches = this.#rooms.get(room);
    if (watches?.delete(watch) && watches.size === 0) this.#rooms.delete(room);
  }
}

class Watch implements Disposable {
  readonly #room: string;
  readonly #watcher: Watcher;
  readonly #next: (room: string, after: number) => Promise<Batch | undefined>;
  readonly #onEnd: () => void;
  /** Last place that was given. */
  #place: number;
  #ended = false;
  /** While the log is read: what was stored meanwhile, and what resolves when that is given. */
  #waiting: Batch[] = [];
  #reading: Promise<void> | undefined;

  constructor(
    room: string,
    from: number,
    watcher: Watcher,
    next: (room: string, after: number) => Promise<Batch | undefined>,
    onEnd: () => void,
  ) {
    this.#room = room;
    this.#place = from;
    this.#watcher = watcher;
    this.#next = next;
    this.#onEnd = onEnd;
  }

  catchUp(): Promise<void> {
    this.#reading ??= this.#read();
    return this.#reading;
  }

  stored(batch: Batch): Promise<void> | undefined {
    if (this.#reading === undefined && batch.first <= this.#place + 1) {
      this.#give(batch);
      return undefined;
    }
    this.#waiting.push(batch);
    return this.catchUp();
  }

  fail(error: unknown): void {
    if (this.#ended) return;
    this[Symbol.dispose]();
    this.#watcher.failed(error);
  }

  [Symbol.dispose](): void {
    this.#ended = true;
    this.#waiting = [];
    this.#onEnd();
  }

  /** Reads until what is stored adjoins what was stored meanwhile. */
  async #read(): Promise<void> {
    try {
      for (;;) {
        const { length } = this.#waiting;
        const batch = await this.#next(this.#room, this.#place);
        if (this.#ended) return;
        if (batch !== undefined) this.#give(batch);
        else if (this.#adjoins()) break;
        // What came while the log was being read need not have been seen by that reading; what came before was.
        else if (this.#waiting.length === length) throw goneBehind(this.#place);
      }
      for (const batch of this.#waiting.splice(0)) this.#give(batch);
    } catch (error) {
      this.fail(error);
    } finally {
      this.#reading = undefined;
    }
  }

  #adjoins(): boolean {
    const [next] = this.#waiting;
    return next === undefined || next.first <= this.#place + 1;
  }

  #give(batch: Batch): void {
    if (this.#ended || batch.last <= this.#place) return;
    if (batch.first !== this.#place + 1) {
      this.fail(goneBehind(this.#place));
      return;
    }
    this.#place = batch.last;
    try {
      this.#watcher.stored(batch);
    } catch (error) {
      this.fail(error);
    }
  }
}
