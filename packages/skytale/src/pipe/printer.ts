/** Standard output: many lines in one write, and messages confirmed when they are written. */
import { setImmediate } from 'node:timers/promises';
import { writeOut } from '../stdio.ts';

/** UTF-16 units of what waits for its reader, from which on the other lines wait too, or are left out. */
const MOST_WAITING = 1024 * 1024;

export class Printer {
  readonly #confirm: (seq: number) => void;
  #waiting = '';
  #lastSeq = 0;
  #writing: Promise<void> | undefined;

  /** @param confirm says that all messages up to this one were written */
  constructor(confirm: (seq: number) => void) {
    this.#confirm = confirm;
  }

  /** Whether the reader has not taken yet what was written. */
  get isWriting(): boolean {
    return this.#writing !== undefined;
  }

  /** Whether so much waits that whoever makes more should wait too. */
  get isBehind(): boolean {
    return this.#waiting.length > MOST_WAITING;
  }

  /**
   * Prints the line of a message. The client hands over no more than it has confirmed, by a margin; that bounds them.
   * @returns when all is written; rejects if it cannot be
   */
  message(line: string, seq: number): Promise<void> {
    this.#waiting += line;
    this.#lastSeq = seq;
    return this.#start();
  }

  /** Prints another line; not for a reader who is far behind, since nothing else bounds how many there are. */
  line(line: string): Promise<void> {
    if (line === '' || this.isBehind) return Promise.resolve();
    this.#waiting += line;
    return this.#start();
  }

  /** Resolves when everything is written. */
  async idle(): Promise<void> {
    await this.#writing;
  }

  #start(): Promise<void> {
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  async #write(): Promise<void> {
    // What else comes in this turn goes into the same write.
    await setImmediate();
    while (this.#waiting !== '' || this.#lastSeq > 0) {
      const [lines, seq] = [this.#waiting, this.#lastSeq];
      this.#waiting = '';
      this.#lastSeq = 0;
      if (lines !== '') await writeOut(lines);
      if (seq > 0) this.#confirm(seq);
    }
  }
}
