import { MessageError } from '../encryption/message-error.ts';
import type { OpenedMessage, RoomCipher } from '../encryption/room-cipher.ts';
import type { Delivery } from '../encryption/transcript.ts';
import { ChatError } from './chat-error.ts';
import type { ServerFrame } from './connection.ts';

/** Of frames that are being opened or wait for their turn; beyond it the connection is not read. */
const MAX_QUEUED = 256;
const MAX_QUEUED_BYTES = 4 * 1024 * 1024;

export type InboxFrame = Extract<ServerFrame, { type: 'deliver' | 'ack' | 'live' | 'presence' | 'present' }>;

/** What `RoomCipher.open` gave for a delivery. */
export type Outcome = OpenedMessage | MessageError;

/** Takes frames in the order of arrival. */
export interface InboxReader {
  /** Whether no more can be read for now. */
  readonly blocked: boolean;
  /** @returns false if the connection was given up: what came behind is not read */
  read(frame: InboxFrame, outcome: Outcome | undefined): Promise<boolean>;
  /** Called then, with the frame and what came behind it. */
  leave(unread: readonly InboxFrame[]): Promise<void>;
  /** Called when all that was ready has been read. */
  finish(): void;
}

export type InboxOptions = {
  readonly cipher: RoomCipher;
  readonly reader: InboxReader;
  /** Reading from the connection should stop, or may go on. */
  readonly onPressure: (high: boolean) => void;
  readonly onFatal: (reason: ChatError) => void;
};

type Item = { readonly frame: InboxFrame; readonly bytes: number; outcome: Outcome | undefined };

/** Frames between connection and reader: messages are opened several at a time, and read strictly in order. */
export class Inbox {
  readonly #options: InboxOptions;
  #queue: Item[] = [];
  #queuedBytes = 0;
  #scheduled: NodeJS.Immediate | undefined;
  #draining: Promise<void> | undefined;
  /** Something became ready meanwhile. */
  #again = false;
  #ended = false;

  constructor(options: InboxOptions) {
    this.#options = options;
  }

  take(frame: InboxFrame): void {
    if (this.#ended) return;
    const bytes = frame.type === 'deliver' ? frame.envelope.length : 0;
    const item: Item = { frame, bytes, outcome: undefined };
    this.#queue.push(item);
    this.#queuedBytes += bytes;
    if (frame.type === 'deliver') void this.#open(frame, item);
    else this.schedule();
    if (this.#queue.length > MAX_QUEUED || this.#queuedBytes > MAX_QUEUED_BYTES)
      this.#options.onPressure(true);
  }

  /** Forgets what came and was not yet read; after another JOIN it comes again. */
  drop(): void {
    this.#queue = [];
    this.#queuedBytes = 0;
  }

  /** What becomes ready in one turn is read, handed over and written at once. */
  schedule(): void {
    if (this.#ended) return;
    if (this.#draining !== undefined) {
      this.#again = true;
      return;
    }
    this.#scheduled ??= setImmediate(() => {
      this.#scheduled = undefined;
      this.#draining = this.#drain().finally(() => {
        this.#draining = undefined;
        if (!this.#again) return;
        this.#again = false;
        this.schedule();
      });
    });
  }

  /** Resolves when nothing is being read: what `drop` did not forget has had its effect. */
  async settled(): Promise<void> {
    await this.#draining;
  }

  /** Resolves when nothing is read any more. */
  async end(): Promise<void> {
    this.#ended = true;
    this.drop();
    clearImmediate(this.#scheduled);
    await this.settled();
  }

  async #open({ member, n, envelope }: Delivery, item: Item): Promise<void> {
    try {
      item.outcome = await this.#options.cipher.open(member, n, envelope);
    } catch (error) {
      if (error instanceof MessageError) item.outcome = error;
      else if (!this.#ended) this.#options.onFatal(deviceFailure(error));
    }
    if (this.#queue[0] === item) this.schedule();
  }

  async #drain(): Promise<void> {
    try {
      await this.#readAll();
    } catch (error) {
      if (!(error instanceof ChatError)) throw error;
      this.#options.onFatal(error);
    }
  }

  async #readAll(): Promise<void> {
    const { reader } = this.#options;
    // Another connection has another queue.
    const queue = this.#queue;
    try {
      for (let item = queue[0]; item !== undefined && queue === this.#queue; item = queue[0]) {
        if (reader.blocked || (item.frame.type === 'deliver' && item.outcome === undefined)) break;
        queue.shift();
        this.#queuedBytes -= item.bytes;
        if (await reader.read(item.frame, item.outcome)) continue;
        await reader.leave([item, ...queue].map(({ frame }) => frame));
        if (queue === this.#queue) this.drop();
      }
    } finally {
      reader.finish();
    }
    if (2 * this.#queue.length <= MAX_QUEUED && 2 * this.#queuedBytes <= MAX_QUEUED_BYTES) {
      this.#options.onPressure(false);
    }
  }
}

function deviceFailure(error: unknown): ChatError {
  const reason = error instanceof Error ? error.message : String(error);
  return new ChatError('CHAT_CRYPTO_FAILED', `The crypto device failed: ${reason}.`, { cause: error });
}
