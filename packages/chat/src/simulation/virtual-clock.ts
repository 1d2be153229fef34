import type { Clock } from '../clock.ts';

/** What the wall clocks show when a run begins: Unix time in milliseconds. */
const BEGIN = Date.UTC(2026, 0, 1);

type Task = { readonly at: number; readonly work: () => void };

/**
 * Time that passes only when there is nothing else to do. Between any two tasks all promises and ticks that can go on
 * do so; then the next task is the oldest turn that was asked for, or else the timer that is due first. So the order of
 * everything in a run is that of its calls, and a minute of waiting takes no time.
 *
 * For n timers: O(log n) comparisons and O(n) moves to set one, O(1) to take the next; n is some hundreds.
 */
export class VirtualClock implements Clock {
  #time = 0;
  #wall = BEGIN;
  /** In the order in which they are due, the next one last. */
  readonly #timers: Task[] = [];
  #turns: Task[] = [];
  /** Tasks that were done. */
  steps = 0;

  now(): number {
    return this.#wall + Math.floor(this.#time);
  }

  monotonic(): number {
    return this.#time;
  }

  /** Timers and turns that wait. */
  get waiting(): number {
    return this.#timers.length + this.#turns.length;
  }

  /** Sets the wall clock forth, or back, as an administrator would. */
  shift(milliseconds: number): void {
    this.#wall += milliseconds;
  }

  after(ms: number, work: () => void): Disposable {
    const task = { at: this.#time + Math.max(0, ms), work };
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      // Those that are due at the same time are done in the order in which they were set.
      if (this.#timers[middle]!.at <= task.at) high = middle;
      else low = middle + 1;
    }
    this.#timers.splice(low, 0, task);
    return { [Symbol.dispose]: () => remove(this.#timers, task) };
  }

  soon(work: () => void): Disposable {
    const task = { at: this.#time, work };
    this.#turns.push(task);
    return { [Symbol.dispose]: () => remove(this.#turns, task) };
  }

  /**
   * Lets time pass until `done` says so, but no more than `most` milliseconds.
   * @returns whether it was done. Rejects with what a task throws
   */
  async run(most: number, done: () => boolean = () => false): Promise<boolean> {
    const end = this.#time + most;
    for (;;) {
      await settled();
      if (done()) return true;
      const task = this.#next(end);
      if (task === undefined) {
        this.#time = end;
        return done();
      }
      this.#time = Math.max(this.#time, task.at);
      this.steps += 1;
      task.work();
    }
  }

  #next(end: number): Task | undefined {
    const turn = this.#turns.shift();
    if (turn !== undefined) return turn;
    const timer = this.#timers.at(-1);
    return timer !== undefined && timer.at <= end ? this.#timers.pop() : undefined;
  }
}

/** So many turns of the event loop are asked for together: whenever it has none left it asks the system for news, which takes long. */
const TURNS = 64;
let turns = 0;
/** Who waits for one. */
const waiting: (() => void)[] = [];

/** When every promise and tick that can go on has: all of them come before the next turn. */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (turns === 0) askForTurns();
  });
}

function askForTurns(): void {
  for (turns = 0; turns < TURNS; turns += 1) setImmediate(turn);
}

function turn(): void {
  turns -= 1;
  waiting.shift()?.();
  if (turns === 0 && waiting.length > 0) askForTurns();
}

function remove(tasks: Task[], task: Task): void {
  const index = tasks.indexOf(task);
  if (index >= 0) tasks.splice(index, 1);
}
