import { setTimeout as sleep } from 'node:timers/promises';
import { equalBytes } from '../bytes.ts';
import type { Identity } from '../encryption/identity.ts';
import type { RoomKeys } from '../encryption/key-schedule.ts';
import type { RoomCipher } from '../encryption/room-cipher.ts';
import type { ServerAddress } from '../encryption/server-address.ts';
import { type Frame, maxEnvelope, PROTOCOL_VERSION } from '../protocol/frames.ts';
import { joinStatement } from '../protocol/signed.ts';
import { ChatError } from './chat-error.ts';
import type { ConnectionState } from './client-events.ts';
import { type ClientTuning, retryDelay } from './client-tuning.ts';
import { Connection, type ServerFrame } from './connection.ts';
import type { Inbox } from './inbox.ts';
import type { Outbox } from './outbox.ts';
import { isLasting, refusal } from './refusal.ts';
import { RetryAllowance } from './retry-allowance.ts';
import type { Joined, RoomReader } from './room-reader.ts';

/** Of what is sent and not acknowledged. */
const WINDOW_MESSAGES = 256;
const WINDOW_BYTES = 1024 * 1024;
/** Of connections that bring something wrong, before there are waits between them. */
const DISTRUST_BURST = 10;

export type UplinkOptions = {
  readonly server: ServerAddress;
  readonly ca: string | undefined;
  readonly keys: RoomKeys;
  readonly identity: Identity;
  readonly cipher: RoomCipher;
  readonly tuning: ClientTuning;
  readonly outbox: Outbox;
  readonly reader: RoomReader;
  readonly inbox: Inbox;
  readonly onState: (state: ConnectionState) => void;
  /** The server has no room for messages. */
  readonly onRefused: (text: string) => void;
  readonly onFatal: (reason: ChatError) => void;
};

/** Keeps a client connected to its room, and carries its outbox there. */
export class Uplink {
  readonly #options: UplinkOptions;
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;
  /** While in the room. */
  #connection: Connection | undefined;
  /** The last message that was sent on this connection, or that the server had before. */
  #sent = 0;
  #published: number;
  #held = false;
  #heard = false;
  #wentLive = false;
  readonly #distrust: RetryAllowance;
  #acknowledgeTimer: NodeJS.Timeout | undefined;
  #refusedTimer: NodeJS.Timeout | undefined;

  constructor(options: UplinkOptions) {
    this.#options = options;
    // An earlier process may have sent all that is in the outbox.
    this.#published = options.outbox.last;
    this.#distrust = new RetryAllowance(DISTRUST_BURST, options.tuning.distrustInterval);
  }

  /** The last message of one's own that was ever sent. */
  get published(): number {
    return this.#published;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Gives the connection up for a reason; another attempt follows. */
  abandon(reason: ChatError): void {
    this.#connection?.abandon(reason);
  }

  /** Stops reading from the connection, or goes on. */
  hold(high: boolean): void {
    if (this.#held === high) return;
    this.#held = high;
    if (high) this.#connection?.pause();
    else this.#connection?.resume();
  }

  /** Sends of the outbox what the window has room for. */
  publish(): void {
    const { outbox } = this.#options;
    if (this.#connection === undefined || this.#refusedTimer !== undefined) return;
    const frames: Frame[] = [];
    let bytes = this.#bytesUnderWay();
    while (
      this.#sent < outbox.last &&
      this.#sent - outbox.acknowledged < WINDOW_MESSAGES &&
      bytes < WINDOW_BYTES
    ) {
      const n = this.#sent + 1;
      const envelope = outbox.envelope(n);
      if (envelope === undefined) break;
      if (this.#isTooLong(n, envelope)) return;
      frames.push({ type: 'publish', n, envelope });
      bytes += envelope.length;
      this.#sent = n;
    }
    if (frames.length === 0) return;
    this.#published = Math.max(this.#published, this.#sent);
    this.#connection.send(frames);
    this.#awaitProgress();
  }

  /** Hangs up for good. */
  async end(): Promise<void> {
    this.#abort.abort();
    this.#disconnect();
    await this.#running;
    this.#options.onState({ phase: 'closed' });
  }

  async #run(): Promise<void> {
    const { onState, onFatal, tuning } = this.#options;
    const { signal } = this.#abort;
    let attempt = 1;
    let last: ChatError | undefined;
    while (!signal.aborted) {
      onState({ phase: 'connecting', attempt });
      this.#wentLive = false;
      const reason = await this.#connectOnce();
      if (signal.aborted) return;
      if (isLasting(reason) && reason.code === last?.code) {
        onFatal(reason);
        return;
      }
      last = reason;
      if (this.#wentLive) attempt = 1;
      const pause = reason.code === 'CHAT_PROTOCOL_VIOLATION' ? this.#distrust.take(performance.now()) : 0;
      const retryIn = Math.max(pause, retryDelay(attempt, tuning));
      attempt += 1;
      onState({ phase: 'offline', reason: pause > 0 ? distrust(reason) : reason, retryIn });
      await sleep(retryIn, undefined, { signal }).catch(() => {});
    }
  }

  /** Connects, joins, and stays until the connection ends. @returns why it ended */
  async #connectOnce(): Promise<ChatError> {
    const { server, ca, tuning } = this.#options;
    const { connectTimeout, idleTimeout } = tuning;
    let connection: Connection | undefined;
    try {
      connection = await Connection.open({
        server,
        ca,
        connectTimeout,
        idleTimeout,
        signal: this.#abort.signal,
      });
      const joined = await this.#join(connection);
      return await this.#stay(connection, joined);
    } catch (error) {
      connection?.close();
      if (error instanceof ChatError) return error;
      throw error;
    } finally {
      this.#disconnect();
    }
  }

  async #join(connection: Connection): Promise<Joined> {
    const { keys, identity, cipher, reader, outbox } = this.#options;
    await cipher.renew(connection.challenge);
    const member = identity.key.publicKey;
    const statement = joinStatement(connection.challenge, keys.roomId, member);
    const answer = await connection.ask({
      type: 'join',
      version: PROTOCOL_VERSION,
      accessKey: keys.accessKey.publicKey,
      accessSignature: await keys.accessKey.sign(statement),
      member,
      memberSignature: await identity.key.sign(statement),
      since: reader.since,
    });
    if (answer.type !== 'joined')
      throw connection.violation(`it answered JOIN with ${answer.type.toUpperCase()}`);
    if (!equalBytes(answer.room, keys.roomId)) {
      throw new ChatError('CHAT_WRONG_ROOM', 'The server let you into another room than the one asked for.');
    }
    checkNumber(answer.lastN, outbox);
    return answer;
  }

  async #stay(connection: Connection, joined: Joined): Promise<ChatError> {
    const { reader, inbox, onState } = this.#options;
    const { promise, resolve } = Promise.withResolvers<ChatError>();
    inbox.drop();
    await inbox.settled();
    reader.begin(joined);
    this.#connection = connection;
    this.#held = false;
    this.#sent = joined.lastN;
    onState({ phase: 'online' });
    connection.listen({ frame: (frame) => this.#receive(connection, frame), ended: resolve });
    this.publish();
    this.#awaitProgress();
    return await promise;
  }

  #receive(connection: Connection, frame: ServerFrame): void {
    switch (frame.type) {
      case 'ack':
      case 'deliver':
        this.#heard = true;
        break;
      case 'created':
      case 'joined':
        connection.violation(`it sent a ${frame.type.toUpperCase()} that was not asked for`);
        return;
      case 'error':
        this.#refused(refusal(frame));
        return;
      case 'live':
        this.#wentLive = true;
    }
    this.#options.inbox.take(frame);
  }

  /** The server stores nothing for now, and drops what is under way: it is all sent again later. */
  #refused(reason: ChatError): void {
    if (this.#refusedTimer !== undefined) return;
    this.#refusedTimer = setTimeout(() => {
      this.#refusedTimer = undefined;
      this.#sent = this.#options.outbox.acknowledged;
      this.publish();
    }, this.#options.tuning.refusedPause);
    this.#options.onRefused(`${reason.message} Your messages wait here, and are tried again.`);
  }

  #bytesUnderWay(): number {
    const { outbox } = this.#options;
    let bytes = 0;
    for (let n = outbox.acknowledged + 1; n <= this.#sent; n += 1) bytes += outbox.envelope(n)?.length ?? 0;
    return bytes;
  }

  #isTooLong(n: number, { length }: Uint8Array): boolean {
    const most = maxEnvelope(this.#connection?.maxFrame ?? 0);
    if (length <= most) return false;
    const text = `Message ${n} is too long for this server: ${length} bytes sealed, ${most} are allowed.`;
    this.#options.onFatal(new ChatError('CHAT_TEXT_TOO_LONG', text));
    return true;
  }

  /** Gives the connection up when messages wait for their acknowledgement and nothing comes at all. */
  #awaitProgress(): void {
    if (this.#acknowledgeTimer !== undefined) return;
    this.#heard = false;
    this.#acknowledgeTimer = setTimeout(() => {
      this.#acknowledgeTimer = undefined;
      const { outbox } = this.#options;
      if (outbox.acknowledged >= this.#sent || this.#refusedTimer !== undefined) return;
      if (this.#heard || this.#held) this.#awaitProgress();
      else this.abandon(new ChatError('CHAT_HUNG_UP', 'The server does not acknowledge messages.'));
    }, this.#options.tuning.acknowledgeTimeout);
  }

  #disconnect(): void {
    clearTimeout(this.#acknowledgeTimer);
    clearTimeout(this.#refusedTimer);
    this.#acknowledgeTimer = undefined;
    this.#refusedTimer = undefined;
    this.#connection?.close();
    this.#connection = undefined;
    this.#options.inbox.drop();
  }
}

/** The server can have no messages of one's own that one does not know. */
function checkNumber(lastN: number, { last }: Outbox): void {
  if (lastN <= last) return;
  throw new ChatError(
    'CHAT_STATE_OUTDATED',
    `The server has ${lastN} messages of yours, and your state directory knows of ${last}: it is an old copy. Move it away to enter the room as a new member.`,
  );
}

function distrust(reason: ChatError): ChatError {
  const text = `${reason.message} It is so again and again: somebody may be tampering with the connection.`;
  return new ChatError(reason.code, text);
}
