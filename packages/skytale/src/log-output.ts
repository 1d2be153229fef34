/** Lines for a log that may be full, stuck or gone: the program goes on, and ends, all the same. */
import { write } from 'node:fs';

/** Hands bytes to the system; calls back when it has taken them, or with what it said. */
export type Send = (bytes: Buffer, done: (error?: Error | null) => void) => void;

/**
 * Writes lines one batch after the other. What finds no room, in the memory here or at the other end, is lost and counted, and the
 * count is the first line that is written again.
 */
export class LogOutput {
  readonly #send: Send;
  readonly #mostWaiting: number;
  #waiting: string[] = [];
  #waitingLength = 0;
  #writing = false;
  #lost = 0;
  #onIdle: () => void = () => {};

  /** @param mostWaiting UTF-16 units that may wait to be written */
  constructor(send: Send, mostWaiting: number) {
    this.#send = send;
    this.#mostWaiting = mostWaiting;
  }

  /** @param line with its end */
  write(line: string): void {
    if (this.#waitingLength + line.length > this.#mostWaiting) {
      this.#lost += 1;
      return;
    }
    this.#waiting.push(line);
    this.#waitingLength += line.length;
    if (!this.#writing) this.#next();
  }

  /** Resolves when nothing waits any more, to true; or to false after so many milliseconds. */
  async flush(ms: number): Promise<boolean> {
    if (!this.#writing) return true;
    const idle = Promise.withResolvers<boolean>();
    this.#onIdle = () => idle.resolve(true);
    const timer = setTimeout(() => idle.resolve(false), ms);
    try {
      return await idle.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  #next(): void {
    const lines = this.#waiting;
    const told = this.#lost;
    const note = told > 0 ? [lostLine(told)] : [];
    this.#waiting = [];
    this.#waitingLength = 0;
    this.#writing = true;
    this.#send(Buffer.from([...note, ...lines].join('')), (error) => {
      this.#lost += error ? lines.length : -told;
      this.#writing = false;
      if (this.#waiting.length > 0) this.#next();
      else this.#onIdle();
    });
  }
}

/** As pino writes a warning. */
const lostLine = (count: number): string =>
  `${JSON.stringify({ level: 40, time: Date.now(), lines: count, msg: 'lines of this log were lost' })}\n`;

/** Sends to a file, which never makes anybody wait for long. */
export function toFile(descriptor: number): Send {
  return (bytes, done) => {
    const from = (at: number): void =>
      write(descriptor, bytes, at, bytes.length - at, null, (error, written) => {
        if (error !== null || at + written >= bytes.length) done(error);
        else from(at + written);
      });
    from(0);
  };
}
