import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { parseServerAddress, type ServerAddress } from '../../encryption/server-address.ts';
import { FrameDecoder } from '../../protocol/frame-decoder.ts';
import { DEFAULT_MAX_FRAME, encodeFrame, type Frame, PROTOCOL_VERSION } from '../../protocol/frames.ts';

type FrameOf<Type extends Frame['type']> = Extract<Frame, { type: Type }>;

/** A server that does exactly what a test says, right or wrong: the hostile one. */
export class ScriptedServer implements AsyncDisposable {
  readonly address: ServerAddress;
  readonly #server: Server;
  readonly #all: ScriptedConnection[] = [];
  /** Those that no test has accepted yet. */
  readonly #connections: ScriptedConnection[] = [];
  readonly #waiting: ((connection: ScriptedConnection) => void)[] = [];

  static async listen(): Promise<ScriptedServer> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new ScriptedServer(server);
  }

  private constructor(server: Server) {
    this.#server = server;
    this.address = parseServerAddress(`127.0.0.1:${(server.address() as AddressInfo).port}`);
    server.on('connection', (socket) => {
      const connection = new ScriptedConnection(socket);
      this.#all.push(connection);
      const waiting = this.#waiting.shift();
      if (waiting === undefined) this.#connections.push(connection);
      else waiting(connection);
    });
  }

  /** The next connection; nothing was said on it. */
  async accept(): Promise<ScriptedConnection> {
    return this.#connections.shift() ?? new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** The next connection, after WELCOME and JOIN. */
  async acceptJoin(
    welcome: Partial<FrameOf<'welcome'>> = {},
  ): Promise<ScriptedConnection & { join: FrameOf<'join'> }> {
    const connection = await this.accept();
    connection.welcome(welcome);
    return Object.assign(connection, { join: await connection.next('join') });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#all) connection.hangUp();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

export class ScriptedConnection {
  readonly #socket: Socket;
  readonly #decoder = new FrameDecoder();
  readonly #frames: Frame[] = [];
  readonly #closed = Promise.withResolvers<void>();
  #wake: (() => void) | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (piece: Buffer) => {
      this.#decoder.push(piece);
      for (let frame = this.#decoder.next(); frame !== undefined; frame = this.#decoder.next()) {
        if (frame.type !== 'ping') this.#frames.push(frame);
      }
      this.#wake?.();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#closed.resolve();
      this.#wake?.();
    });
  }

  /** Resolves when the client has hung up. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  welcome(change: Partial<FrameOf<'welcome'>> = {}): void {
    const challenge = new Uint8Array(32).fill(9);
    const version = { lowest: PROTOCOL_VERSION, highest: PROTOCOL_VERSION };
    this.send({ type: 'welcome', ...version, maxFrame: DEFAULT_MAX_FRAME, challenge, ...change });
  }

  send(...frames: Frame[]): void {
    for (const frame of frames) this.sendBytes(encodeFrame(frame));
  }

  sendBytes(bytes: Uint8Array): void {
    if (!this.#socket.destroyed) this.#socket.write(bytes);
  }

  /** The client's next frame, which must be of this type. */
  async next<Type extends Frame['type']>(type: Type): Promise<FrameOf<Type>> {
    while (this.#frames.length === 0) {
      if (this.#socket.destroyed) throw new Error(`the client hung up, and did not send ${type}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const frame = this.#frames.shift()!;
    if (frame.type !== type) throw new Error(`the client sent ${frame.type}, and not ${type}`);
    return frame as FrameOf<Type>;
  }

  /** Hangs up after the client has got what was sent. */
  end(): void {
    this.#socket.end();
  }

  hangUp(): void {
    this.#socket.destroy();
  }
}
