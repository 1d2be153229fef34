import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import type { Clock } from '../clock.ts';
import { LogError } from '../log/log-error.ts';
import { FrameDecoder } from '../protocol/frame-decoder.ts';
import {
  encodeFrame,
  type Frame,
  MAX_ERROR_TEXT,
  MIN_MAX_FRAME,
  PROTOCOL_VERSION,
} from '../protocol/frames.ts';
import { ProtocolError, type ProtocolErrorCode, protocolErrors } from '../protocol/protocol-error.ts';
import { checkCreate, checkJoin, newChallenge } from './access.ts';
import { ClientWriter } from './client-writer.ts';
import type { Committer } from './committer.ts';
import type { Counters } from './counters.ts';
import { Publisher } from './publisher.ts';
import type { Room } from './room.ts';
import type { ServerSettings } from './settings.ts';
import { Silence } from './silence.ts';
import { TokenBucket } from './token-bucket.ts';

/** What a client needs of its server. */
export interface ClientHost {
  readonly settings: ServerSettings;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly committer: Committer;
  /** Rejects with ProtocolError TOO_MANY_ROOMS, or with LogError. */
  createRoom(id: Buffer): Promise<void>;
  /** The room, in which the client is its member's connection from now on; `undefined` if there is none. */
  enterRoom(id: Buffer, client: Client): Promise<Room | undefined>;
  /** The largest n of a member that is stored, when all that was accepted so far is. */
  lastN(room: Room, member: string): Promise<number>;
  /** Somebody has left the room. */
  left(room: Room): void;
  /** It is in a room: longer frames than a JOIN are to be taken. */
  entered(client: Client): void;
  closed(client: Client): void;
}

/**
 * `hello`: nobody yet. `busy`: a CREATE or JOIN is being worked on, nothing is read. `joined`: in a room.
 * `ending`: told that it is over; waits for the other side to hang up. `closed`.
 */
type State = 'hello' | 'busy' | 'joined' | 'ending' | 'closed';

/** What keeps a client's frames from being handled: it is beyond its rate, or others have to catch up first. */
type Hold = 'rate' | 'log' | 'room' | 'writer' | 'stop';

/** One connection: reads its frames, keeps it to the limits, and closes it when it is time. */
export class Client {
  readonly writer: ClientWriter;
  /** Hex of the member id, and the id; empty until it has joined. */
  member = '';
  memberBytes: Uint8Array = new Uint8Array(0);
  /** Last sequence number that was given to it. */
  cursor = 0;
  /** Whether it has not been given all that its room has; whether the log is being read for it. Its room's. */
  behind = false;
  reading = false;
  /** Whether it once had everything. */
  live = false;
  /** Whether it was not told of all who came and went. */
  presenceStale = true;
  readonly #stream: Duplex;
  readonly #host: ClientHost;
  readonly #log: Logger;
  readonly #id: number;
  readonly #challenge = newChallenge();
  readonly #decoder: FrameDecoder;
  readonly #frames: TokenBucket;
  readonly #bytes: TokenBucket;
  #state: State = 'hello';
  #room: Room | undefined;
  #publisher: Publisher | undefined;
  #hold: Hold | undefined;
  #readingFrames = false;
  readonly #silence: Silence;
  #endingAt = 0;
  #why = 'hung up';

  /** @param id number of the connection, for the log */
  constructor(stream: Duplex, host: ClientHost, log: Logger, id: number) {
    const { settings, clock, counters } = host;
    this.#stream = stream;
    this.#host = host;
    this.#log = log;
    this.#id = id;
    this.#decoder = new FrameDecoder(MIN_MAX_FRAME);
    this.#frames = new TokenBucket(clock, settings.framesPerSecond, settings.framesBurst);
    this.#bytes = new TokenBucket(clock, settings.bytesPerSecond, settings.bytesBurst);
    this.#silence = new Silence(settings, clock.now());
    this.writer = new ClientWriter(stream, counters, () => this.#drained());
    stream.on('data', (piece: Uint8Array) => this.#received(piece));
    stream.on('end', () => this.#peerEnded());
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (this.#state !== 'ending') this.#why = error.code ?? error.message;
    });
    stream.on('close', () => this.#closed());
    this.#send({
      type: 'welcome',
      lowest: PROTOCOL_VERSION,
      highest: PROTOCOL_VERSION,
      maxFrame: settings.maxFrameBytes,
      challenge: this.#challenge,
    });
  }

  /** Whether it is over: the client is to be given nothing more. */
  get gone(): boolean {
    return this.#state === 'ending' || this.#state === 'closed';
  }

  // What its room and the committer tell it

  /** Its message `n`, and all before it, are stored. */
  stored(n: number): void {
    this.#publisher?.stored(n);
  }

  /** It has been given everything. */
  caughtUp(): void {
    if (!this.live) {
      this.live = true;
      this.#send({ type: 'live', seq: this.cursor });
    }
    if (this.presenceStale) this.#room?.presence.tellSoon();
  }

  /** What it published and is not stored will not be: `error` says why. */
  refuse(error: unknown): void {
    if (error instanceof LogError && error.code === 'LOG_FULL') {
      if (!this.gone) this.#publisher?.refuse('The server has no more room for messages.');
    } else {
      this.failed(error);
    }
  }

  /** Something that was being done for it failed. */
  failed(error: unknown): void {
    if (error instanceof ProtocolError) {
      this.end(error.code, error.message);
    } else if (!this.gone) {
      this.#log.error({ connection: this.#id, err: error }, 'could not serve a client');
      this.end('SERVER_FAILURE', 'The server could not do this. Its log says why.');
    }
  }

  /** Tells it an error, and goes on. */
  sendError(code: ProtocolErrorCode, text: string): void {
    this.#host.counters.errors += 1;
    this.#send({ type: 'error', code: protocolErrors[code].number, text: text.slice(0, MAX_ERROR_TEXT / 4) });
  }

  /** Tells it an error, and hangs up. */
  end(code: ProtocolErrorCode, text: string): void {
    if (this.gone) return;
    this.#log.info({ connection: this.#id, code }, text);
    this.sendError(code, text);
    this.#startEnding(code);
  }

  /** Tells it that the server stops, and hangs up. */
  drain(): void {
    if (this.gone) return;
    this.#send({ type: 'drain' });
    this.#startEnding('drain');
  }

  /** Handles no more frames. What was accepted before is still stored and acknowledged. */
  stop(): void {
    this.#hold = 'stop';
    this.#stream.pause();
  }

  destroy(): void {
    this.#stream.destroy();
  }

  /** Looks whether it kept the time-outs. Called every second or so. */
  tick(now: number): void {
    if (this.#state === 'ending') {
      if (now - this.#endingAt >= this.#host.settings.closeTimeoutMs) this.destroy();
      return;
    }
    const stuckSince = this.writer.congestedSince(now);
    // Where it is us who do not listen, its silence says nothing.
    const listening = this.#hold === undefined && this.#state !== 'busy';
    if (stuckSince === undefined && !listening) {
      this.#silence.heard(now);
      return;
    }
    const verdict = this.#silence.judge(now, this.#state === 'joined', stuckSince);
    if (verdict.act === 'ping') this.#send({ type: 'ping', token: now });
    else if (verdict.act === 'end') this.end('IDLE', verdict.text);
    else if (verdict.act === 'abandon') this.#abandon();
  }

  // What comes in

  #received(piece: Uint8Array): void {
    if (this.gone) return;
    this.#host.counters.bytesIn += piece.length;
    this.#bytes.take(piece.length);
    this.#silence.heard(this.#host.clock.now());
    this.#decoder.push(piece);
    this.#read();
  }

  /** Handles frames until there are none or something holds it up; then that calls this again. */
  #read(): void {
    if (this.#readingFrames) return;
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
    if (this.#hold !== undefined || this.#state === 'busy') this.#stream.pause();
    else this.#stream.resume();
  }

  /** Whether nothing may be handled now. If so, whatever ends that will call `#release`. */
  #holdUp(): boolean {
    if (this.#state !== 'hello' && this.#state !== 'joined') return true;
    if (this.#hold !== undefined) return true;
    const { committer, clock } = this.#host;
    const room = this.#room;
    const delay = Math.max(this.#frames.delay(), this.#bytes.delay());
    if (delay > 0) {
      this.#hold = 'rate';
      clock.after(delay, () => this.#release('rate'));
    } else if (committer.full) {
      this.#hold = 'log';
      committer.whenNotFull(() => this.#release('log'));
    } else if (room?.crowded) {
      this.#hold = 'room';
      room.whenCalm(() => this.#release('room'));
    } else if (this.writer.congested) {
      // A client that does not take answers is not listened to; `#drained` goes on.
      this.#hold = 'writer';
    }
    return this.#hold !== undefined;
  }

  #release(hold: Hold): void {
    if (this.#hold !== hold) return;
    this.#hold = undefined;
    this.#read();
  }

  #drained(): void {
    if (this.#state === 'joined') this.#room?.drained(this);
    this.#release('writer');
  }

  #handle(frame: Frame): void {
    switch (frame.type) {
      case 'publish':
        if (this.#publisher === undefined) throw new ProtocolError('NOT_JOINED', 'JOIN before you PUBLISH.');
        this.#publisher.publish(frame.n, frame.envelope);
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

  /** Does what takes longer; reads no more until it is done. */
  #work(version: number, work: () => Promise<State>): void {
    if (this.#state !== 'hello')
      throw new ProtocolError('UNEXPECTED_FRAME', 'This connection has joined already.');
    if (version !== PROTOCOL_VERSION) {
      throw new ProtocolError(
        'UNSUPPORTED_VERSION',
        `This server speaks version ${PROTOCOL_VERSION}, not ${version}. Update the older of the two programs.`,
      );
    }
    this.#state = 'busy';
    work().then(
      (next) => {
        if (this.#state !== 'busy') return;
        this.#state = next;
        this.#read();
      },
      (error) => this.failed(error),
    );
  }

  async #create(frame: Extract<Frame, { type: 'create' }>): Promise<State> {
    const room = await checkCreate(this.#challenge, frame);
    await this.#host.createRoom(room);
    if (this.#state === 'busy') this.#send({ type: 'created', room });
    return 'hello';
  }

  async #join(frame: Extract<Frame, { type: 'join' }>): Promise<State> {
    const id = await checkJoin(this.#challenge, frame);
    if (this.#state !== 'busy') return this.#state;
    this.memberBytes = frame.member.slice();
    this.member = Buffer.from(frame.member).toString('hex');
    const room = await this.#host.enterRoom(id, this);
    if (room === undefined) {
      throw new ProtocolError('NO_SUCH_ROOM', 'This server has no such room. Is it the right server?');
    }
    this.#room = room;
    const lastN = await this.#host.lastN(room, this.member);
    if (this.#state !== 'busy') return this.#state;
    this.#publisher = new Publisher(this, room, this.#host, lastN);
    const { settings } = this.#host;
    this.cursor = Math.min(Math.max(frame.since, room.first - 1), room.head);
    this.#send({ type: 'joined', room: room.idBytes, head: room.head, first: room.first, lastN });
    const ids = { room: room.id.slice(0, 8), member: this.member.slice(0, 8) };
    this.#log.info({ connection: this.#id, ...ids, since: frame.since }, 'joined');
    this.#decoder.maxFrame = settings.maxFrameBytes;
    this.#host.entered(this);
    room.enter(this);
    return 'joined';
  }

  // What goes out, and the end

  #send(frame: Frame): void {
    this.writer.send(encodeFrame(frame));
  }

  /**
   * Ends our direction, and waits for the other side to end its own: closing at once, with unread input,
   * would make the system discard what the client has not yet read of ours.
   */
  #startEnding(why: string): void {
    this.#why = why;
    this.#state = 'ending';
    this.#endingAt = this.#host.clock.now();
    this.#leave();
    this.writer.end();
    this.#stream.resume();
  }

  #peerEnded(): void {
    if (this.#state !== 'ending') this.#startEnding('hung up');
  }

  /** Ends without a word: nothing that is written now would be read. */
  #abandon(): void {
    this.#why = 'TOO_SLOW';
    this.#log.info({ connection: this.#id, code: this.#why }, 'the connection takes no data');
    this.destroy();
  }

  #leave(): void {
    if (this.#room === undefined) return;
    this.#room.leave(this);
    this.#host.left(this.#room);
  }

  #closed(): void {
    if (this.#state !== 'ending') this.#leave();
    this.#state = 'closed';
    this.#log.info({ connection: this.#id, why: this.#why }, 'connection closed');
    this.#host.closed(this);
  }
}
