import { EventEmitter } from 'node:events';
import type { CryptoDevice } from '@skytale/cryptodev';
import type { RoomKeys } from '../encryption/key-schedule.ts';
import type { ServerAddress } from '../encryption/server-address.ts';
import type { ChatClientEvents, ConnectionState, MemberId, Presence } from './client-events.ts';

export type ChatClientOptions = {
  readonly server: ServerAddress;
  /** Of the invite, by `openInvite`. The client takes them over and wipes them at `close`. */
  readonly keys: RoomKeys;
  /** What others see; 1 to 64 bytes of UTF-8 without control characters. */
  readonly name: string;
  /** Does the encryption. It remains the caller's, and outlives the client. */
  readonly device: CryptoDevice;
  /** Root of the state on disk, created if need be; `defaultStateDirectory()` says the usual one. */
  readonly stateDirectory: string;
  /**
   * Hands over what comes after this sequence number, 0 being all that the server has, also what was handed over in an
   * earlier run. Unless told, what comes after the last message that was confirmed (all, for a new member).
   */
  readonly since?: number;
  /**
   * Unless false, a message counts as confirmed when the listeners have returned. With false the user of the
   * client calls `confirm`.
   */
  readonly autoConfirm?: boolean;
  /** Of TLS servers: certificates of authorities to trust, PEM, besides the system's. */
  readonly ca?: string;
  /** For tests: limits and times other than the usual. */
  readonly tuning?: Partial<ClientTuning>;
};

/** Times in milliseconds. */
export type ClientTuning = {
  /** Longest wait for a connection and for the answer to JOIN. */
  readonly connectTimeout: number;
  /** Silence after which a PING is sent; as much again without any answer, and the connection is given up. */
  readonly idleTimeout: number;
  /** Longest wait for an acknowledgement while something waits for one. */
  readonly acknowledgeTimeout: number;
  /** The wait before the first attempt to reconnect; it doubles from one to the next. */
  readonly retryFirst: number;
  readonly retryLongest: number;
  /** Between 0 and 1, for the spread of the waits. */
  readonly random: () => number;
  /** By what messages are dated. */
  readonly now: () => number;
};

export type SentMessage = {
  /** One's own numbering, 1, 2, 3 …, that goes on over restarts; `ack` names it. */
  readonly n: number;
};

/**
 * One member's place in one room: keeps a connection, an identity and an outbox, seals and opens.
 *
 *     const client = await ChatClient.open({ server, keys, name, device, stateDirectory });
 *     client.on('message', (message) => …);
 *     client.start();
 *     await client.send('hello');
 *     await client.flush();
 *     await client.close();
 *
 * Messages are never lost: what `send` has taken is on disk before it resolves, and is sent again, in order, after
 * any crash, until the server has it; what is received is fetched again until it is confirmed.
 */
export class ChatClient extends EventEmitter<ChatClientEvents> implements AsyncDisposable {
  /**
   * Opens the state on disk: the first slot of this room and name that no other process uses, those with unsent
   * messages first. Does not connect.
   * @throws {ChatError} CHAT_NAME_INVALID, CHAT_STATE_…
   */
  static open(_options: ChatClientOptions): Promise<ChatClient> {
    throw new Error('under construction');
  }

  /** One's own id. */
  readonly member: MemberId = '';
  readonly name: string = '';
  /** The directory entry that holds this client's state, for messages to the user. */
  readonly statePath: string = '';

  get state(): ConnectionState {
    throw new Error('under construction');
  }

  /** Who is in the room now, by what the server says; without oneself. */
  get present(): Presence[] {
    throw new Error('under construction');
  }

  /** Messages that the server has not acknowledged, those of earlier runs included. */
  get unacknowledged(): number {
    throw new Error('under construction');
  }

  /** Connects, and keeps connected until `close`. Call it after the listeners are in place. */
  start(): void {
    throw new Error('under construction');
  }

  /**
   * Puts a message into the outbox. Calls need not wait for each other; the order of the calls is kept.
   * @param text at most `MAX_TEXT_BYTES` bytes of UTF-8; may be empty
   * @returns when the message is durable in the outbox, whether or not there is a connection. While the outbox is full
   *   (1,024 messages or 4 MiB) it waits: this is the back-pressure on whoever writes faster than the server stores.
   * @throws {ChatError} CHAT_TEXT_TOO_LONG, CHAT_TEXT_MALFORMED, CHAT_CLOSED, CHAT_STATE_UNUSABLE, CHAT_CRYPTO_FAILED,
   *   or the error of `fatal`
   */
  send(_text: string): Promise<SentMessage> {
    throw new Error('under construction');
  }

  /**
   * Resolves when all that was given to `send` before this call is acknowledged.
   * @throws {ChatError} CHAT_CLOSED, or the error of `fatal`
   */
  flush(): Promise<void> {
    throw new Error('under construction');
  }

  /**
   * With `autoConfirm: false`: says that all messages up to `seq` were shown. Call it at once after they were written
   * out, best once for all of a turn. It is on disk when the call returns.
   *
   * What was handed over and not confirmed when a process ends, is handed over again to the next one, with
   * `again` set: so nothing is lost; and if the process was killed between writing out and confirming, `again`
   * tells which messages may have been shown. At most 1,024 messages are handed over unconfirmed.
   */
  confirm(_seq: number): void {
    throw new Error('under construction');
  }

  /**
   * Sixty digits, in groups of five, to compare with `member` over another channel: equal numbers prove that the two
   * of you hold each other's true keys. `undefined` for something that is not a member id.
   */
  safetyNumber(_member: MemberId): string | undefined {
    throw new Error('under construction');
  }

  /** Members of whom a message was verified, with the name of the last one. */
  get knownMembers(): ReadonlyMap<MemberId, string> {
    throw new Error('under construction');
  }

  /** Hangs up, closes the state and wipes the keys. What is in the outbox stays there for the next run. */
  close(): Promise<void> {
    throw new Error('under construction');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
