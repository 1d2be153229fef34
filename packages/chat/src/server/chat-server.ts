import type { Duplex } from 'node:stream';
import { type Logger, pino } from 'pino';
import { type Clock, systemClock } from '../clock.ts';
import { LogError, shortId } from '../log/log-error.ts';
import type { MessageLog } from '../log/message-log.ts';
import { SqliteLog } from '../log/sqlite-log.ts';
import { nodeCrypto } from '../node-crypto.ts';
import { encodeFrame } from '../protocol/frames.ts';
import { ProtocolError, protocolErrors } from '../protocol/protocol-error.ts';
import type { ServerCrypto } from './access.ts';
import { Backlog } from './backlog.ts';
import { ClientConnection, type ConnectionHost } from './client-connection.ts';
import { type Connection, watchPieces } from './connection.ts';
import { networkOf } from './connection-limits.ts';
import { ConnectionLog, withShortIds } from './connection-log.ts';
import { WriteTurn } from './connection-writer.ts';
import { ControlSocket } from './control-socket.ts';
import { type Counters, newCounters } from './counters.ts';
import { Listeners } from './listeners.ts';
import { LogQuestions } from './log-questions.ts';
import { ReadBudget } from './read-budget.ts';
import { RoomCreation } from './room-creation.ts';
import { RoomTable } from './room-table.ts';
import { type Address, type ServerSettings, type ServerSettingsInput, serverSettings } from './settings.ts';
import { Sockets } from './sockets.ts';
import { StorageSpace } from './storage-space.ts';
import { TailBytes } from './tail.ts';
import type { WebPages } from './web-pages.ts';

/** How often time-outs of clients are looked at; they may be so much longer. */
const TICK_MS = 1000;
/** How often old messages, unused rooms, and rooms whose deletion was cut off are looked for. */
const PRUNE_MS = 60_000;
const DAY_MS = 24 * 3600 * 1000;
/** When the server stops, its clients are to come back within this time, and so much more for each connection. */
const DRAIN_MS = 250;
const DRAIN_MS_PER_CONNECTION = 2;

/** What one that is refused may send until it has taken the reason; it has been told nothing yet that it could answer. In bytes. */
const MAX_REFUSED_BYTES = 64 * 1024;

/** What the way by which a connection came has to say of it, and to hear. */
type Transport = Omit<Connection, 'stream' | 'peer'>;
const plain = (stream: Duplex): Transport => ({
  refusal: undefined,
  wireBytes: undefined,
  entered: () => undefined,
  watch: (listener) => watchPieces(stream, listener),
});

/** What a server uses that is not a setting. */
export interface ServerParts {
  /** Where it says who came, who hung up and why. Never content, and ids only shortened. Default: nowhere. */
  readonly logger?: Logger;
  /** Default: SQLite in the directory of the settings. The server closes it. */
  readonly log?: MessageLog;
  /** Default: the machine's; the same of the next. */
  readonly clock?: Clock;
  readonly crypto?: ServerCrypto;
  /** Handed out over HTTP. Default: a page that says what this is. */
  readonly pages?: WebPages;
  /** Told, once, when the message log is gone for good; the server goes on refusing until it is closed. */
  readonly onFailure?: (error: unknown) => void;
}

/**
 * The chat server: carries messages of rooms between clients, in one order for all, stored before they are
 * acknowledged (docs/protocol.md). It sees ids, numbers and ciphertext.
 *
 * Who owns what: a `ClientConnection` its frames and its end, `RoomTable` which rooms there are, a `Room` what becomes
 * of its messages. Here: connections, creating and pruning rooms, starting and stopping.
 */
export class ChatServer implements AsyncDisposable {
  readonly settings: ServerSettings;
  /** What it has done so far; read it at any time. */
  readonly counters: Counters = newCounters();
  readonly #log: MessageLog;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #connectionLog: ConnectionLog;
  readonly #onFailure: (error: unknown) => void;
  readonly #sockets: Sockets;
  readonly #connections = new Map<ClientConnection, Transport>();
  readonly #questions = new LogQuestions();
  readonly #backlog = new Backlog();
  readonly #tails = new TailBytes();
  readonly #reads = new ReadBudget();
  readonly #rooms: RoomTable;
  readonly #creation: RoomCreation;
  readonly #space: StorageSpace;
  /** What connections see of the server. */
  readonly #host: ConnectionHost;
  #listeners: Listeners | undefined;
  #control: ControlSocket | undefined;
  #pruning = false;
  #nextConnection = 1;
  readonly #timers: Disposable[] = [];
  #failed = false;
  #closing: Promise<void> | undefined;

  private constructor(settings: ServerSettings, log: MessageLog, parts: ServerParts) {
    const { counters } = this;
    const clock = parts.clock ?? systemClock;
    const logger = withShortIds(parts.logger ?? pino({ level: 'silent' }));
    this.settings = settings;
    this.#log = log;
    this.#clock = clock;
    this.#logger = logger;
    this.#connectionLog = new ConnectionLog(logger, Math.floor(clock.monotonic()));
    this.#onFailure = parts.onFailure ?? (() => undefined);
    this.#sockets = new Sockets(settings, clock, (open) => {
      counters.sockets = open;
    });
    this.#creation = new RoomCreation(log, clock, settings);
    this.#space = new StorageSpace(clock, logger, counters);
    this.#rooms = new RoomTable(
      {
        log,
        clock,
        counters,
        backlog: this.#backlog,
        tails: this.#tails,
        reads: this.#reads,
        questions: this.#questions,
        limits: settings,
        presenceDelayMs: settings.presenceDelayMs,
        space: this.#space,
      },
      (room, error) => this.#roomFailed(room, error),
    );
    this.#host = {
      settings,
      clock,
      crypto: parts.crypto ?? nodeCrypto(),
      counters,
      backlog: this.#backlog,
      turn: new WriteTurn(),
      rooms: this.#rooms,
      createRoom: (id, peer) => this.#createRoom(id.toString('hex'), networkOf(peer)),
      entered: (connection) => this.#connections.get(connection)?.entered(),
      closed: (connection) => this.#closed(connection),
    };
  }

  /**
   * Opens the log and listens.
   * @throws {ServerError} if a setting is wrong or an address cannot be listened at
   * @throws {LogError} if the data directory cannot be used
   */
  static async start(input: ServerSettingsInput = {}, parts: ServerParts = {}): Promise<ChatServer> {
    const settings = serverSettings(input);
    const log =
      parts.log ??
      (await SqliteLog.open({
        directory: settings.data,
        durability: settings.durability,
        maxBytes: settings.maxStorageBytes,
        onDamage: ({ room, first, last, what }) =>
          parts.logger?.error({ room: shortId(room), first, last }, `damaged in the database: ${what}`),
      }));
    const server = new ChatServer(settings, log, parts);
    try {
      server.#listeners = await Listeners.open(
        settings,
        server.#sockets,
        () => server.#closing === undefined && !server.#failed,
        {
          connection: (connection) => server.accept(connection.stream, connection.peer, connection),
          acceptFailed: (error) => server.#connectionLog.failed(error),
        },
        parts.pages,
      );
    } catch (error) {
      await log.close();
      throw error;
    }
    if (parts.log === undefined) await server.#openControl();
    server.#every(TICK_MS, () => server.#tick());
    server.#every(PRUNE_MS, () => void server.#prune());
    server.#logger.info(server.addresses, 'listening');
    return server;
  }

  /** Without it the server can do all that it is for. */
  async #openControl(): Promise<void> {
    try {
      this.#control = await ControlSocket.open(this.settings.data, this.#log, this.#clock);
    } catch (error) {
      this.#logger.warn({ err: error }, 'there is no control socket: "skytale rooms" cannot ask this server');
    }
  }

  /** Where it listens; the ports are the real ones where the settings say 0. */
  get addresses(): { tcp: readonly Address[]; http: readonly Address[] } {
    return { tcp: this.#listeners?.tcp ?? [], http: this.#listeners?.http ?? [] };
  }

  /** What clients hold of its memory, in bytes, and of its log; nothing when all have gone. */
  get held(): {
    readonly backlog: number;
    readonly tails: number;
    readonly reads: number;
    readonly questions: number;
  } {
    return {
      backlog: this.#backlog.used,
      tails: this.#tails.bytes,
      reads: this.#reads.used,
      questions: this.#questions.open,
    };
  }

  /**
   * Serves a connection, whoever brings it: a stream of the protocol's bytes.
   * @param peer the address at its other end, by which connections and rooms are counted
   */
  accept(stream: Duplex, peer: string | undefined, transport: Transport = plain(stream)): void {
    const id = this.#nextConnection;
    this.#nextConnection += 1;
    if (transport.refusal !== undefined) {
      this.#refuse(stream, transport, id, peer);
      return;
    }
    this.counters.accepted += 1;
    this.counters.connections += 1;
    const log = this.#connectionLog.connected(id, peer);
    const connection = new ClientConnection({ ...transport, stream, peer }, this.#host, log, id);
    this.#connections.set(connection, transport);
    if (this.#closing !== undefined) connection.drain(this.#spread());
  }

  /**
   * Stops without losing anything: takes no more connections and frames, stores and acknowledges what came
   * in, tells the clients (DRAIN), waits for them to take what is left, closes the log. For each of storing, taking and
   * closing the close time-out is the bound: a disk that hangs does not keep it from stopping, and what was not
   * acknowledged the clients still have.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#logger.info({ connections: this.#connections.size }, 'stopping');
    this.#listeners?.close();
    for (const connection of this.#connections.keys()) connection.stop();
    await this.#inTime('storing what came in', this.#rooms.settled());
    const spread = this.#spread();
    for (const connection of this.#connections.keys()) connection.drain(spread);
    await this.#inTime('hanging up', this.#allClosed());
    // Those that somebody else brought have no socket here.
    for (const connection of this.#connections.keys()) connection.destroy();
    this.#sockets.destroyAll();
    for (const timer of this.#timers) timer[Symbol.dispose]();
    // Before the log, whose lock says that the directory is ours.
    this.#control?.close();
    await this.#inTime('closing the log', this.#log.close());
    this.#connectionLog.tellRest();
    this.#logger.info('stopped');
  }

  /** Waits until something is done, but for no longer than the close time-out. */
  async #inTime(what: string, done: Promise<void>): Promise<void> {
    const late = Promise.withResolvers<void>();
    using _timer = this.#clock.after(this.settings.closeTimeoutMs, () => {
      this.#logger.warn(`${what} takes too long, and is not waited for`);
      late.resolve();
    });
    await Promise.race([done, late.promise]);
  }

  /** Resolves when all clients have hung up. */
  #allClosed(): Promise<void> {
    if (this.#connections.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onLastClosed = resolve;
    });
  }

  #onLastClosed: () => void = () => undefined;

  /** Milliseconds within which the clients should come back: verifying who they are takes time for each. */
  #spread(): number {
    return DRAIN_MS + DRAIN_MS_PER_CONNECTION * this.#connections.size;
  }

  #refuse(stream: Duplex, { refusal: text = '', watch }: Transport, connection: number, peer?: string): void {
    this.counters.refused += 1;
    this.#connectionLog.refused(connection, peer, text);
    stream.on('error', () => undefined);
    let left = MAX_REFUSED_BYTES;
    watch((cost) => {
      left -= cost;
      if (left < 0) stream.destroy();
    });
    stream.resume();
    stream.end(encodeFrame({ type: 'error', code: protocolErrors.TOO_MANY_CONNECTIONS.number, text }));
  }

  #closed(connection: ClientConnection): void {
    this.#connections.delete(connection);
    this.counters.connections -= 1;
    if (this.#connections.size === 0) this.#onLastClosed();
  }

  async #createRoom(id: string, creator: string): Promise<void> {
    const isNew = await this.#questions
      .ask(() => this.#creation.create(id, creator))
      .catch((error) => {
        if ((error as ProtocolError).code === 'STORAGE_FULL') this.#space.refused();
        throw error;
      });
    if (!isNew) return;
    this.#space.stored();
    this.#logger.info({ room: shortId(id) }, 'room created');
  }

  /** That is the room's own matter, unless the log is gone for all. */
  #roomFailed(room: string, error: unknown): void {
    if (error instanceof ProtocolError && error.code === 'NO_SUCH_ROOM') return;
    this.#logger.error({ room: shortId(room), err: error }, 'a room has failed');
    if (this.#failed || this.#closing !== undefined) return;
    if (!(error instanceof LogError && error.final)) return;
    this.#failed = true;
    this.#onFailure(error);
  }

  #tick(): void {
    // Whole numbers take no memory of their own.
    const now = Math.floor(this.#clock.monotonic());
    for (const connection of this.#connections.keys()) connection.tick(now);
    this.#rooms.tick(now);
    this.#connectionLog.tick(now);
    this.#space.tick(now);
  }

  /** Deletes what is older than the settings say, bit by bit. One round at a time, however long the log takes. */
  async #prune(): Promise<void> {
    if (this.#pruning) return;
    this.#pruning = true;
    const { retentionDays, emptyRoomDays } = this.settings;
    const ago = (days: number) => (days > 0 ? this.#clock.now() - days * DAY_MS : 0);
    try {
      while (await this.#log.prune(ago(retentionDays), ago(emptyRoomDays))) {
        if (this.#closing !== undefined) return;
      }
      await this.#rooms.refresh();
    } catch (error) {
      // A log that is being closed answers nothing more.
      if (this.#closing === undefined)
        this.#logger.error({ err: error }, 'old messages could not be deleted');
    } finally {
      this.#pruning = false;
    }
  }

  #every(ms: number, work: () => void): void {
    const index = this.#timers.length;
    const again = () => {
      this.#timers[index] = this.#clock.after(ms, () => {
        again();
        work();
      });
    };
    again();
  }
}
