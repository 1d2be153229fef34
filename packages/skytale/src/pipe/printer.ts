/** Standard output: many lines in one write, and messages confirmed when they are written. */
import { setImmediate } from 'node:timers/promises';
import { CommandError } from '../command-error.ts';
import { writeOut } from '../stdio.ts';

/** UTF-16 units of what waits for its reader, from which on no more lines are sent; and of remarks, from which on it is over. */
const MOST_WAITING = 1024 * 1024;

/** Leaves nothing out: whoever makes lines waits, is bounded otherwise, or it fails. */
export class Printer {
  readonly #confirm: (key: number) => void;
  readonly #write: (text: string) => Promise<void>;
  #waiting = '';
  /** How much of that are remarks. */
  #remarks = 0;
  #lastKey = 0;
  #writing: Promise<void> | undefined;

  /**
   * @param confirm says that all messages up to this one were written
   * @param write resolves when the reader, or the system, has it
   */
  constructor(confirm: (key: number) => void, write = writeOut) {
    this.#confirm = confirm;
    this.#write = write;
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
  message(line: string, key: number): Promise<void> {
    this.#waiting += line;
    this.#lastKey = key;
    return this.#start();
  }

  /** Prints a line about what one sent: there are no more of those than the outbox holds, since while this is behind no more is sent. */
  line(line: string): Promise<void> {
    if (line === '') return Promise.resolve();
    this.#waiting += line;
    return this.#start();
  }

  /**
   * Prints a line about what others do, who can bring about any number of them.
   * @throws {CommandError} if so many wait that their reader must have stopped
   */
  async remark(line: string): Promise<void> {
    if (this.#remarks + line.length > MOST_WAITING) {
      throw new CommandError(
        `Standard output is not read: ${MOST_WAITING / 1024} KiB of warnings and the like wait, and none is left out.`,
      );
    }
    this.#remarks += line.length;
    await this.line(line);
  }

  /** Resolves when everything is written. */
  async idle(): Promise<void> {
    await this.#writing;
  }

  #start(): Promise<void> {
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  async #writeAll(): Promise<void> {
    // What else comes in this turn goes into the same write.
    await setImmediate();
    while (this.#waiting !== '' || this.#lastKey > 0) {
      const [lines, key] = [this.#waiting, this.#lastKey];
      this.#waiting = '';
      this.#remarks = 0;
      this.#lastKey = 0;
      if (lines !== '') await this.#write(lines);
      if (key > 0) this.#confirm(key);
    }
  }
}
