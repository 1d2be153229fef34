import { equalBytes } from '../bytes.ts';
import type { Identity } from '../encryption/identity.ts';
import type { RoomKeys } from '../encryption/key-schedule.ts';
import type { ServerAddress } from '../encryption/server-address.ts';
import { CAPABILITY_WINDOW, type Frame, maxEnvelope } from '../protocol/frames.ts';
import { ChatError, cryptoFailure } from './chat-error.ts';
import type { ConnectionState } from './client-events.ts';
import { type ClientTuning, retryDelay } from './client-tuning.ts';
import { Connection, type ServerFrame } from './connection.ts';
import type { ClientEnvironment } from './environment.ts';
import type { Inbox } from './inbox.ts';
import type { Outbox } from './outbox.ts';
import type { Publisher } from './publisher.ts';
import { isLasting, refusal } from './refusal.ts';
import { RetryAllowance } from './retry-allowance.ts';
import type { RoomReader } from './room-reader.ts';

/** Of connections that bring something wrong, before there are waits between them. */
const DISTRUST_BURST = 10;

type JoinedFrame = Extract<Frame, { type: 'joined' }>;

export type UplinkOptions = {
  readonly server: ServerAddress;
  readonly environment: ClientEnvironment;
  readonly keys: RoomKeys;
  readonly identity: Identity;
  readonly tuning: ClientTuning;
  readonly outbox: Outbox;
  readonly publisher: Publisher;
  readonly reader: RoomReader;
  readonly inbox: Inbox;
  readonly onState: (state: ConnectionState) => void;
  /** The server has no room for messages. */
  readonly onRefused: (text: string) => void;
  readonly onFatal: (reason: ChatError) => void;
};

/**
 * Keeps a client connected to its room.
 *
 * 1. There MUST be one connection at a time; what an earlier one brought MUST have had its effect before the next one joins.
 * 2. The state `online` MUST be told only where it helps: after connections that brought something wrong and nothing new, not before there
 *    is something new.
 * 3. What cannot change by itself ends it (`onFatal`), the second time in a row, since anybody on the way can say the first; and so
 *    does what brings nothing new for very long.
 */
export class Uplink {
  readonly #options: UplinkOptions;
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;
  /** While in the room. */
  #connection: Connection | undefined;
  #held = false;
  #wentLive = false;
  /** Connections in a row that brought nothing new; whether the present one did. */
  #vain = 0;
  #progressed = false;
  /** Whether the state is `online`. */
  #online = false;
  readonly #distrust: RetryAllowance;

  constructor(options: UplinkOptions) {
    this.#options = options;
    this.#distrust = new RetryAllowance(DISTRUST_BURST, options.tuning.distrustInterval);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Gives the connection up for a reason; another attempt follows. */
  abandon(reason: ChatError): void {
    this.#connection?.abandon(reason);
  }

  /** Something new was read, or acknowledged. */
  progressed(): void {
    this.#vain = 0;
    this.#progressed = true;
    if (this.#connection !== undefined && !this.#connection.ended) this.#tellOnline();
  }

  /** Stops reading from the connection, or goes on. */
  hold(high: boolean): void {
    if (this.#held === high) return;
    this.#held = high;
    this.#options.publisher.hold(high);
    if (high) this.#connection?.pause();
    else this.#connection?.resume();
  }

  /** Resolves when it is over. */
  async end(): Promise<void> {
    this.#abort.abort();
    if (this.#running === undefined) this.#options.onState({ phase: 'closed' });
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    const { onState } = this.#options;
    let attempt = 1;
    let last: ChatError | undefined;
    while (!signal.aborted) {
      onState({ phase: 'connecting', attempt });
      this.#wentLive = false;
      this.#progressed = false;
      const { reason, drain } = await this.#connectOnce();
      if (signal.aborted) break;
      if (this.#isFinal(reason, last)) return;
      last = reason;
      if (this.#wentLive) attempt = 1;
      const wait = this.#wait(reason, attempt, drain);
      attempt += 1;
      onState({ phase: 'offline', ...wait });
      await this.#sleep(wait.retryIn);
    }
    onState({ phase: 'closed' });
  }

  #isFinal(reason: ChatError, last: ChatError | undefined): boolean {
    const { onFatal, onState, tuning } = this.#options;
    if (!this.#progressed && mayBeInVain(reason)) this.#vain += 1;
    let fatal = isLasting(reason) && reason.code === last?.code ? reason : undefined;
    if (isDamage(reason) && this.#vain >= tuning.vainConnections) {
      const text = `${reason.message} It was so on ${this.#vain} connections, one after the other: what the server has there is damaged, or somebody is tampering with the connection.`;
      fatal = new ChatError('CHAT_DAMAGED', text);
    }
    if (fatal === undefined) return false;
    onState({ phase: 'closed' });
    onFatal(fatal);
    return true;
  }

  #wait(
    reason: ChatError,
    attempt: number,
    drain: Connection['drain'],
  ): { reason: ChatError; retryIn: number } {
    const { environment, tuning } = this.#options;
    const { clock } = environment;
    if (drain !== undefined) {
      // Whoever is on the way can name any: no longer than one waits for a server that is not there.
      const spread = Math.min(drain.spread ?? tuning.drainSpread, tuning.retryLongest);
      const retryIn = Math.round(environment.fraction() * spread);
      return { reason, retryIn };
    }
    const pause = reason.code === 'CHAT_PROTOCOL_VIOLATION' ? this.#distrust.take(clock.monotonic()) : 0;
    const retryIn = Math.max(pause, retryDelay(attempt, tuning, environment.fraction()));
    return { reason: pause > 0 ? distrust(reason) : reason, retryIn };
  }

  async #sleep(ms: number): Promise<void> {
    const { signal } = this.#abort;
    const { promise, resolve } = Promise.withResolvers<void>();
    using _ = this.#options.environment.clock.after(ms, resolve);
    const abort = () => resolve();
    if (signal.aborted) return;
    signal.addEventListener('abort', abort, { once: true });
    await promise;
    signal.removeEventListener('abort', abort);
  }

  /** Connects, joins, and stays until the connection ends. @returns why it ended */
  async #connectOnce(): Promise<{ reason: ChatError; drain?: Connection['drain'] }> {
    const { server, environment, tuning } = this.#options;
    const { connectTimeout, idleTimeout } = tuning;
    const { signal } = this.#abort;
    let connection: Connection | undefined;
    try {
      connection = await Connection.open({ server, environment, connectTimeout, idleTimeout, signal });
      const joined = await this.#join(connection);
      const reason = await this.#stay(connection, joined);
      return { reason, drain: connection.drain };
    } catch (error) {
      connection?.close();
      if (error instanceof ChatError) return { reason: error, drain: connection?.drain };
      if (!signal.aborted) this.#options.onFatal(cryptoFailure(error));
      return { reason: cryptoFailure(error) };
    } finally {
      await this.#disconnect();
    }
  }

  async #join(connection: Connection): Promise<JoinedFrame> {
    const { keys, identity, reader } = this.#options;
    const { version, challenge } = connection;
    const member = identity.key.publicKey;
    const { proof, statement } = await keys.access.join(challenge, member);
    const capabilities = connection.backPressure ? [] : [CAPABILITY_WINDOW];
    const answer = await connection.ask({
      ...{ type: 'join', version, ...proof, member },
      memberSignature: await identity.key.sign(statement),
      since: reader.since,
      ...(version >= 2 && { capabilities }),
    });
    if (answer.type !== 'joined')
      throw connection.violation(`it answered JOIN with ${answer.type.toUpperCase()}`);
    if (!equalBytes(answer.room, keys.roomId)) {
      throw new ChatError('CHAT_WRONG_ROOM', 'The server let you into another room than the one asked for.');
    }
    if (version >= 2 !== (answer.lastHash !== undefined))
      throw connection.violation('its JOINED is of another version');
    if (answer.capabilities?.some((name) => !capabilities.includes(name)))
      throw connection.violation('its JOINED names capabilities that were not asked for');
    if (answer.capabilities?.includes(CAPABILITY_WINDOW)) connection.beginWindow();
    return answer;
  }

  async #stay(connection: Connection, joined: JoinedFrame): Promise<ChatError> {
    const { reader, outbox, publisher } = this.#options;
    const { promise, resolve } = Promise.withResolvers<ChatError>();
    await reader.begin(joined);
    // From here on it may be given up.
    this.#connection = connection;
    this.#held = false;
    const most = maxEnvelope(connection.maxFrame);
    await outbox.connect({ challenge: connection.challenge, most, lastN: joined.lastN });
    if (this.#vain === 0) this.#tellOnline();
    connection.listen({ frame: (frame) => this.#receive(connection, frame), ended: resolve });
    publisher.begin(connection, joined.lastN);
    return await promise;
  }

  #receive(connection: Connection, frame: ServerFrame): void {
    const { inbox, publisher } = this.#options;
    switch (frame.type) {
      case 'ack':
        if (connection.version >= 2 !== (frame.hash !== undefined)) {
          connection.violation('its ACK is of another version');
          return;
        }
        publisher.heard(true);
        break;
      case 'deliver':
        publisher.heard(false);
        break;
      case 'created':
      case 'joined':
        connection.violation(`it sent a ${frame.type.toUpperCase()} that was not asked for`);
        return;
      case 'error':
        if (publisher.refused())
          this.#options.onRefused(`${refusal(frame).message} Your messages wait here, and are tried again.`);
        return;
      case 'live':
        this.#wentLive = true;
    }
    inbox.take(frame);
  }

  #tellOnline(): void {
    if (this.#online) return;
    this.#online = true;
    this.#options.onState({ phase: 'online' });
  }

  async #disconnect(): Promise<void> {
    const { inbox, outbox, publisher } = this.#options;
    publisher.end();
    outbox.disconnect();
    this.#connection?.close();
    this.#connection = undefined;
    this.#online = false;
    // What came before the end counts: else one that ends again and again would never bring anything.
    await inbox.settled();
    inbox.drop();
  }
}

/** Whether a connection that ended like this was there, though it brought nothing. */
function mayBeInVain(reason: ChatError): boolean {
  return isDamage(reason) || reason.code === 'CHAT_HUNG_UP';
}

function isDamage({ code }: ChatError): boolean {
  return code === 'CHAT_PROTOCOL_VIOLATION' || code === 'CHAT_DAMAGED';
}

function distrust(reason: ChatError): ChatError {
  const text = `${reason.message} It is so again and again: somebody may be tampering with the connection.`;
  return new ChatError(reason.code, text);
}
