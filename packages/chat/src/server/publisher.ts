import { encodeFrame, maxEnvelope } from '../protocol/frames.ts';
import { ProtocolError } from '../protocol/protocol-error.ts';
import type { Client, ClientHost } from './client.ts';
import { deliverBytes } from './message-batch.ts';
import type { Room } from './room.ts';

/** What a member publishes on one connection: takes each message once, in the order of its numbers. */
export class Publisher {
  readonly #client: Client;
  readonly #room: Room;
  readonly #host: ClientHost;
  /** Largest n that was accepted, and that is stored. */
  #acceptedN: number;
  #storedN: number;
  /** STORAGE_FULL was said: what was under way then is dropped until the client begins again. */
  #refused = false;

  /** @param lastN the largest n that is stored of this member */
  constructor(client: Client, room: Room, host: ClientHost, lastN: number) {
    this.#client = client;
    this.#room = room;
    this.#host = host;
    this.#acceptedN = lastN;
    this.#storedN = lastN;
  }

  /** @throws {ProtocolError} FRAME_TOO_LARGE, GAP */
  publish(n: number, envelope: Uint8Array): void {
    const longest = maxEnvelope(this.#host.settings.maxFrameBytes);
    if (envelope.length > longest) {
      throw new ProtocolError(
        'FRAME_TOO_LARGE',
        `An envelope of ${envelope.length} bytes is too large: ${longest} are allowed.`,
      );
    }
    if (n <= this.#acceptedN) {
      this.#repeated(n);
    } else if (n === this.#acceptedN + 1) {
      this.#accept(n, envelope);
    } else if (!this.#refused) {
      throw new ProtocolError('GAP', `Message ${n} came where ${this.#acceptedN + 1} was expected.`);
    }
  }

  /** Message `n`, and all before it, are stored. */
  stored(n: number): void {
    this.#storedN = n;
  }

  /** What is not stored will not be, for want of space; the client is told once. */
  refuse(text: string): void {
    this.#acceptedN = this.#storedN;
    if (!this.#refused) this.#client.sendError('STORAGE_FULL', text);
    this.#refused = true;
  }

  #accept(n: number, envelope: Uint8Array): void {
    const { settings, committer } = this.#host;
    const room = this.#room;
    this.#refused = false;
    const size = room.bytes + room.pendingBytes + deliverBytes(envelope);
    if (settings.maxRoomBytes > 0 && size > settings.maxRoomBytes) {
      this.refuse(`This room has reached its limit of ${settings.maxRoomBytes} bytes.`);
      return;
    }
    this.#acceptedN = n;
    committer.accept(room, { sender: this.#client, n, envelope });
  }

  /** Says "had it" to a repetition, but not before the first one is stored. */
  #repeated(n: number): void {
    const answer = () => {
      if (n <= this.#storedN) this.#client.writer.send(encodeFrame({ type: 'ack', n, seq: 0, time: 0 }));
    };
    if (n <= this.#storedN) answer();
    else void this.#host.committer.settled().then(answer);
  }
}
