/** Where a pipe's lines go that cannot be sent: a file that its user is told of, and can mend and send again. */
import { closeSync, fsyncSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** The end of a line. */
const LF = 10;

export class UnsentFile implements Disposable {
  readonly #directory: string;
  readonly path: string;
  #descriptor: number | undefined;
  /** Its name in the directory is on the disk too. */
  #isNamed = false;
  /** A line was begun and is not whole yet. */
  #withinLine = false;
  /** Texts that came meanwhile. */
  readonly #waiting: string[] = [];

  /** Makes nothing yet. @param directory is made if need be, for its owner alone */
  constructor(directory: string, now = new Date()) {
    this.#directory = directory;
    const time = now.toISOString().replaceAll(':', '-').replace(/\..*/, '');
    this.path = join(directory, `unsent-${time}-${process.pid}.txt`);
  }

  /** Whether there is anything in it. */
  get exists(): boolean {
    return this.#descriptor !== undefined;
  }

  /** Whether a line was begun that is not whole yet; what `writeLine` gets waits for its end. */
  get isWithinLine(): boolean {
    return this.#withinLine;
  }

  /** Adds bytes as they are: a line, or a part of one. @throws {Error} of the file system, with the path */
  write(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#append(bytes);
    while (!this.#withinLine && this.#waiting.length > 0) {
      this.#append(Buffer.from(`${this.#waiting[0]}\n`));
      this.#waiting.shift();
    }
  }

  #append(bytes: Uint8Array): void {
    try {
      this.#descriptor ??= this.#open();
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#descriptor, bytes, done);
    } catch (error) {
      // What failed in writing does not say where.
      throw Object.assign(error as Error, { path: this.path });
    }
    this.#withinLine = bytes.at(-1) !== LF;
  }

  /** Adds a line, with an ending, behind the one that is being written. @throws {Error} of the file system */
  writeLine(text: string): void {
    if (this.#withinLine) this.#waiting.push(text);
    else this.write(Buffer.from(`${text}\n`));
  }

  /** The texts that wait, for when they cannot be put into it. */
  takeWaiting(): string[] {
    return this.#waiting.splice(0);
  }

  /** The line that was begun is all that there is of it. @throws {Error} of the file system */
  endLine(): void {
    if (this.#withinLine) this.write(Buffer.from('\n'));
  }

  /** What is in it survives a loss of power. @throws {Error} of the file system */
  sync(): void {
    if (this.#descriptor === undefined) return;
    fsyncSync(this.#descriptor);
    if (this.#isNamed) return;
    const directory = openSync(this.#directory, 'r');
    try {
      fsyncSync(directory);
    } finally {
      closeSync(directory);
    }
    this.#isNamed = true;
  }

  [Symbol.dispose](): void {
    if (this.#descriptor === undefined) return;
    closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #open(): number {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    return openSync(this.path, 'wx', 0o600);
  }
}
