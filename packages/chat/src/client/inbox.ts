import { copyOf } from '../bytes.ts';
import type { Clock } from '../clock.ts';
import { PUBLIC_KEY_BYTES } from '../crypto.ts';
import { MessageError } from '../encryption/message-error.ts';
import type { OpenedMessage, RoomCipher } from '../encryption/room-cipher.ts';
import { ChatError, cryptoFailure } from './chat-error.ts';
import type { ServerFrame } from './connection.ts';
import type { Turns } from './turns.ts';

/** Of frames that wait for their turn; beyond it the connection is not read. Their bytes are all that they hold in memory. */
const MAX_QUEUED = 512;
const MAX_QUEUED_BYTES = 4 * 1024 * 1024;
/** What is read before it is stored and told, at most. */
const MAX_TURN = 256;

export type InboxFrame = Extract<
  ServerFrame,
  { type: 'deliver' | 'ack' | 'damaged' | 'live' | 'presence' | 'present' | 'count' }
>;

/** What `RoomCipher.open` gave for a delivery. */
export type Outcome = OpenedMessage | MessageError;

/** Takes frames in the order of arrival. */
export interface InboxReader {
  /** Whether no more can be read for now. */
  readonly blocked: boolean;
  /** Whether a message was opened and accepted before: it is not opened again. */
  isKnown(delivery: Extract<InboxFrame, { type: 'deliver' }>): boolean;
  /** @returns false if the connection was given up: what came behind is not read */
  read(frame: InboxFrame, outcome: Outcome | undefined): Promise<boolean>;
  /** Called then, with the frame and what came behind it. */
  leave(unread: readonly InboxFrame[]): Promise<void>;
  /** Called when all that was ready has been read. */
  finish(): Promise<void>;
}

export type InboxOptions = {
  readonly clock: Clock;
  readonly cipher: RoomCipher;
  /** Of the cipher: nothing is sealed while something is opened. */
  readonly turns: Turns;
  readonly reader: InboxReader;
  /** Reading from the connection should stop, or may go on. */
  readonly onPressure: (high: boolean) => void;
  readonly onFatal: (reason: ChatError) => void;
};

/**
 * Frames between connection and reader.
 *
 * 1. They MUST be opened and read one after the other, in the order in which they came.
 * 2. After `drop`, nothing that was taken before MUST be begun. What is being read is read to its end.
 * 3. What is ready at once is one turn: it is stored together, up to `MAX_TURN` frames.
 */
export class Inbox {
  readonly #options: InboxOptions;
  #queue: InboxFrame[] = [];
  #queuedBytes = 0;
  #scheduled: Disposable | undefined;
  #draining: Promise<void> | undefined;
  #ended = false;

  constructor(options: InboxOptions) {
    this.#options = options;
  }

  take(frame: InboxFrame): void {
    if (this.#ended) return;
    this.#queue.push(detached(frame));
    this.#queuedBytes += bytesOf(frame);
    this.schedule();
    if (this.#queue.length > MAX_QUEUED || this.#queuedBytes > MAX_QUEUED_BYTES)
      this.#options.onPressure(true);
  }

  /** Forgets what came and was not yet read; after another JOIN it comes again. */
  drop(): void {
    this.#queue = [];
    this.#queuedBytes = 0;
  }

  /** Reads what waits, if it can be read now. */
  schedule(): void {
    if (this.#draining !== undefined || !this.#isReady) return;
    this.#scheduled ??= this.#options.clock.soon(() => this.#begin());
  }

  /** Resolves when all that can be read has been read, and has had its effect. */
  async settled(): Promise<void> {
    do {
      if (this.#draining === undefined && this.#isReady) this.#begin();
      await this.#draining;
    } while (this.#isReady);
  }

  /** Resolves when nothing is read any more. */
  async end(): Promise<void> {
    this.#ended = true;
    this.drop();
    this.#scheduled?.[Symbol.dispose]();
    await this.#draining;
  }

  get #isReady(): boolean {
    return !this.#ended && this.#queue.length > 0 && !this.#options.reader.blocked;
  }

  #begin(): void {
    this.#scheduled?.[Symbol.dispose]();
    this.#scheduled = undefined;
    if (this.#draining !== undefined) return;
    this.#draining = this.#drain().finally(() => {
      this.#draining = undefined;
      this.schedule();
    });
  }

  async #drain(): Promise<void> {
    const { reader, onPressure, onFatal } = this.#options;
    try {
      await this.#readTurn();
    } catch (error) {
      onFatal(error instanceof ChatError ? error : cryptoFailure(error));
    }
    try {
      await reader.finish();
    } catch (error) {
      onFatal(error instanceof ChatError ? error : cryptoFailure(error));
    }
    if (2 * this.#queue.length <= MAX_QUEUED && 2 * this.#queuedBytes <= MAX_QUEUED_BYTES) onPressure(false);
  }

  async #readTurn(): Promise<void> {
    const { reader, turns } = this.#options;
    // Another connection has another queue.
    const queue = this.#queue;
    for (let count = 0; count < MAX_TURN && queue === this.#queue; count += 1) {
      const frame = reader.blocked ? undefined : queue.shift();
      if (frame === undefined) return;
      this.#queuedBytes -= bytesOf(frame);
      const goesOn = await turns.run(async () => await reader.read(frame, await this.#open(frame)));
      if (goesOn) continue;
      await reader.leave([frame, ...queue]);
      if (queue === this.#queue) this.drop();
    }
  }

  /** @throws what the crypto device throws */
  async #open(frame: InboxFrame): Promise<Outcome | undefined> {
    if (frame.type !== 'deliver' || this.#options.reader.isKnown(frame)) return undefined;
    try {
      return await this.#options.cipher.open(frame.member, frame.n, frame.envelope);
    } catch (error) {
      if (error instanceof MessageError) return error;
      throw error;
    }
  }
}

/** The frame in memory of its own. Its fields are views of what came from the network together with it, which may be much more. */
function detached(frame: InboxFrame): InboxFrame {
  switch (frame.type) {
    case 'deliver':
      return { ...frame, member: copyOf(frame.member), envelope: copyOf(frame.envelope) };
    case 'ack':
      return frame.hash === undefined ? frame : { ...frame, hash: copyOf(frame.hash) };
    case 'presence':
      return { ...frame, member: copyOf(frame.member) };
    case 'present':
      return { ...frame, members: frame.members.map(copyOf) };
    case 'damaged':
    case 'live':
    case 'count':
      return frame;
  }
}

/** What of a frame there may be much. */
function bytesOf(frame: InboxFrame): number {
  switch (frame.type) {
    case 'deliver':
      return frame.envelope.length;
    case 'present':
      return frame.members.length * PUBLIC_KEY_BYTES;
    default:
      return 0;
  }
}
