import { type Logger, pino } from 'pino';
import { type Clock, systemClock } from '../clock.ts';
import { LogError } from '../log/log-error.ts';
import type { MessageLog } from '../log/message-log.ts';
import { SqliteLog } from '../log/sqlite-log.ts';
import { encodeFrame } from '../protocol/frames.ts';
import { ProtocolError, protocolErrors } from '../protocol/protocol-error.ts';
import { Client, type ClientHost } from './client.ts';
import { Committer } from './committer.ts';
import type { Connection } from './connection.ts';
import { type Counters, newCounters } from './counters.ts';
import { Listeners } from './listeners.ts';
import { Room, type Tails } from './room.ts';
import { type Address, type ServerSettings, type ServerSettingsInput, serverSettings } from './settings.ts';
import { Sockets } from './sockets.ts';

/** How often time-outs of clients are looked at; they may be so much longer. */
const TICK_MS = 1000;
/** How often old messages and unused rooms are looked for. */
const PRUNE_MS = 60_000;
const DAY_MS = 24 * 3600 * 1000;

/** What a server uses that is not a setting. */
export interface ServerParts {
  /** Where it says who came, who hung up and why. Never content, and ids only shortened. Default: nowhere. */
  readonly logger?: Logger;
  /** Default: SQLite in the directory of the settings. The server closes it. */
  readonly log?: MessageLog;
  readonly clock?: Clock;
  /** Told when the message log has failed for good; the server goes on refusing until it is closed. */
  readonly onFailure?: (error: unknown) => void;
}

/**
 * The chat server: carries messages of rooms between clients, in one order for all, stored before they are
 * acknowledged (docs/protocol.md). It sees ids, numbers and ciphertext.
 */
export class ChatServer implements AsyncDisposable {
  readonly settings: ServerSettings;
  /** What it has done so far; read it at any time. */
  readonly counters: Counters = newCounters();
  readonly #log: MessageLog;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #onFailure: (error: unknown) => void;
  readonly #committer: Committer;
  readonly #sockets: Sockets;
  readonly #clients = new Map<Client, Connection>();
  readonly #rooms = new Map<string, Promise<Room | undefined>>();
  /** What clients see of the server. */
  readonly #host: ClientHost;
  readonly #tails: Tails = { bytes: 0 };
  #listeners: Listeners | undefined;
  #creating: Promise<void> = Promise.resolve();
  #nextConnection = 1;
  #timers: Disposable[] = [];
  #failed = false;
  #closing: Promise<void> | undefined;

  private constructor(settings: ServerSettings, log: MessageLog, parts: ServerParts) {
    this.settings = settings;
    this.#log = log;
    this.#clock = parts.clock ?? systemClock;
    this.#logger = parts.logger ?? pino({ level: 'silent' });
    this.#onFailure = parts.onFailure ?? (() => undefined);
    this.#sockets = new Sockets(settings, this.#clock, (open) => {
      this.counters.sockets = open;
    });
    this.#committer = new Committer(log, this.#clock, this.counters, (error, clients) => {
      this.#logFailed(error);
      for (const client of clients) client.refuse(error);
    });
    this.#host = {
      settings,
      clock: this.#clock,
      counters: this.counters,
      committer: this.#committer,
      createRoom: (id) => this.#createRoom(id.toString('hex')),
      enterRoom: (id, client) => this.#enterRoom(id.toString('hex'), client),
      lastN: (room, member) => this.#lastN(room, member),
      left: (room) => this.#forgetWhenUnused(room),
      entered: (client) => this.#clients.get(client)?.entered(),
      closed: (client) => this.#closed(client),
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
      }));
    const server = new ChatServer(settings, log, parts);
    try {
      server.#listeners = await Listeners.open(
        settings,
        server.#sockets,
        () => server.#closing === undefined && !server.#failed,
        {
          connection: (connection) => server.#connected(connection),
          acceptFailed: (error) => server.#logger.error({ err: error }, 'a connection could not be accepted'),
        },
      );
    } catch (error) {
      await log.close();
      throw error;
    }
    server.#every(TICK_MS, () => server.#tick());
    if (settings.retentionDays > 0) server.#every(PRUNE_MS, () => void server.#prune());
    server.#logger.info(server.addresses, 'listening');
    return server;
  }

  /** Where it listens; the ports are the real ones where the settings say 0. */
  get addresses(): { tcp: readonly Address[]; http: readonly Address[] } {
    return { tcp: this.#listeners?.tcp ?? [], http: this.#listeners?.http ?? [] };
  }

  /**
   * Stops without losing anything: takes no more connections and frames, stores and acknowledges what came
   * in, tells the clients (DRAIN), waits for them to take what is left, closes the log.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#logger.info({ connections: this.#clients.size }, 'stopping');
    this.#listeners?.close();
    for (const client of this.#clients.keys()) client.stop();
    await this.#committer.settled();
    for (const client of this.#clients.keys()) client.drain();
    await this.#allClosed();
    this.#sockets.destroyAll();
    for (const timer of this.#timers) timer[Symbol.dispose]();
    await this.#log.close();
    this.#logger.info('stopped');
  }

  /** Resolves when all clients have hung up, or when the time for that is over. */
  #allClosed(): Promise<void> {
    if (this.#clients.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onLastClosed = resolve;
      this.#timers.push(this.#clock.after(this.settings.closeTimeoutMs, resolve));
    });
  }

  #onLastClosed: () => void = () => undefined;

  #connected(connection: Connection): void {
    const { stream, peer, refusal } = connection;
    const id = this.#nextConnection;
    this.#nextConnection += 1;
    if (refusal !== undefined) {
      this.counters.refused += 1;
      this.#logger.warn({ connection: id, peer }, refusal);
      stream.on('error', () => undefined);
      stream.resume();
      const { number } = protocolErrors.TOO_MANY_CONNECTIONS;
      stream.end(encodeFrame({ type: 'error', code: number, text: refusal }));
      return;
    }
    this.counters.accepted += 1;
    this.counters.connections += 1;
    this.#logger.info({ connection: id, peer }, 'connected');
    const client = new Client(stream, this.#host, this.#logger, id);
    this.#clients.set(client, connection);
    if (this.#closing !== undefined) client.drain();
  }

  async #lastN(room: Room, member: string): Promise<number> {
    await this.#committer.settled();
    return this.#log.lastN(room.id, member);
  }

  #closed(client: Client): void {
    this.#clients.delete(client);
    this.counters.connections -= 1;
    if (this.#clients.size === 0) this.#onLastClosed();
  }

  /** One at a time, so that the limit holds. */
  #createRoom(id: string): Promise<void> {
    const created = this.#creating.then(() => this.#createRoomNow(id));
    this.#creating = created.catch(() => undefined);
    return created;
  }

  async #createRoomNow(id: string): Promise<void> {
    const { maxRooms } = this.settings;
    if ((await this.#log.roomState(id)) !== undefined) return;
    if (maxRooms > 0 && (await this.#log.roomCount()) >= maxRooms) {
      throw new ProtocolError('TOO_MANY_ROOMS', `This server keeps ${maxRooms} rooms, as many as it may.`);
    }
    try {
      await this.#log.createRoom(id);
    } catch (error) {
      if (error instanceof LogError && error.code === 'LOG_FULL') {
        throw new ProtocolError('STORAGE_FULL', 'The server has no more room for rooms.', { cause: error });
      }
      throw error;
    }
    this.#logger.info({ room: id.slice(0, 8) }, 'room created');
  }

  async #enterRoom(id: string, client: Client): Promise<Room | undefined> {
    const opening = this.#rooms.get(id) ?? this.#openRoom(id);
    this.#rooms.set(id, opening);
    const room = await opening;
    if (room !== undefined && !client.gone) room.claim(client);
    if (room !== undefined) this.#forgetWhenUnused(room);
    return client.gone ? undefined : room;
  }

  async #openRoom(id: string): Promise<Room | undefined> {
    try {
      const state = await this.#log.roomState(id);
      if (state === undefined) {
        this.#rooms.delete(id);
        return undefined;
      }
      this.counters.openRooms += 1;
      return new Room(id, state, {
        log: this.#log,
        counters: this.counters,
        clock: this.#clock,
        presenceDelayMs: this.settings.presenceDelayMs,
        tails: this.#tails,
      });
    } catch (error) {
      this.#rooms.delete(id);
      throw error;
    }
  }

  #forgetWhenUnused(room: Room): void {
    if (room.members.size > 0) return;
    void this.#committer.settled().then(() => {
      if (room.unused && this.#rooms.delete(room.id)) this.counters.openRooms -= 1;
    });
  }

  #logFailed(error: unknown): void {
    this.#logger.error({ err: error }, 'messages could not be stored');
    if (error instanceof LogError && error.code === 'LOG_FULL') return;
    this.#failed = true;
    this.#onFailure(error);
  }

  #tick(): void {
    const now = this.#clock.now();
    for (const client of this.#clients.keys()) client.tick(now);
  }

  /** Deletes what is older than the settings say, bit by bit. */
  async #prune(): Promise<void> {
    const before = this.#clock.now() - this.settings.retentionDays * DAY_MS;
    try {
      while (await this.#log.prune(before));
      for (const opening of this.#rooms.values()) {
        const room = await opening;
        const state = room && (await this.#log.roomState(room.id));
        if (room && state) room.pruned(state);
      }
    } catch (error) {
      this.#logger.error({ err: error }, 'old messages could not be deleted');
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
