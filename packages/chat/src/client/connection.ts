import { joined } from '../bytes.ts';
import type { ServerAddress } from '../encryption/server-address.ts';
import { FrameDecoder } from '../protocol/frame-decoder.ts';
import {
  encodeFrame,
  type Frame,
  HIGHEST_VERSION,
  LENGTH_BYTES,
  PROTOCOL_VERSION,
} from '../protocol/frames.ts';
import { ProtocolError, protocolErrorCode } from '../protocol/protocol-error.ts';
import type { ByteStream } from './byte-stream.ts';
import { ChatError, unreachable } from './chat-error.ts';
import type { ClientEnvironment } from './environment.ts';
import { aboutMute } from './other-port.ts';
import { ReceiveWindow } from './receive-window.ts';
import { refusal } from './refusal.ts';

export type ConnectionOptions = {
  readonly server: ServerAddress;
  readonly environment: Pick<ClientEnvironment, 'clock' | 'dial'>;
  /** Longest wait for the connection, and for each answer that opens it; milliseconds. */
  readonly connectTimeout: number;
  /** Silence before a PING, and after it before giving up; milliseconds. */
  readonly idleTimeout: number;
  readonly signal: AbortSignal;
};

/** Frames that a client acts on; the connection sees to the others. */
export type ServerFrame = Extract<
  Frame,
  {
    type:
      | 'created'
      | 'joined'
      | 'ack'
      | 'deliver'
      | 'damaged'
      | 'live'
      | 'presence'
      | 'present'
      | 'count'
      | 'error';
  }
>;

type OpeningFrame = ServerFrame | Extract<Frame, { type: 'welcome' }>;

export type ConnectionListener = {
  frame(frame: ServerFrame): void;
  /** Called once, however the connection ends. */
  ended(reason: ChatError): void;
};

/** Of what is written and not yet taken by the network: a server that asks and never reads is not answered for ever. */
const MAX_UNSENT = 8 * 1024 * 1024;

/**
 * A connection to a server, from its WELCOME on: cuts the stream into frames, answers PING, notices silence and ERROR.
 *
 * 1. Frames are pulled: none is handed out while nobody waits for one or while paused; the rest waits in the network.
 * 2. It ends once, with one reason, which whoever waits or listens MUST be told; nothing is handed out or sent after that.
 * 3. Every wait for an answer MUST have an end.
 */
export class Connection {
  readonly #stream: ByteStream;
  readonly #decoder = new FrameDecoder();
  readonly #options: ConnectionOptions;
  #maxFrame = 0;
  #version = PROTOCOL_VERSION;
  #challenge: Uint8Array = new Uint8Array(0);
  /** Waits for one frame. */
  #waiting: ((frame: OpeningFrame | ChatError) => void) | undefined;
  #listener: ConnectionListener | undefined;
  #paused = false;
  #reading = false;
  #heard = true;
  /** Nothing has come yet. */
  #isMute = true;
  #pinged = false;
  #idleTimer: Disposable | undefined;
  /** How much may come, where the stream does not see to it. */
  #window: ReceiveWindow | undefined;
  #drain: { readonly spread: number | undefined } | undefined;
  #end: ChatError | undefined;

  /**
   * Connects and reads the WELCOME.
   * @throws {ChatError} CHAT_UNREACHABLE, CHAT_PROTOCOL_VIOLATION, CHAT_UNSUPPORTED_VERSION, CHAT_HUNG_UP, …
   */
  static async open(options: ConnectionOptions): Promise<Connection> {
    const stream = await dialInTime(options);
    const connection = new Connection(stream, options);
    await connection.#readWelcome();
    return connection;
  }

  private constructor(stream: ByteStream, options: ConnectionOptions) {
    this.#stream = stream;
    this.#options = options;
    stream.listen({
      received: (piece) => this.#received(piece),
      ended: (reason) => this.#hungUp(reason),
    });
    options.signal.addEventListener('abort', this.#abort, { once: true });
    if (options.signal.aborted) this.close();
    else this.#armIdleTimer();
  }

  /** Of the WELCOME, to be signed. */
  get challenge(): Uint8Array {
    return this.#challenge;
  }

  /** Longest frame that the server takes, in bytes. */
  get maxFrame(): number {
    return this.#maxFrame;
  }

  /** The highest version that both sides know. */
  get version(): number {
    return this.#version;
  }

  /** Whether the other side has to wait while nothing is read. */
  get backPressure(): boolean {
    return this.#stream.backPressure;
  }

  /** From here on, behind the frame that was read last, the server sends only what it is granted. */
  beginWindow(): void {
    this.#window = new ReceiveWindow(this.#decoder.readBytes, this.#maxFrame);
    this.#grant();
  }

  /** Whether it is over. */
  get ended(): boolean {
    return this.#end !== undefined;
  }

  /** What the server said of its going down, if it did: within how many milliseconds its clients are to come back. */
  get drain(): { readonly spread: number | undefined } | undefined {
    return this.#drain;
  }

  /** Sends a frame and waits for the next one. @throws {ChatError} the server's refusal, or how the connection ended */
  async ask(question: Frame): Promise<ServerFrame> {
    this.send([question]);
    const answer = await this.#next();
    if (answer.type === 'error') throw this.#fail(refusal(answer));
    if (answer.type === 'welcome') throw this.violation('it said WELCOME twice');
    return answer;
  }

  /** Hands all further frames to `listener`. */
  listen(listener: ConnectionListener): void {
    this.#listener = listener;
    if (this.#end === undefined) this.#read();
    else listener.ended(this.#end);
  }

  /**
   * Several frames go out in one write, of which none is longer than the longest frame can be: by WebSocket each is a message, and the
   * server takes none that is longer.
   */
  send(frames: readonly Frame[]): void {
    if (this.#end !== undefined || frames.length === 0) return;
    const most = LENGTH_BYTES + this.maxFrame;
    let pieces: Uint8Array[] = [];
    let bytes = 0;
    for (const piece of frames.map(encodeFrame)) {
      if (pieces.length > 0 && bytes + piece.length > most) {
        this.#stream.send(joined(pieces));
        pieces = [];
        bytes = 0;
      }
      pieces.push(piece);
      bytes += piece.length;
    }
    this.#stream.send(pieces.length === 1 ? pieces[0]! : joined(pieces));
    if (this.#stream.unsent > MAX_UNSENT) this.violation('it does not read what it is sent');
  }

  /** Stops handing out frames. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#heard = true;
    if (this.#end === undefined) this.#read();
  }

  /** Ends the connection, because the server does what it must not. */
  violation(what: string): ChatError {
    return this.#fail(new ChatError('CHAT_PROTOCOL_VIOLATION', `The server breaks the protocol: ${what}.`));
  }

  /** Ends the connection for a reason of one's own. */
  abandon(reason: ChatError): void {
    this.#fail(reason);
  }

  /** Twice is fine. */
  close(): void {
    this.#fail(new ChatError('CHAT_CLOSED', 'The connection was closed.'));
  }

  async #readWelcome(): Promise<void> {
    const welcome = await this.#next();
    if (welcome.type === 'error') throw this.#fail(refusal(welcome));
    if (welcome.type !== 'welcome') throw this.violation('it does not begin with a WELCOME');
    if (welcome.lowest > HIGHEST_VERSION || welcome.highest < PROTOCOL_VERSION) {
      const text = `The server speaks the versions ${welcome.lowest} to ${welcome.highest}, this program ${PROTOCOL_VERSION} to ${HIGHEST_VERSION}.`;
      throw this.#fail(new ChatError('CHAT_UNSUPPORTED_VERSION', text));
    }
    this.#version = Math.min(welcome.highest, HIGHEST_VERSION);
    this.#challenge = new Uint8Array(welcome.challenge);
    this.#maxFrame = welcome.maxFrame;
    this.#decoder.maxFrame = welcome.maxFrame;
  }

  /** The next frame, within the time to connect. */
  #next(): Promise<OpeningFrame> {
    const { promise, resolve, reject } = Promise.withResolvers<OpeningFrame>();
    const timer = this.#options.environment.clock.after(this.#options.connectTimeout, () =>
      this.#fail(this.#hungUpFor('The server does not answer.')),
    );
    this.#waiting = (frame) => {
      timer[Symbol.dispose]();
      this.#waiting = undefined;
      if (frame instanceof ChatError) reject(frame);
      else resolve(frame);
    };
    if (this.#end === undefined) this.#read();
    else this.#waiting(this.#end);
    return promise;
  }

  #received(piece: Uint8Array): void {
    if (this.#end !== undefined) return;
    this.#heard = true;
    this.#isMute = false;
    this.#pinged = false;
    this.#decoder.push(piece);
    this.#read();
  }

  #read(): void {
    if (this.#reading) return;
    this.#reading = true;
    try {
      while (this.#wanted) {
        const frame = this.#decoder.next();
        if (frame === undefined) break;
        this.#dispatch(frame);
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      if (this.#maxFrame === 0) this.#fail(noServer());
      else this.violation(error.message.replace(/\.$/, ''));
    } finally {
      this.#reading = false;
    }
    if (this.#end !== undefined) return;
    this.#grant();
    if (this.#wanted) this.#stream.resume();
    else this.#stream.pause();
  }

  #grant(): void {
    const limit = this.#window?.toGrant(this.#decoder.readBytes);
    if (limit !== undefined) this.send([{ type: 'window', limit }]);
  }

  get #wanted(): boolean {
    const reader = this.#waiting ?? this.#listener;
    return reader !== undefined && !this.#paused && this.#end === undefined;
  }

  #dispatch(frame: Frame): void {
    switch (frame.type) {
      case 'ping':
        this.send([{ type: 'pong', token: frame.token }]);
        return;
      case 'pong':
        return;
      case 'drain':
        this.#drain = { spread: frame.spread };
        return;
      case 'create':
      case 'join':
      case 'publish':
      case 'publish_at':
      case 'window':
      case 'moved':
        this.violation(`it sent a ${frame.type.toUpperCase()}`);
        return;
      case 'damaged':
      case 'count':
        if (this.#version < 2) this.violation(`it sent a ${frame.type.toUpperCase()}, which is of version 2`);
        else this.#hand(frame);
        return;
      case 'welcome':
        if (this.#waiting === undefined) this.violation('it said WELCOME twice');
        else this.#waiting(frame);
        return;
      default:
        this.#hand(frame);
    }
  }

  #hand(frame: ServerFrame): void {
    if (this.#waiting !== undefined) this.#waiting(frame);
    else if (frame.type === 'error' && protocolErrorCode(frame.code) !== 'STORAGE_FULL')
      this.#fail(refusal(frame));
    else this.#listener?.frame(frame);
  }

  #fail(reason: ChatError): ChatError {
    if (this.#end !== undefined) return this.#end;
    this.#end = reason;
    this.#idleTimer?.[Symbol.dispose]();
    this.#options.signal.removeEventListener('abort', this.#abort);
    this.#stream.close();
    this.#waiting?.(reason);
    this.#listener?.ended(reason);
    return reason;
  }

  readonly #abort = () => this.close();

  #hungUp(reason: string | undefined): void {
    if (this.#drain !== undefined) this.#fail(new ChatError('CHAT_UNAVAILABLE', 'The server is going down.'));
    else if (reason === undefined) this.#fail(this.#hungUpFor('The server hung up.'));
    else this.#fail(this.#hungUpFor(`The connection broke: ${reason}.`));
  }

  #hungUpFor(text: string): ChatError {
    const hint = this.#isMute ? aboutMute(this.#options.server) : '';
    return new ChatError('CHAT_HUNG_UP', text + hint);
  }

  #armIdleTimer(): void {
    this.#heard = false;
    this.#idleTimer = this.#options.environment.clock.after(this.#options.idleTimeout, () =>
      this.#checkIdle(),
    );
  }

  /** While paused nothing is heard, by one's own choice. */
  #checkIdle(): void {
    if (!this.#heard && this.#pinged && !this.#paused) {
      this.#fail(new ChatError('CHAT_HUNG_UP', 'The server has fallen silent.'));
      return;
    }
    if (!this.#heard && this.#mayPing) {
      this.#pinged = true;
      this.send([{ type: 'ping', token: 0 }]);
    }
    if (this.#end === undefined) this.#armIdleTimer();
  }

  /** PING is allowed after JOINED. */
  get #mayPing(): boolean {
    return this.#listener !== undefined;
  }
}

function noServer(): ChatError {
  return new ChatError(
    'CHAT_PROTOCOL_VIOLATION',
    'What answers there is no skytale server: it begins otherwise.',
  );
}

/** Ends in time, whatever the dialing does. @throws {ChatError} CHAT_UNREACHABLE */
async function dialInTime(options: ConnectionOptions): Promise<ByteStream> {
  const { server, environment, connectTimeout, signal } = options;
  const controller = new AbortController();
  const ended = Promise.withResolvers<never>();
  const giveUp = (reason: Error) => {
    controller.abort(reason);
    ended.reject(reason);
  };
  const abort = () => giveUp(new Error('it was given up'));
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  using _ = environment.clock.after(connectTimeout, () => giveUp(new Error('it does not answer')));
  const dialing = environment.dial(server, controller.signal);
  try {
    return await Promise.race([dialing, ended.promise]);
  } catch (error) {
    dialing.then((stream) => stream.close()).catch(() => {});
    throw error instanceof ChatError ? error : unreachable(server, error);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
