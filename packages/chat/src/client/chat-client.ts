import { EventEmitter } from 'node:events';
import type { CryptoDevice } from '@skytale/cryptodev';
import { fromHex, toHex } from '../bytes.ts';
import { PUBLIC_KEY_BYTES } from '../crypto.ts';
import { genesisOf } from '../encryption/chain.ts';
import { MAX_NAME_BYTES, textBytes } from '../encryption/content.ts';
import type { RoomKeys } from '../encryption/key-schedule.ts';
import type { RoomCipher } from '../encryption/room-cipher.ts';
import { safetyNumber } from '../encryption/safety-number.ts';
import type { ServerAddress } from '../encryption/server-address.ts';
import { SharedKeyCipher } from '../encryption/shared-key-cipher.ts';
import { isVisibleName } from '../names/shown-name.ts';
import { harmless } from '../names/shown-text.ts';
import type { ClientEvent } from './announcements.ts';
import { ChatError } from './chat-error.ts';
import type { ChatClientEvents, ConnectionState, MemberId, Presence } from './client-events.ts';
import { type ClientTuning, defaultTuning } from './client-tuning.ts';
import { Inbox } from './inbox.ts';
import { Outbox } from './outbox.ts';
import { RoomReader } from './room-reader.ts';
import { openState } from './state-directory.ts';
import type { StateStore } from './state-store.ts';
import { Uplink } from './uplink.ts';

export type ChatClientOptions = {
  readonly server: ServerAddress;
  /** Of the invite, by `openInvite`. The client takes them over and wipes them at `close`. */
  readonly keys: RoomKeys;
  /** What others see; 1 to 64 bytes of UTF-8, none of them invisible (`isVisibleName`). */
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
   * Hands over so many messages once more that were read in earlier runs, the last ones before what is new, own ones
   * included; none unless told, and none with `since`. They are marked `old`.
   */
  readonly recent?: number;
  /**
   * Unless false, a message counts as confirmed when the listeners have returned. With false the user of the
   * client calls `confirm`.
   */
  readonly autoConfirm?: boolean;
  /** Of TLS servers: certificates of authorities to trust besides Node's and the machine's, PEM. */
  readonly ca?: string;
  /** For tests: limits and times other than the usual. */
  readonly tuning?: Partial<ClientTuning>;
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
 * Messages are never lost: what `send` has taken is on disk before it resolves, and is sent again, in order,
 * after any crash, until the server has it; what is received is fetched again until it is confirmed.
 */
export class ChatClient extends EventEmitter<ChatClientEvents> implements AsyncDisposable {
  /** One's own id. */
  readonly member: MemberId;
  readonly name: string;
  /** The file that holds this client's state, for messages to the user. */
  readonly statePath: string;
  readonly #keys: RoomKeys;
  readonly #store: StateStore;
  readonly #cipher: RoomCipher;
  readonly #outbox: Outbox;
  readonly #reader: RoomReader;
  readonly #inbox: Inbox;
  readonly #uplink: Uplink;
  #state: ConnectionState = { phase: 'connecting', attempt: 1 };
  #end: ChatError | undefined;
  #stopping: Promise<unknown> | undefined;
  #closing: Promise<void> | undefined;

  /**
   * Opens the state on disk: the first slot of this room and name that no other process uses, those with unsent
   * messages first. Does not connect. If it throws, the keys remain the caller's.
   * @throws {ChatError} CHAT_NAME_INVALID, CHAT_STATE_…
   */
  static async open(options: ChatClientOptions): Promise<ChatClient> {
    checkName(options.name);
    const { stateDirectory, keys, name } = options;
    const genesis = await genesisOf(keys.crypto, keys.roomId);
    const store = await openState(keys.crypto, stateDirectory, keys.roomId, name);
    try {
      return new ChatClient(options, genesis, store);
    } catch (error) {
      store[Symbol.dispose]();
      throw error;
    }
  }

  private constructor(options: ChatClientOptions, genesis: Uint8Array, store: StateStore) {
    super();
    const { server, keys, name, device, since, autoConfirm = true, recent = 0, ca } = options;
    const tuning = { ...defaultTuning, ...options.tuning };
    const { identity } = store;
    const onFatal = (reason: ChatError) => this.#fail(reason);
    this.member = identity.id;
    this.name = name;
    this.statePath = store.path;
    this.#keys = keys;
    this.#store = store;
    this.#cipher = new SharedKeyCipher(keys, identity, device);
    this.#outbox = new Outbox({
      store,
      cipher: this.#cipher,
      name,
      position: () => this.#reader.transcript.position,
      now: tuning.now,
      onStored: () => this.#uplink.publish(),
      onFailed: onFatal,
    });
    this.#reader = new RoomReader({
      crypto: keys.crypto,
      genesis,
      member: identity.key.publicKey,
      name,
      store,
      outbox: this.#outbox,
      autoConfirm,
      since,
      recent,
      emit: (event) => this.#emit(...event),
      published: () => this.#uplink.published,
      onAcknowledged: () => this.#uplink.publish(),
      onBroken: (reason) => this.#uplink.abandon(reason),
    });
    this.#inbox = new Inbox({
      cipher: this.#cipher,
      reader: this.#reader,
      onPressure: (high) => this.#uplink.hold(high),
      onFatal,
    });
    this.#uplink = new Uplink({
      server,
      ca,
      keys,
      identity,
      cipher: this.#cipher,
      tuning,
      outbox: this.#outbox,
      reader: this.#reader,
      inbox: this.#inbox,
      onState: (state) => this.#setState(state),
      onRefused: (text) =>
        this.#emit('warning', { code: 'REFUSED', text, seq: undefined, member: undefined }),
      onFatal,
    });
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Who is in the room now, by what the server says; without oneself. */
  get present(): Presence[] {
    const names = this.knownMembers;
    return Array.from(this.#reader.present)
      .filter((member) => member !== this.member)
      .map((member) => ({ member, name: names.get(member), present: true }));
  }

  /** Members of whom a message was verified, with the name of the last one. */
  get knownMembers(): ReadonlyMap<MemberId, string> {
    return new Map(Array.from(this.#reader.transcript.senders, ({ member, name }) => [toHex(member), name]));
  }

  /** Messages that the server has not acknowledged, those of earlier runs included. */
  get unacknowledged(): number {
    return this.#outbox.size;
  }

  /** The number of the last message that is durable, of earlier runs too; 0 for none. What has none was never sent. */
  get lastSent(): number {
    return this.#outbox.last;
  }

  /** Connects, and keeps connected until `close`. Call it once, after the listeners are in place. */
  start(): void {
    if (this.#end === undefined) this.#uplink.start();
  }

  /**
   * Puts a message into the outbox. Calls need not wait for each other; their order is kept.
   * @param text at most `MAX_TEXT_BYTES` bytes of UTF-8; may be empty
   * @returns when the message is durable in the outbox, whether or not there is a connection. While the outbox is full
   *   (1,024 messages or 4 MiB) it waits: this is the back-pressure on whoever writes faster than the server stores.
   * @throws {ChatError} CHAT_TEXT_TOO_LONG, CHAT_TEXT_MALFORMED, CHAT_CLOSED, or the error of `fatal`
   */
  async send(text: string): Promise<SentMessage> {
    return { n: await this.#outbox.add(text) };
  }

  /**
   * Tells the others one's name (`introduction`), for those who may only listen; a message tells it as well. It takes a
   * number and a place like a message. Does nothing if one has ever sent anything.
   * @throws {ChatError} CHAT_CLOSED, or the error of `fatal`
   */
  introduce(): Promise<void> {
    return this.#outbox.introduce();
  }

  /**
   * Resolves when all that was given to `send` before, in earlier runs too, is acknowledged.
   * @throws {ChatError} CHAT_CLOSED, or the error of `fatal`
   */
  flush(): Promise<void> {
    return this.#outbox.flush();
  }

  /**
   * With `autoConfirm: false`: says that all messages up to `seq` were shown. Call it at once after they were written
   * out, best once for all of a turn. It is on disk when the call returns.
   *
   * What was handed over and not confirmed when a process ends, is handed over again to the next one, with
   * `again` set. So nothing is lost; and if the process was killed between writing out and confirming, `again`
   * tells which messages may have been shown. At most 1,024 messages, or 2 MiB, are handed over unconfirmed.
   * @throws {ChatError} CHAT_STATE_UNUSABLE, which is fatal
   */
  confirm(seq: number): void {
    if (this.#closing !== undefined) return;
    try {
      this.#reader.confirm(seq);
    } catch (error) {
      if (error instanceof ChatError) this.#fail(error);
      throw error;
    }
    this.#inbox.schedule();
  }

  /**
   * Sixty digits, in groups of five, to compare with `member` over another channel: equal numbers prove that the two
   * of you hold each other's true keys. `undefined` for something that is not a member id.
   */
  async safetyNumber(member: MemberId): Promise<string | undefined> {
    const other = fromHex(member, PUBLIC_KEY_BYTES);
    return other && (await safetyNumber(this.#keys, this.#store.identity.key.publicKey, other));
  }

  /** Hangs up, closes the state and wipes the keys. What is in the outbox stays there for the next run. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await this.#stop(new ChatError('CHAT_CLOSED', 'The client was closed.'));
    this.#store[Symbol.dispose]();
    await this.#cipher.close();
    this.#keys[Symbol.dispose]();
  }

  #fail(reason: ChatError): void {
    if (this.#end !== undefined) return;
    void this.#stop(reason);
    this.emit('fatal', reason);
  }

  #stop(reason: ChatError): Promise<unknown> {
    this.#end ??= reason;
    this.#reader.end();
    this.#stopping ??= Promise.all([this.#inbox.end(), this.#uplink.end(), this.#outbox.end(this.#end)]);
    return this.#stopping;
  }

  #setState(state: ConnectionState): void {
    this.#state = state;
    this.emit('state', state);
  }

  /** Its own type parameters do not carry a union of events; the arguments belong together by `ClientEvent`. */
  #emit(...[name, argument]: ClientEvent): void {
    (this as EventEmitter).emit(name, argument);
  }
}

/** @throws {ChatError} CHAT_NAME_INVALID */
function checkName(name: string): void {
  const bytes = textBytes(name);
  if (
    !name.isWellFormed() ||
    !isVisibleName(name) ||
    name.trim() !== name ||
    bytes < 1 ||
    bytes > MAX_NAME_BYTES
  ) {
    throw new ChatError(
      'CHAT_NAME_INVALID',
      `${harmless(JSON.stringify(name))} cannot be a name: 1 to ${MAX_NAME_BYTES} bytes, all of which can be seen, no spaces around it.`,
    );
  }
}
