import type { CryptoDevice } from '@skytale/cryptodev';
import { fromHex, toHex } from '../bytes.ts';
import { PUBLIC_KEY_BYTES } from '../crypto.ts';
import { genesisOf } from '../encryption/chain.ts';
import { MAX_NAME_BYTES, textBytes } from '../encryption/content.ts';
import { Identity } from '../encryption/identity.ts';
import type { RoomKeys } from '../encryption/key-schedule.ts';
import type { RoomCipher } from '../encryption/room-cipher.ts';
import { type RoomKind, sharedKeyKind } from '../encryption/room-kind.ts';
import { safetyNumber } from '../encryption/safety-number.ts';
import type { ServerAddress } from '../encryption/server-address.ts';
import { isVisibleName } from '../names/shown-name.ts';
import { harmless } from '../names/shown-text.ts';
import { ChatError } from './chat-error.ts';
import type {
  ChatClientEvents,
  ChatMessage,
  ConnectionState,
  MemberId,
  Presence,
  SetAside,
} from './client-events.ts';
import { type ClientTuning, defaultTuning } from './client-tuning.ts';
import { Emitter } from './emitter.ts';
import { EndingStore } from './ending-store.ts';
import type { ClientEnvironment } from './environment.ts';
import { Inbox } from './inbox.ts';
import { LocalHistory } from './local-history.ts';
import { LocalSeal } from './local-seal.ts';
import { Outbox } from './outbox.ts';
import { unsentText } from './own-messages.ts';
import { Publisher } from './publisher.ts';
import { RoomReader } from './room-reader.ts';
import type { HistoryBound, SavedState, StateStore } from './state-store.ts';
import { TextRecords } from './text-records.ts';
import type { ClientEvent } from './turn.ts';
import { Turns } from './turns.ts';
import { Uplink } from './uplink.ts';

export type ChatClientOptions = {
  readonly server: ServerAddress;
  /** Of the invite, by `openInvite`. The client takes them over and wipes them at `close`. */
  readonly keys: RoomKeys;
  /** What others see; 1 to 64 bytes of UTF-8, none of them invisible (`isVisibleName`). */
  readonly name: string;
  /** Does the encryption. It remains the caller's, and outlives the client. */
  readonly device: CryptoDevice;
  /**
   * Hands over what comes after this sequence number, also what was handed over in an earlier run: that comes from the history that is
   * kept here (`NOT_KEPT`, where it does not go back so far), what is new from the server. Unless told, what comes after the last
   * message that was confirmed (all, for a new member).
   */
  readonly since?: number;
  /**
   * Hands over so many messages once more that were read in earlier runs, the last ones before what is new, own ones
   * included, as far as they are kept here; none unless told, and none with `since`. They are marked `old`.
   */
  readonly recent?: number;
  /** What is kept of messages, and an eighth more, the oldest being forgotten first; everything, unless told. */
  readonly keep?: HistoryBound;
  /**
   * Unless false, a message counts as confirmed when the listeners have returned; if one threw, with a later message only. With false the
   * user of the client calls `confirm`.
   */
  readonly autoConfirm?: boolean;
  /** Of the room; the shared key's, which is the only one there is so far, unless told. */
  readonly kind?: RoomKind;
  /** For tests: limits and times other than the usual. */
  readonly tuning?: Partial<ClientTuning>;
};

export type SentMessage = {
  /** One's own numbering of what one sent, 1, 2, 3 …, that goes on over restarts; `ack` and `setAside` name it. */
  readonly n: number;
};

/** A message of one's own that has no place yet. */
export type WaitingMessage = SentMessage & { readonly text: string; readonly at: Date };

type Parts = {
  readonly genesis: Uint8Array;
  readonly store: StateStore;
  readonly saved: SavedState;
  readonly identity: Identity;
};

/**
 * One member's place in one room: keeps a connection, an identity and an outbox, seals and opens.
 *
 *     const client = await ChatClient.open({ server, keys, name, device }, environment);
 *     client.on('message', (message) => …);
 *     client.start();
 *     await client.send('hello');
 *     await client.flush();
 *     await client.close();
 *
 * Messages are never lost: what `send` has taken is durable before it resolves, and is sent again, in order,
 * after any crash, until the server has it; what is received is handed over again until it is confirmed.
 */
export class ChatClient extends Emitter<ChatClientEvents> implements AsyncDisposable {
  /** One's own id. */
  readonly member: MemberId;
  readonly name: string;
  /** Where this client's state is, for messages to the user. */
  readonly statePath: string;
  readonly #keys: RoomKeys;
  readonly #environment: ClientEnvironment;
  readonly #tuning: ClientTuning;
  readonly #store: StateStore;
  readonly #identity: Identity;
  readonly #cipher: RoomCipher;
  readonly #seal: LocalSeal;
  readonly #turns = new Turns();
  readonly #hidden: Set<MemberId>;
  /** The same as `#store`, and a commit that is refused ends the client. */
  #ending!: EndingStore;
  #history!: LocalHistory;
  #outbox!: Outbox;
  #publisher!: Publisher;
  #reader!: RoomReader;
  #inbox!: Inbox;
  #uplink!: Uplink;
  #state: ConnectionState = { phase: 'connecting', attempt: 1 };
  #end: ChatError | undefined;
  #starting: Promise<void> | undefined;
  #stopping: Promise<unknown> | undefined;
  #closing: Promise<void> | undefined;

  /**
   * Opens the state: of this room and name, not in use, with unsent messages first. Does not connect. If it
   * throws, the keys remain the caller's.
   * @throws {ChatError} CHAT_NAME_INVALID, CHAT_STATE_…, CHAT_CRYPTO_FAILED
   */
  static async open(options: ChatClientOptions, environment: ClientEnvironment): Promise<ChatClient> {
    const { keys, name } = options;
    checkName(name);
    const genesis = await genesisOf(keys.crypto, keys.roomId);
    const newSeed = () => Identity.newSeed(keys.crypto);
    const store = await environment.openStore(keys.roomId, name, newSeed);
    await using undo = new AsyncDisposableStack();
    undo.defer(() => store.close());
    const saved = await store.load();
    const opened = Identity.open(keys.crypto, saved.seed).finally(() => saved.seed.fill(0));
    const identity = undo.use(await opened);
    const parts = { genesis, store, saved, identity };
    const client = new ChatClient(options, environment, parts);
    undo.defer(() => client.#closeKeys());
    await client.#assemble(options, parts);
    undo.move();
    return client;
  }

  private constructor(options: ChatClientOptions, environment: ClientEnvironment, parts: Parts) {
    super(environment.listenerFailed);
    const { keys, name, device } = options;
    const { identity, store, saved } = parts;
    this.#hidden = new Set(saved.hidden.map(toHex));
    this.member = identity.id;
    this.name = name;
    this.statePath = store.path;
    this.#keys = keys;
    this.#environment = environment;
    this.#tuning = { ...defaultTuning, ...options.tuning };
    this.#store = store;
    this.#identity = identity;
    const { kind = sharedKeyKind } = options;
    this.#cipher = kind.openCipher({ keys, identity, device }, saved.cipher);
    this.#seal = new LocalSeal(device, keys, identity.key.publicKey);
  }

  async #assemble(options: ChatClientOptions, { genesis, saved, identity }: Parts): Promise<void> {
    const { server, keys, name, since, autoConfirm = true, recent = 0 } = options;
    const { crypto } = keys;
    const environment = this.#environment;
    const { clock } = environment;
    const tuning = this.#tuning;
    const cipher = this.#cipher;
    const turns = this.#turns;
    const records = new TextRecords(this.#seal);
    const onFatal = (reason: ChatError) => this.#fail(reason);
    const store = new EndingStore(this.#store, onFatal);
    this.#ending = store;
    const outbox = await Outbox.open(saved, {
      ...{ store, cipher, turns, records, crypto, clock, name },
      position: () => this.#reader.place.position,
      onSealed: () => this.#publisher.publish(),
      onTooLong: (reason) => this.#uplink.abandon(reason),
      onSetAside: (draft) => this.#emit('setAside', draft),
      onFailed: onFatal,
    });
    const history = new LocalHistory({ store, records, saved, bound: options.keep });
    const handedOver = await Promise.all(saved.messages.map((message) => records.message(message)));
    const publisher = new Publisher({ clock, tuning, outbox });
    const reader = new RoomReader({
      ...{ crypto, genesis, store, saved, handedOver, history, outbox, name, autoConfirm, since, recent },
      member: identity.key.publicKey,
      opensAgain: cipher.opensAgain,
      emit: (event) => this.#emit(...event),
      published: () => publisher.published,
      onAcknowledged: () => publisher.publish(),
      onProgress: () => this.#uplink.progressed(),
      onBroken: (reason) => this.#uplink.abandon(reason),
    });
    const inbox = new Inbox({
      ...{ clock, cipher, turns, reader, onFatal },
      onPressure: (high) => this.#uplink.hold(high),
    });
    this.#history = history;
    this.#outbox = outbox;
    this.#publisher = publisher;
    this.#reader = reader;
    this.#inbox = inbox;
    this.#uplink = new Uplink({
      ...{ server, environment, keys, identity, tuning, outbox, publisher, reader, inbox, onFatal },
      onState: (state) => this.#setState(state),
      onRefused: (text) =>
        this.#emit('warning', { code: 'REFUSED', text, seq: undefined, member: undefined }),
    });
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Who is in the room now, by what the server says; without oneself. In a large room not all are named. */
  get present(): Presence[] {
    const { present, transcript } = this.#reader;
    const nameOf = (member: MemberId) => transcript.sender(fromHex(member, PUBLIC_KEY_BYTES)!)?.name;
    return Array.from(present)
      .filter((member) => member !== this.member)
      .map((member) => ({ member, name: nameOf(member), present: true }));
  }

  /** How many are in the room now, by what the server says, oneself included. */
  get presentCount(): number {
    return this.#reader.presentCount;
  }

  /** Members of whom a message was verified, with the name of the last one. */
  get knownMembers(): ReadonlyMap<MemberId, string> {
    return new Map(Array.from(this.#reader.transcript.senders, ({ member, name }) => [toHex(member), name]));
  }

  /** Members that the user does not want to see. Their messages are told like all others: who shows them leaves them out. */
  get hidden(): ReadonlySet<MemberId> {
    return this.#hidden;
  }

  /** Messages that the server has not acknowledged, those of earlier runs included. */
  get unacknowledged(): number {
    return this.#outbox.size;
  }

  /** Those of them that are durable, oldest first. */
  get waiting(): readonly WaitingMessage[] {
    return this.#outbox.waiting;
  }

  /** The texts of all, oldest first: what was not sent, where it is over. */
  get unsent(): readonly string[] {
    return this.#outbox.unsent;
  }

  /** Drafts that cannot be sent, in this run and earlier ones, until they are discarded. */
  get setAside(): readonly SetAside[] {
    return this.#outbox.setAside;
  }

  /** The number of the last message that is durable, of earlier runs too; 0 for none. What has none was never sent. */
  get lastSent(): number {
    return this.#outbox.lastDraft;
  }

  /** Connects, and keeps connected until `close`. Call it once, after the listeners are in place. */
  start(): void {
    this.#starting ??= this.#start();
  }

  async #start(): Promise<void> {
    try {
      await this.#reader.start();
    } catch (error) {
      if (!(error instanceof ChatError)) throw error;
      this.#fail(error);
    }
    if (this.#end === undefined) this.#uplink.start();
  }

  /**
   * Puts a message into the outbox. Calls need not wait for each other; their order is kept.
   * @param text at most `MAX_TEXT_BYTES` bytes of UTF-8; may be empty
   * @param id 16 random bytes; drawn unless given. A text that was taken with this id before, in an earlier run too, is not taken twice, as
   *   long as the outbox knows it: until some hundred others have been sent since.
   * @returns when the message is durable in the outbox, whether or not there is a connection. While the outbox is full
   *   (1,024 messages or 4 MiB) it waits: this is the back-pressure on whoever writes faster than the server stores.
   * @throws {ChatError} CHAT_TEXT_TOO_LONG, CHAT_TEXT_MALFORMED, CHAT_CLOSED, or the error of `fatal`; then it is not in the outbox,
   *   unless the store did not end within the close time-out: then nobody knows
   */
  async send(text: string, id?: Uint8Array): Promise<SentMessage> {
    return { n: await this.#outbox.add(text, id) };
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
   * Resolves when all that was given to `send` before, in earlier runs too, is acknowledged or set aside. How long that takes is the
   * server's and the network's affair.
   * @param signal ends the waiting, and nothing else
   * @throws {ChatError} CHAT_CLOSED, or the error of `fatal`; the reason of the signal
   */
  async flush(signal?: AbortSignal): Promise<void> {
    const flushed = this.#outbox.flush();
    if (signal === undefined) return await flushed;
    const aborted = Promise.withResolvers<never>();
    const abort = () => aborted.reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    flushed.catch(() => {});
    try {
      await Promise.race([flushed, aborted.promise]);
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /**
   * A draft that was set aside is not wanted any more. It is listed until that is durable.
   * @throws {ChatError} CHAT_STATE_UNUSABLE, which is `fatal` too
   */
  discard(id: string): Promise<void> {
    return this.#outbox.discard(id);
  }

  /**
   * Messages that were told or sent before, from what is kept here, without a server, and after a `fatal` too: of those with keys less
   * than `before` the last ones, `limit` at most, in order, marked `old`. Fewer than `limit` only at the beginning of what is kept.
   * @throws {ChatError} CHAT_CLOSED, CHAT_STATE_…
   */
  async history(before: number, limit: number): Promise<ChatMessage[]> {
    if (this.#closing !== undefined) throw new ChatError('CHAT_CLOSED', 'The client was closed.');
    return await this.#history.before(before, limit);
  }

  /**
   * Notes, for oneself alone, that a member is not to be seen, or is again. It is durable when this resolves.
   * @throws {RangeError} if it is no member id
   * @throws {ChatError} CHAT_STATE_UNUSABLE, which is `fatal` too; CHAT_CLOSED
   */
  async hide(member: MemberId, hidden: boolean): Promise<void> {
    if (this.#end !== undefined) throw this.#end;
    const bytes = fromHex(member, PUBLIC_KEY_BYTES);
    if (bytes === undefined) throw new RangeError('that is no member id');
    await this.#ending.commit([{ kind: 'hidden', member: bytes, hidden }], 'strict');
    if (hidden) this.#hidden.add(member);
    else this.#hidden.delete(member);
  }

  /**
   * With `autoConfirm: false`: says that all messages up to the one with this `key` were shown. Call it at once after they were written
   * out, best once for all of a turn. It survives the end of the process when it resolves, a loss of power a little later.
   *
   * What was handed over and not confirmed when a process ends, is handed over again to the next one, with
   * `again` set. So nothing is lost; and if the process was killed between writing out and confirming, `again`
   * tells which messages may have been shown. At most 1,024 messages, or 2 MiB, are handed over unconfirmed.
   * If it cannot be stored, that is `fatal`.
   */
  async confirm(key: number): Promise<void> {
    if (this.#closing !== undefined) return;
    const confirmed = this.#reader.confirm(key);
    this.#inbox.schedule();
    await confirmed;
  }

  /**
   * Sixty digits, in groups of five, to compare with `member` over another channel: equal numbers prove that the two
   * of you hold each other's true keys. `undefined` for something that is not a member id.
   */
  async safetyNumber(member: MemberId): Promise<string | undefined> {
    const other = fromHex(member, PUBLIC_KEY_BYTES);
    return other && (await safetyNumber(this.#keys, this.#identity.key.publicKey, other));
  }

  /**
   * Hangs up, closes the state and wipes the keys. What is in the outbox stays there for the next run. It ends even where the store or
   * the device do not, or fail.
   * @throws what the store or the device failed with, when all else is done
   */
  close(): Promise<void> {
    this.#closing ??= this.#close(() => this.#inTime(this.#store.close()));
    return this.#closing;
  }

  /**
   * As `close`; and the state is wiped: the identity, what is not sent, and what is kept of messages. The next to enter under this name is
   * a new member.
   * @throws {ChatError} CHAT_CLOSED if it is closed already; CHAT_STATE_UNUSABLE if it could not be wiped
   */
  forget(): Promise<void> {
    if (this.#closing !== undefined)
      return Promise.reject(new ChatError('CHAT_CLOSED', 'The client was closed.'));
    const forgetting = this.#close(() => {
      const text = `${this.statePath} was not wiped in time; whether it will be, nobody knows.`;
      return this.#inTime(this.#store.wipe(), new ChatError('CHAT_STATE_UNUSABLE', text));
    });
    // Who closes it then is told nothing of that: it is closed.
    this.#closing = forgetting.catch(() => {});
    return forgetting;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(leaveStore: () => Promise<void>): Promise<void> {
    const reason = new ChatError('CHAT_CLOSED', 'The client was closed.');
    // From the last to the first, each whatever became of those before it.
    await using steps = new AsyncDisposableStack();
    steps.use(this.#keys);
    steps.use(this.#identity);
    steps.defer(() => this.#inTime(this.#closeKeys()));
    steps.defer(() => this.#outbox.abandon(reason));
    steps.defer(leaveStore);
    steps.defer(() => this.#setState({ phase: 'closed' }));
    await this.#inTime(this.#stop(reason));
  }

  async #closeKeys(): Promise<void> {
    await allEnded([this.#cipher.close(), this.#seal.close()]);
  }

  /** What does not end by then is left to itself. @throws {ChatError} `otherwise`, if there is one, where it does not */
  async #inTime(work: Promise<unknown>, otherwise?: ChatError): Promise<void> {
    const late = Promise.withResolvers<void>();
    const giveUp = () => (otherwise === undefined ? late.resolve() : late.reject(otherwise));
    using _ = this.#environment.clock.after(this.#tuning.closeTimeout, giveUp);
    await Promise.race([work, late.promise]);
  }

  #fail(reason: ChatError): void {
    if (this.#end !== undefined) return;
    const unsent = reason.code === 'CHAT_REPLACED' ? ` ${unsentText(this.#outbox)}`.trimEnd() : '';
    const whole = unsent === '' ? reason : new ChatError(reason.code, reason.message + unsent);
    // If it fails, `close` says so.
    this.#stop(whole).catch(() => {});
    this.emit('fatal', whole);
  }

  #stop(reason: ChatError): Promise<unknown> {
    this.#end ??= reason;
    this.#reader.end();
    this.#stopping ??= allEnded([
      this.#starting,
      this.#inbox.end(),
      this.#uplink.end(),
      this.#outbox.end(this.#end),
    ]);
    return this.#stopping;
  }

  #setState(state: ConnectionState): void {
    if (this.#state.phase === 'closed') return;
    this.#state = state;
    this.emit('state', state);
  }

  /** Its own type parameters do not carry a union of events; the arguments belong together by `ClientEvent`. */
  #emit(...[name, argument]: ClientEvent): boolean {
    return (this.emit as (name: string, argument: unknown) => boolean)(name, argument);
  }
}

/** Waits for all to end. @throws what the first of those threw that did */
async function allEnded(work: readonly (Promise<unknown> | undefined)[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
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
