/** How long the server is waited for, whatever it is that does not come. */

export type Awaited =
  /** To be in the room. */
  | 'connection'
  /** What was said before. */
  | 'history'
  /** That what was sent is stored. */
  | 'storage';

/**
 * One clock for each thing that is waited for: it runs from when the wait began or the thing last progressed. A server that
 * is there, and comes and goes, does not stop the clock of what it does not do.
 */
export class Patience implements Disposable {
  readonly #milliseconds: number;
  readonly #giveUp: (what: Awaited) => void;
  readonly #isOurFault: () => boolean;
  readonly #timers = new Map<Awaited, NodeJS.Timeout>();

  /** @param isOurFault while it says true nothing can come, because of this side; the clocks begin anew */
  constructor(
    milliseconds: number,
    giveUp: (what: Awaited) => void,
    isOurFault: () => boolean = () => false,
  ) {
    this.#milliseconds = milliseconds;
    this.#giveUp = giveUp;
    this.#isOurFault = isOurFault;
  }

  /** Begins to wait, unless it is waited for already. */
  begin(what: Awaited): void {
    if (!this.#timers.has(what)) this.#start(what);
  }

  /** Some of it came. */
  progress(what: Awaited): void {
    const timer = this.#timers.get(what);
    if (timer === undefined) return;
    clearTimeout(timer);
    this.#start(what);
  }

  /** All of it came. */
  end(what: Awaited): void {
    clearTimeout(this.#timers.get(what));
    this.#timers.delete(what);
  }

  [Symbol.dispose](): void {
    for (const what of [...this.#timers.keys()]) this.end(what);
  }

  #start(what: Awaited): void {
    const timer = setTimeout(() => {
      if (this.#isOurFault()) this.#start(what);
      else this.#giveUp(what);
    }, this.#milliseconds);
    this.#timers.set(what, timer);
  }
}
