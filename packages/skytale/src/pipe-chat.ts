/** The chat client in a pipe: a line in is a message out, a message in is a line out. */
import type { ChatClient, ChatMessage, ConnectionState } from '@skytale/chat';
import { CommandError } from './command-error.ts';
import { readLines } from './lines.ts';
import { displayName, displayText, escapeJson, escapeLine } from './safe-text.ts';
import { type EndSignal, exitCodeOf, onEndSignal } from './signals.ts';
import { note, whenReaderLeaves, writeOut } from './stdio.ts';

export type PipeChatOptions = {
  readonly client: ChatClient;
  readonly format: 'text' | 'json';
  /** Stay when standard input has ended. */
  readonly follow: boolean;
  /** How long the server may be away, in seconds. */
  readonly timeout: number;
  /** Longest text of a message, in bytes of UTF-8. */
  readonly longest: number;
};

/** Messages given to the client and not yet safe in its outbox. */
const mostOnTheWay = 128;

export async function pipeChat(options: PipeChatOptions): Promise<number> {
  const { client } = options;
  const end = Promise.withResolvers<number>();
  const caughtUp = Promise.withResolvers<void>();
  const printer = new Printer(client, options.format);
  const patience = new Patience(options.timeout, end.reject);
  client
    .on('message', (message) => printer.add(message).catch(end.reject))
    .on('caughtUp', () => caughtUp.resolve())
    .on('state', (state) => patience.stateChanged(state))
    .on('ack', () => patience.acknowledged(client.unacknowledged))
    .on('warning', ({ code, text }) => {
      note(`Warning: ${displayText(text)}`);
      if (code === 'REFUSED') patience.refused();
    })
    .on('fatal', (error) => end.reject(error));
  whenReaderLeaves(() => end.resolve(0));
  const stopListening = onEndSignal((signal: EndSignal) => end.resolve(exitCodeOf(signal)));
  try {
    client.start();
    const work = async () => {
      await sendAll(client, options.longest);
      await client.flush();
      // What was said before one came, even where there was nothing to send.
      await caughtUp.promise;
      await printer.idle();
      if (!options.follow) end.resolve(0);
    };
    work().catch(end.reject);
    return await end.promise;
  } finally {
    stopListening();
    patience.stop();
    process.stdin.destroy();
  }
}

/** Sends standard input, no faster than the client's outbox takes it. */
async function sendAll(client: ChatClient, longest: number): Promise<void> {
  const onTheWay = new Set<Promise<unknown>>();
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  for await (const line of readLines(process.stdin, longest)) {
    const sending: Promise<unknown> = client.send(line).then(
      () => onTheWay.delete(sending),
      (error: unknown) => failed.reject(error),
    );
    onTheWay.add(sending);
    if (onTheWay.size >= mostOnTheWay) await Promise.race([failed.promise, ...onTheWay]);
  }
  await Promise.race([failed.promise, Promise.all(onTheWay)]);
}

/** Prints messages, many in one write, and confirms them when they are written. */
class Printer {
  readonly #client: ChatClient;
  readonly #format: 'text' | 'json';
  #waiting = '';
  #lastSeq = 0;
  #writing: Promise<void> | undefined;
  #again = false;

  constructor(client: ChatClient, format: 'text' | 'json') {
    this.#client = client;
    this.#format = format;
  }

  /** The client hands over no more than it has confirmed, by a margin; that bounds what waits here. */
  add(message: ChatMessage): Promise<void> {
    if (!message.own) this.#waiting += this.#lineOf(message);
    if (message.again && !this.#again) {
      this.#again = true;
      note(`The last run ended while it printed: message ${message.seq} and the next may be there already.`);
    }
    this.#lastSeq = message.seq;
    this.#writing ??= this.#write();
    return this.#writing;
  }

  /** Resolves when everything is written. */
  async idle(): Promise<void> {
    await this.#writing;
  }

  #lineOf({ seq, from, text, at }: ChatMessage): string {
    return this.#format === 'text'
      ? `${escapeLine(text)}\n`
      : `${escapeJson({ seq, from: displayName(from), text, at: at.toISOString() })}\n`;
  }

  async #write(): Promise<void> {
    // What else comes in this turn goes into the same write.
    await new Promise(setImmediate);
    while (this.#lastSeq > 0) {
      const [lines, seq] = [this.#waiting, this.#lastSeq];
      this.#waiting = '';
      this.#lastSeq = 0;
      if (lines !== '') await writeOut(lines);
      this.#client.confirm(seq);
    }
    this.#writing = undefined;
  }
}

/** Says when the server goes and comes, and gives up on one that stays away, or stores nothing, for too long. */
class Patience {
  readonly #milliseconds: number;
  readonly #giveUp: (reason: CommandError) => void;
  #timer: NodeJS.Timeout | undefined;
  #saidSo = false;
  /** What to say at the end; before the first connection, why there is none. */
  #lastWords = 'The server does not answer.';
  #wasOnline = false;
  #refuses = false;

  constructor(seconds: number, giveUp: (reason: CommandError) => void) {
    this.#milliseconds = seconds * 1000;
    this.#giveUp = giveUp;
    this.#wait();
  }

  stateChanged(state: ConnectionState): void {
    if (state.phase === 'online') {
      this.stop();
      this.#wasOnline = true;
      this.#lastWords = 'Server hung up.';
      if (this.#saidSo) note('Connected again.');
      this.#saidSo = false;
    } else if (state.phase === 'offline') {
      this.#wait();
      const reason = displayText(state.reason.message);
      if (!this.#wasOnline) this.#lastWords = reason;
      if (!this.#saidSo) note(`${reason} Trying again …`);
      this.#saidSo = true;
    }
  }

  /** The server is there but stores nothing, for want of space. */
  refused(): void {
    this.#refuses = true;
    this.#lastWords = 'The server stores no more. The rest is kept here, and sent the next time.';
    this.#wait();
  }

  /** @param left messages that are not acknowledged */
  acknowledged(left: number): void {
    if (!this.#refuses) return;
    this.stop();
    this.#refuses = left > 0;
    if (this.#refuses) this.#wait();
  }

  #wait(): void {
    this.#timer ??= setTimeout(() => this.#giveUp(new CommandError(this.#lastWords)), this.#milliseconds);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
