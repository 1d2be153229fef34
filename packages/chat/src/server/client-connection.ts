import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import type { Clock } from '../clock.ts';
import { LogError } from '../log/log-error.ts';
import { FrameDecoder } from '../protocol/frame-decoder.ts';
import {
  CAPABILITY_EXPECT,
  CAPABILITY_WINDOW,
  encodeFrame,
  FIRST_WINDOW,
  type Frame,
  HIGHEST_VERSION,
  LONGEST_OPENING_FRAME,
  MAX_ERROR_TEXT,
} from '../protocol/frames.ts';
import { ProtocolError, type ProtocolErrorCode, protocolErrors } from '../protocol/protocol-error.ts';
import { checkCreate, checkJoin, type ServerCrypto } from './access.ts';
import type { Backlog } from './backlog.ts';
import { type Connection, EMPTY_BYTE_COST, HONEST_OVERHEAD } from './connection.ts';
import { ConnectionWriter, type WriterOwner, type WriteTurn } from './connection-writer.ts';
import type { Counters } from './counters.ts';
import type { RoomTable } from './room-table.ts';
import type { Seat, SeatClient } from './seat.ts';
import type { ServerSettings } from './settings.ts';
import { Silence } from './silence.ts';
import { TokenBucket } from './token-bucket.ts';

/** The lowest version of the protocol that is served; the highest is that of the frames. */
const LOWEST_VERSION = 1;
/** What connections of version 2 can have besides, if their client names it. */
const CAPABILITIES: readonly string[] = [CAPABILITY_EXPECT, CAPABILITY_WINDOW];

/** What connections use of their server. */
export interface ConnectionHost {
  readonly settings: ServerSettings;
  readonly clock: Clock;
  readonly crypto: ServerCrypto;
  readonly counters: Counters;
  readonly backlog: Backlog;
  readonly turn: WriteTurn;
  readonly rooms: RoomTable;
  /** Rejects with ProtocolError TOO_MANY_ROOMS, STORAGE_FULL, or with LogError. */
  createRoom(id: Buffer, peer: string | undefined): Promise<void>;
  /** It is in a room: its transport is to take messages of full size. */
  entered(connection: ClientConnection): void;
  closed(connection: ClientConnection): void;
}

/**
 * `hello`: nobody yet. `busy`: a CREATE or JOIN is being worked on, nothing is read. `joined`: in a room.
 * `ending`: told that it is over; waits for the other side to hang up. `closed`.
 */
type State = 'hello' | 'busy' | 'joined' | 'ending' | 'closed';

/** What keeps a client's frames from being handled: it is beyond its rate, or others have to catch up first. */
type Hold = 'rate' | 'backlog' | 'room' | 'writer' | 'stop';

/**
 * One connection: reads its frames, keeps it to the limits, and closes it when it is time.
 *
 * 1. Its state is written here alone, and goes forward only, but for `busy`, which goes back to `hello` after a CREATE.
 * 2. What was being awaited is looked at only if the state is still what it was when the waiting began.
 * 3. Each state ends: `hello` and `busy` with the hello time-out, `joined` with the time-outs for silence and for writing,
 *    `ending` with the close time-out. Each hold ends: with a timer, the writer's or the log's time-out, or the connection.
 * 4. It has a seat from when it wants to join, and leaves it when its state becomes `ending` or `closed`.
 */
export class ClientConnection implements SeatClient, WriterOwner {
  readonly writer: ConnectionWriter;
  readonly #stream: Duplex;
  readonly #peer: string | undefined;
  readonly #host: ConnectionHost;
  readonly #log: Logger;
  readonly #id: number;
  readonly #wireBytes: Connection['wireBytes'];
  /** Of the wire's bytes, what there was when it was looked last; and what was counted since, more where it came in small pieces. */
  #wireSeen = 0;
  #counted = 0;
  readonly #decoder = new FrameDecoder(LONGEST_OPENING_FRAME);
  readonly #frames: TokenBucket;
  readonly #bytes: TokenBucket;
  readonly #silence: Silence;
  /** Until it has joined. */
  #challenge: Uint8Array | undefined;
  #version = LOWEST_VERSION;
  #capabilities: readonly string[] = [];
  #state: State = 'hello';
  #seat: Seat | undefined;
  #hold: Hold | undefined;
  /** Until it is read again; a connection that is closed is kept by none. */
  #rateTimer: Disposable | undefined;
  #readingFrames = false;
  #endingAt = 0;
  #why = 'hung up';

  /** @param id number of the connection, for the log */
  constructor(connection: Connection, host: ConnectionHost, log: Logger, id: number) {
    const { stream, peer, wireBytes } = connection;
    const { settings, clock, counters } = host;
    this.#stream = stream;
    this.#peer = peer;
    this.#host = host;
    this.#log = log;
    this.#id = id;
    this.#wireBytes = wireBytes;
    this.#challenge = host.crypto.randomBytes(32);
    this.#frames = new TokenBucket(clock, settings.framesPerSecond, settings.framesBurst);
    this.#bytes = new TokenBucket(clock, settings.bytesPerSecond, settings.bytesBurst);
    this.#silence = new Silence(settings, Math.floor(clock.monotonic()));
    this.writer = new ConnectionWriter(stream, counters, host.turn, this);
    connection.watch((cost) => this.#arrived(cost));
    stream.on('data', (piece: Uint8Array) => this.#received(piece));
    stream.on('end', () => this.#peerEnded());
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (this.#state !== 'ending') this.#why = error.code ?? error.message;
    });
    stream.on('close', () => this.#closed());
    this.#send({
      type: 'welcome',
      lowest: LOWEST_VERSION,
      highest: HIGHEST_VERSION,
      maxFrame: settings.maxFrameBytes,
      challenge: this.#challenge,
    });
  }

  /** Whether it is over: the client is to be given nothing more. */
  get gone(): boolean {
    return this.#state === 'ending' || this.#state === 'closed';
  }

  /** Something that was being done for it failed. */
  failed(error: unknown): void {
    if (this.gone) return;
    if (error instanceof ProtocolError) {
      this.#end(error.code, error.message);
      return;
    }
    this.#log.error({ connection: this.#id, err: error }, 'could not serve a client');
    const code = error instanceof LogError ? error.code : undefined;
    if (code === 'LOG_DAMAGED' && this.#version >= 2) {
      this.#end('DAMAGED', 'What the server has stored of this room is damaged. Its log says what.');
    } else if (code === 'LOG_NO_ROOM') {
      this.#end('NO_SUCH_ROOM', 'This server no longer has this room.');
    } else {
      this.#end('SERVER_FAILURE', 'The server could not do this. Its log says why.');
    }
  }

  replaced(): void {
    this.#end('REPLACED', 'The same member has joined by another connection.');
  }

  /** Tells it an error, and goes on. */
  sendError(code: ProtocolErrorCode, text: string): void {
    this.#host.counters.errors += 1;
    this.#send({ type: 'error', code: protocolErrors[code].number, text: text.slice(0, MAX_ERROR_TEXT / 4) });
  }

  /** Tells it that the server stops, and hangs up. @param spread milliseconds within which the clients should come back */
  drain(spread: number): void {
    if (this.gone) return;
    this.#send(this.#version >= 2 ? { type: 'drain', spread } : { type: 'drain' });
    this.#startEnding('drain');
  }

  /** Handles no more frames. What was accepted before is still stored and acknowledged. */
  stop(): void {
    if (this.gone) return;
    this.#hold = 'stop';
    this.#stream.pause();
  }

  /** Looks whether it kept the time-outs. Called every second or so, with whole milliseconds of `clock.monotonic()`. */
  tick(now: number): void {
    const { closeTimeoutMs, helloTimeoutMs, writeTimeoutMs } = this.#host.settings;
    if (this.#state === 'ending') {
      if (now - this.#endingAt >= closeTimeoutMs) this.#stream.destroy();
      return;
    }
    this.#countEmpty();
    const writing = this.writer.look(now, writeTimeoutMs);
    // Where it is us who do not listen, or it that takes what it did not, its silence says nothing.
    if (writing === 'taken') this.#silence.heard(now);
    else if (writing === undefined && this.#deaf) this.#silence.excused(now);
    if (writing === 'stuck') {
      this.#abandon();
    } else if (this.#state === 'busy' && this.#silence.age(now) >= helloTimeoutMs) {
      this.#end('SERVER_FAILURE', `The server could not answer within ${helloTimeoutMs} ms.`);
    } else {
      const verdict = this.#silence.judge(now, this.#state === 'joined', writing === 'waiting');
      if (verdict.act === 'ping') this.#send({ type: 'ping', token: now });
      else if (verdict.act === 'end') this.#end('IDLE', verdict.text);
    }
  }

  // What comes in

  /** Whether it is us who do not listen. */
  get #deaf(): boolean {
    return this.#hold !== undefined || this.#state === 'busy';
  }

  /** Something came by the wire, whether it says anything or not, also when all that it says is discarded. */
  #arrived(cost: number): void {
    this.#counted += cost;
    this.#bytes.take(cost);
    const delay = this.#bytes.delay();
    if (delay === 0 || this.#state === 'closed') return;
    if (this.#state === 'ending') {
      this.#stream.pause();
      this.#rateTimer?.[Symbol.dispose]();
      this.#rateTimer = this.#host.clock.after(delay, () => this.#stream.resume());
    } else {
      this.#read();
    }
  }

  /** What came since it was looked, and brought nothing, counts too. It is no sign of life. */
  #countEmpty(): void {
    if (this.#wireBytes === undefined) return;
    const bytes = this.#wireBytes();
    const empty = bytes - this.#wireSeen - this.#counted * (1 + HONEST_OVERHEAD);
    this.#wireSeen = bytes;
    this.#counted = 0;
    if (empty > 0) this.#arrived(Math.ceil(empty) * EMPTY_BYTE_COST);
    this.#counted = 0;
  }

  #received(piece: Uint8Array): void {
    if (this.gone) return;
    this.#host.counters.bytesIn += piece.length;
    this.#silence.heard(Math.floor(this.#host.clock.monotonic()));
    this.#decoder.push(piece);
    this.#read();
  }

  /** Handles frames until there are none or something holds it up; then that calls this again. */
  #read(): void {
    if (this.#readingFrames || this.gone) return;
    this.#readingFrames = true;
    try {
      while (!this.#holdUp()) {
        const frame = this.#decoder.next();
        if (frame === undefined) break;
        this.#silence.frameEnded();
        this.#frames.take(1);
        this.#handle(frame);
      }
    } catch (error) {
      this.failed(error);
    } finally {
      this.#readingFrames = false;
    }
    this.#silence.looked(this.#decoder.unfinishedBytes);
    if (!this.gone && this.#deaf) this.#stream.pause();
    else this.#stream.resume();
  }

  /** Whether nothing may be handled now. If so, whatever ends that will call `#release`. */
  #holdUp(): boolean {
    if (this.#state !== 'hello' && this.#state !== 'joined') return true;
    if (this.#hold !== undefined) return true;
    const { backlog, clock } = this.#host;
    const delay = Math.max(this.#frames.delay(), this.#bytes.delay());
    if (delay > 0) {
      this.#hold = 'rate';
      this.#rateTimer = clock.after(delay, () => this.#release('rate'));
    } else if (backlog.full) {
      this.#hold = 'backlog';
      backlog.whenNotFull(() => this.#release('backlog'));
    } else if (this.#seat?.heldUp) {
      this.#hold = 'room';
      this.#seat.whenFree(() => this.#release('room'));
    } else if (this.writer.deaf) {
      // A client that does not take answers is not listened to; `listens` goes on.
      this.#hold = 'writer';
    }
    return this.#hold !== undefined;
  }

  #release(hold: Hold): void {
    if (this.#hold !== hold) return;
    this.#hold = undefined;
    this.#read();
  }

  drained(): void {
    if (this.#state === 'joined') this.#seat?.drained();
  }

  listens(): void {
    this.#release('writer');
  }

  #handle(frame: Frame): void {
    switch (frame.type) {
      case 'publish':
        if (this.#state !== 'joined') throw new ProtocolError('NOT_JOINED', 'JOIN before you PUBLISH.');
        this.#seat?.publish(frame.n, frame.envelope);
        break;
      case 'publish_at':
        this.#demand(CAPABILITY_EXPECT, frame);
        this.#seat?.publishAt(frame.head, frame.n, frame.envelope);
        break;
      case 'window':
        this.#demand(CAPABILITY_WINDOW, frame);
        this.writer.grant(frame.limit);
        break;
      case 'ping':
        this.#send({ type: 'pong', token: frame.token });
        break;
      case 'pong':
        break;
      case 'create':
        this.#work(frame.version, () => this.#create(frame));
        break;
      case 'join':
        this.#work(frame.version, () => this.#join(frame));
        break;
      default:
        throw new ProtocolError('UNEXPECTED_FRAME', `A client does not send ${frame.type} frames.`);
    }
  }

  /** @throws {ProtocolError} UNEXPECTED_FRAME if the connection is not one that has this capability */
  #demand(capability: string, { type }: Frame): void {
    if (this.#state === 'joined' && this.#capabilities.includes(capability)) return;
    const text = `${type.toUpperCase()} is for connections with the capability ${capability}.`;
    throw new ProtocolError('UNEXPECTED_FRAME', text);
  }

  /** Does what takes longer; reads no more until it is done. */
  #work(version: number, work: () => Promise<void>): void {
    if (this.#state !== 'hello')
      throw new ProtocolError('UNEXPECTED_FRAME', 'This connection has joined already.');
    if (version < LOWEST_VERSION || version > HIGHEST_VERSION) {
      throw new ProtocolError(
        'UNSUPPORTED_VERSION',
        `This server speaks versions ${LOWEST_VERSION} to ${HIGHEST_VERSION}, not ${version}. Update the older of the two programs.`,
      );
    }
    this.#version = version;
    this.#state = 'busy';
    work().then(
      () => this.#read(),
      (error) => this.failed(error),
    );
  }

  async #create(frame: Extract<Frame, { type: 'create' }>): Promise<void> {
    const room = await checkCreate(this.#host.crypto, this.#challenge!, frame);
    if (this.#state !== 'busy') return;
    await this.#host.createRoom(room, this.#peer);
    if (this.#state !== 'busy') return;
    this.#send({ type: 'created', room });
    this.#state = 'hello';
  }

  async #join(frame: Extract<Frame, { type: 'join' }>): Promise<void> {
    const { since } = frame;
    const room = await checkJoin(this.#host.crypto, this.#challenge!, frame);
    if (this.#state !== 'busy') return;
    // Copied: a view would keep all that came with it.
    const memberBytes = new Uint8Array(frame.member);
    const who = { member: Buffer.from(memberBytes).toString('hex'), memberBytes, version: this.#version };
    this.#seat = this.#host.rooms.enter(room.toString('hex'), who, this);
    const { head, first, lastN, lastHash } = await this.#seat.join();
    if (this.#state !== 'busy') return;
    const joined = { type: 'joined', room, head, first, lastN } as const;
    const asked = frame.capabilities ?? [];
    this.#capabilities = CAPABILITIES.filter((name) => asked.includes(name));
    this.#send(this.#version >= 2 ? { ...joined, lastHash, capabilities: this.#capabilities } : joined);
    if (this.#capabilities.includes(CAPABILITY_WINDOW)) this.writer.beginWindow(FIRST_WINDOW);
    const ids = { room: this.#seat.room.slice(0, 8), member: who.member.slice(0, 8) };
    this.#log.info({ connection: this.#id, ...ids, since }, 'joined');
    this.#state = 'joined';
    this.#challenge = undefined;
    this.#decoder.maxFrame = this.#host.settings.maxFrameBytes;
    this.#host.entered(this);
    this.#seat.begin(since);
  }

  // What goes out, and the end

  #send(frame: Frame): void {
    this.writer.send(encodeFrame(frame));
  }

  /** Tells it an error, and hangs up. */
  #end(code: ProtocolErrorCode, text: string): void {
    if (this.gone) return;
    this.#log.info({ connection: this.#id, code }, text);
    this.sendError(code, text);
    this.#startEnding(code);
  }

  /**
   * Ends our direction, and waits for the other side to end its own: closing at once, with unread input,
   * would make the system discard what the client has not yet read of ours.
   */
  #startEnding(why: string): void {
    this.#why = why;
    this.#state = 'ending';
    this.#endingAt = Math.floor(this.#host.clock.monotonic());
    this.#seat?.leave();
    this.writer.end();
    this.#stream.resume();
  }

  #peerEnded(): void {
    if (!this.gone) this.#startEnding('hung up');
  }

  /** Ends at once, whatever is still to be said. */
  destroy(): void {
    this.#stream.destroy();
  }

  /** Ends without a word: nothing that is written now would be read. */
  #abandon(): void {
    this.#why = 'TOO_SLOW';
    this.#log.info({ connection: this.#id, code: this.#why }, 'the connection takes no data');
    this.#stream.destroy();
  }

  #closed(): void {
    this.#state = 'closed';
    this.#rateTimer?.[Symbol.dispose]();
    this.#seat?.leave();
    this.#log.info({ connection: this.#id, why: this.#why }, 'connection closed');
    this.#host.closed(this);
  }
}
