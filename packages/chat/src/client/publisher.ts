import type { Clock } from '../clock.ts';
import { type Frame, maxEnvelope } from '../protocol/frames.ts';
import { ChatError } from './chat-error.ts';
import type { ClientTuning } from './client-tuning.ts';
import type { Connection } from './connection.ts';
import type { Outbox } from './outbox.ts';

/** Of what is sent and not acknowledged. */
const WINDOW_MESSAGES = 256;
const WINDOW_BYTES = 1024 * 1024;

/** Of times in which other messages come, which may stand before one's own, and no acknowledgement. */
const MAX_WAITS = 10;

export type PublisherOptions = {
  readonly clock: Clock;
  readonly tuning: ClientTuning;
  readonly outbox: Outbox;
};

/**
 * Carries the outbox to the server, on one connection after the other.
 *
 * 1. Messages MUST be sent in the order of their numbers, from the one after the server's last, and each once on a connection, unless
 *    the server says that it has dropped it.
 * 2. No more than the window MUST be under way.
 * 3. Where something is under way and nothing is heard, the connection MUST be given up.
 */
export class Publisher {
  readonly #options: PublisherOptions;
  #connection: Connection | undefined;
  /** The last message that was sent on this connection, or that the server had before; and what it had, as it said. */
  #sent = 0;
  #had = 0;
  #published: number;
  #heard = false;
  /** How often only other messages were heard since the last acknowledgement. */
  #waits = 0;
  #held = false;
  #acknowledgeTimer: Disposable | undefined;
  #refusedTimer: Disposable | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
    // An earlier process may have sent all that is in the outbox.
    this.#published = options.outbox.lastN;
  }

  /** The last message of one's own that was ever sent. */
  get published(): number {
    return this.#published;
  }

  /** A connection has joined, to a server that has messages up to `lastN`. */
  begin(connection: Connection, lastN: number): void {
    this.end();
    this.#connection = connection;
    this.#sent = lastN;
    this.#had = lastN;
    this.#held = false;
    this.#waits = 0;
    this.publish();
  }

  /** Sends what the window has room for. Costs as much as there is under way, at most the window. */
  publish(): void {
    const { outbox } = this.#options;
    if (this.#connection === undefined || this.#refusedTimer !== undefined) return;
    const most = maxEnvelope(this.#connection.maxFrame);
    const frames: Frame[] = [];
    let bytes = this.#bytesUnderWay();
    // What was found to stand there otherwise needs no sending.
    this.#sent = Math.max(this.#sent, outbox.settled);
    while (this.#sent - Math.max(outbox.settled, this.#had) < WINDOW_MESSAGES && bytes < WINDOW_BYTES) {
      const n = this.#sent + 1;
      const envelope = outbox.envelope(n);
      if (envelope === undefined || envelope.length > most) break;
      frames.push({ type: 'publish', n, envelope });
      bytes += envelope.length;
      this.#sent = n;
    }
    if (frames.length === 0) return;
    this.#published = Math.max(this.#published, this.#sent);
    this.#connection.send(frames);
    this.#awaitProgress();
  }

  /** The server has told something: an acknowledgement, or what stands before it in the room. */
  heard(acknowledgement: boolean): void {
    this.#heard = true;
    if (acknowledgement) this.#waits = 0;
  }

  /** Whether it is one's own choice that nothing is heard. */
  hold(held: boolean): void {
    this.#held = held;
  }

  /** The server stores nothing for now, and drops what is under way: it is all sent again later. @returns whether that is news */
  refused(): boolean {
    if (this.#refusedTimer !== undefined) return false;
    const { clock, tuning, outbox } = this.#options;
    this.#refusedTimer = clock.after(tuning.refusedPause, () => {
      this.#refusedTimer = undefined;
      this.#sent = Math.max(outbox.settled, this.#had);
      this.publish();
    });
    return true;
  }

  end(): void {
    this.#acknowledgeTimer?.[Symbol.dispose]();
    this.#refusedTimer?.[Symbol.dispose]();
    this.#acknowledgeTimer = undefined;
    this.#refusedTimer = undefined;
    this.#connection = undefined;
  }

  #bytesUnderWay(): number {
    const { outbox } = this.#options;
    let bytes = 0;
    const first = Math.max(outbox.settled, this.#had) + 1;
    for (let n = first; n <= this.#sent; n += 1) bytes += outbox.envelope(n)?.length ?? 0;
    return bytes;
  }

  /** Gives the connection up when messages wait for their acknowledgement and nothing comes at all. */
  #awaitProgress(): void {
    if (this.#acknowledgeTimer !== undefined) return;
    const { clock, tuning } = this.#options;
    this.#heard = false;
    this.#acknowledgeTimer = clock.after(tuning.acknowledgeTimeout, () => {
      this.#acknowledgeTimer = undefined;
      const { outbox } = this.#options;
      if (outbox.settled >= this.#sent || this.#refusedTimer !== undefined) return;
      this.#waits += this.#held ? 0 : 1;
      if ((this.#heard || this.#held) && this.#waits < MAX_WAITS) this.#awaitProgress();
      else
        this.#connection?.abandon(new ChatError('CHAT_HUNG_UP', 'The server does not acknowledge messages.'));
    });
  }
}
