/** Sends the lines of standard input, and loses none: what cannot be sent goes into a file. */
import type { Readable } from 'node:stream';
import { type ChatError, harmless, type SentMessage } from '@skytale/chat';
import { type Line, LineReader } from '../line-reader.ts';
import type { UnsentFile } from './unsent-file.ts';

/** A line, or a draft of an earlier run, that was set aside. */
export type Reason = {
  readonly line: number | undefined;
  readonly code: ChatError['code'] | 'NOT_UTF_8';
  /** A sentence that names it and says why. */
  readonly text: string;
};

export type LineSenderOptions = {
  readonly send: (text: string) => Promise<SentMessage>;
  readonly input: Readable;
  /** Bytes of UTF-8 in one message. */
  readonly longest: number;
  readonly unsent: UnsentFile;
  readonly onSetAside: (reason: Reason) => void;
  /** Resolves when there is room for what sending brings about. */
  readonly whenReady: () => Promise<void>;
};

/** Lines given to the client and not yet safe in its outbox. */
const MOST_ON_THE_WAY = 128;
const FIRST_WORDS = 40;

export class LineSender {
  readonly #options: LineSenderOptions;
  readonly #reader: LineReader;
  readonly #onTheWay = new Set<Promise<unknown>>();
  readonly #failed = Promise.withResolvers<never>();
  /** Read, and not safe with the client when it ended. */
  readonly #left: { readonly number: number; readonly text: string }[] = [];
  /** Should be in the file, which could not be written. */
  readonly #homeless: Uint8Array[] = [];
  /** Why, the first time. */
  #why: unknown;
  /** Lines by the number that the client gave them; no more than its outbox holds. */
  readonly #lines = new Map<number, number>();

  constructor(options: LineSenderOptions) {
    this.#options = options;
    const { input, longest, unsent } = options;
    // The stream outlives it: what stands in its buffer was read too.
    const chunks = input.iterator({ destroyOnReturn: false });
    this.#reader = new LineReader(chunks, longest, (bytes) =>
      this.#putAside(bytes, () => unsent.write(bytes)),
    );
    this.#failed.promise.catch(() => {});
  }

  /**
   * Sends all of it, no faster than the client's outbox takes it.
   * @returns when every line is durable with the client, or in the file
   */
  async sendAll(): Promise<void> {
    const { whenReady } = this.#options;
    const failed = this.#failed.promise;
    for await (const line of this.#reader) {
      if ('text' in line) this.#send(line.number, line.text);
      else this.#refuse(line);
      await Promise.race([failed, whenReady()]);
      if (this.#onTheWay.size >= MOST_ON_THE_WAY) await Promise.race([failed, ...this.#onTheWay]);
    }
    this.#options.unsent.endLine();
    await Promise.race([failed, Promise.all(this.#onTheWay)]);
  }

  /** The line that became message `n`; it is forgotten. */
  takeLine(n: number): number | undefined {
    const line = this.#lines.get(n);
    this.#lines.delete(n);
    return line;
  }

  /**
   * To be called when the client has closed: puts into the file what was read and is not safe with the client.
   * @returns how many lines that are; and what should be in the file and is not, or not all of it, because it could not be written
   */
  async putLeftAside(): Promise<{ lines: number; homeless: Uint8Array; why: unknown }> {
    const { input, unsent } = this.#options;
    await Promise.all(this.#onTheWay);
    this.#left.sort((a, b) => a.number - b.number);
    const texts = this.#left.map(({ text }) => Buffer.from(`${text}\n`));
    const ahead = input.readableEnded ? null : (input.read() as Uint8Array | null);
    // Before it reads more.
    input.destroy();
    const rest = Buffer.concat([this.#reader.takeRest(), ahead ?? new Uint8Array(0)]);
    const bytes = Buffer.concat([...texts, rest]);
    try {
      this.#putAside(bytes, () => {
        unsent.endLine();
        unsent.write(bytes);
        unsent.endLine();
        unsent.sync();
      });
    } catch {
      // It is told below.
    }
    return {
      lines: this.#left.length + linesIn(rest),
      homeless: Buffer.concat(this.#homeless),
      why: this.#why,
    };
  }

  /** @throws {Error} of the file system; then nothing of it is lost */
  #putAside(bytes: Uint8Array, write: () => void): void {
    try {
      write();
    } catch (error) {
      this.#why ??= error;
      const waiting = this.#options.unsent.takeWaiting();
      this.#homeless.push(...waiting.map((text) => Buffer.from(`${text}\n`)), Uint8Array.from(bytes));
      throw error;
    }
  }

  #send(number: number, text: string): void {
    const sending: Promise<unknown> = this.#sendOne(number, text)
      .catch(this.#failed.reject)
      .finally(() => this.#onTheWay.delete(sending));
    this.#onTheWay.add(sending);
  }

  async #sendOne(number: number, text: string): Promise<void> {
    try {
      const { n } = await this.#options.send(text);
      this.#lines.set(n, number);
    } catch (error) {
      const { code, message } = error as ChatError;
      if (code !== 'CHAT_TEXT_TOO_LONG' && code !== 'CHAT_TEXT_MALFORMED') {
        this.#left.push({ number, text });
        throw error;
      }
      this.#putAside(Buffer.from(`${text}\n`), () => this.#options.unsent.writeLine(text));
      this.#report(number, code, message, text);
    }
  }

  #refuse({ number, problem, start }: Extract<Line, { problem: string }>): void {
    const text = new TextDecoder().decode(start);
    if (problem === 'not UTF-8') {
      this.#report(number, 'NOT_UTF_8', 'It is not UTF-8; iconv converts it.', text);
      return;
    }
    const why = `It is longer than ${this.#options.longest} bytes, the most that fits in a message.`;
    this.#report(number, 'CHAT_TEXT_TOO_LONG', why, text);
  }

  #report(line: number, code: Reason['code'], why: string, text: string): void {
    const which = `Line ${line} of standard input (${firstWords(text)})`;
    this.#options.onSetAside({ line, code, text: `${which} was not sent. ${why}` });
  }
}

/** Enough of a text to know which it is, harmless. */
export function firstWords(text: string): string {
  const line = harmless(text.trim()).replace(/\s+/gu, ' ');
  return `“${line.length > FIRST_WORDS ? `${line.slice(0, FIRST_WORDS).toWellFormed()}…` : line}”`;
}

function linesIn(bytes: Uint8Array): number {
  if (bytes.length === 0) return 0;
  return bytes.reduce((count, byte) => count + (byte === 10 ? 1 : 0), bytes.at(-1) === 10 ? 0 : 1);
}
