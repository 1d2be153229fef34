/** Engines on Node, with IndexedDB in memory, against a server of this process. */
import 'fake-indexeddb/auto';
import type { ChatServer } from '@skytale/chat';
import { type ChatCrypto, ChatError, type Clock } from '@skytale/chat/client';
import { startServer } from '@skytale/chat/testing/server';
import { openWebCryptoDevice } from '@skytale/cryptodev/webcrypto';
import { Database } from '../engine/database.ts';
import { EngineService } from '../engine/engine-service.ts';
import { PageServer } from '../engine/page-server.ts';
import { webClock } from '../engine/web-clock.ts';
import { webCrypto } from '../engine/web-crypto.ts';
import { dialWebSocket } from '../engine/web-socket-stream.ts';
import type { EngineEvent, RoomEvent, RoomId } from '../engine.ts';

const platform = webCrypto();
/** Argon2id takes a second, and has its own cases: here another function of passphrase and salt does. */
const crypto: ChatCrypto = {
  ...platform,
  argon2id: (secret, salt) => platform.hkdf(secret, salt, new Uint8Array(0), 32),
};
let profiles = 0;

/** Short waits, so that tests need none of their own. */
const tuning = { retryFirst: 5, retryLongest: 20, refusedPause: 5, distrustInterval: 5, closeTimeout: 500 };

export function startChatServer(): Promise<ChatServer> {
  return startServer({ http: [{ host: '127.0.0.1', port: 0 }] });
}

/** A browser's profile, which keeps its database. */
export class Browser implements AsyncDisposable {
  readonly origin: string;
  /** Whether it reaches the server. */
  isOnline = true;
  readonly #name: string;
  readonly #clock: Clock;
  readonly #engines: TestEngine[] = [];

  constructor(origin: string, clock: Clock = webClock) {
    profiles += 1;
    this.#clock = clock;
    this.#name = `profile ${profiles}`;
    this.origin = origin;
  }

  /** An engine that leads from now on. */
  async start(): Promise<TestEngine> {
    const engine = await TestEngine.start(this.#name, this.origin, this.#clock, () => this.isOnline);
    this.#engines.push(engine);
    return engine;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const engine of this.#engines) await engine[Symbol.asyncDispose]();
    await new Promise<void>((resolve, reject) => {
      const request = indexedDB.deleteDatabase(this.#name);
      request.onsuccess = () => resolve();
      request.onerror = () => reject(request.error);
    });
  }
}

/** An engine and all that it told. */
export class TestEngine implements AsyncDisposable {
  readonly service: EngineService;
  readonly database: Database;
  readonly events: EngineEvent[];
  readonly #changed: Set<() => void>;
  readonly #close: () => Promise<void>;
  readonly deposed: Promise<void>;

  static async start(
    name: string,
    origin: string,
    clock: Clock,
    isOnline: () => boolean,
  ): Promise<TestEngine> {
    const database = await Database.open({ name });
    await database.lead();
    const device = openWebCryptoDevice();
    const events: EngineEvent[] = [];
    const changed = new Set<() => void>();
    const { promise: deposed, resolve: onDeposed } = Promise.withResolvers<void>();
    const service = await EngineService.open({
      ...{ database, crypto, device, onDeposed, tuning },
      environment: {
        ...{ clock, fraction: Math.random },
        dial: (address, signal) =>
          isOnline()
            ? dialWebSocket(address, signal)
            : Promise.reject(new ChatError('CHAT_UNREACHABLE', 'The server cannot be reached.')),
      },
      server: new PageServer(origin),
      tell: (event) => {
        events.push(event);
        for (const check of changed) check();
      },
    });
    const close = async () => {
      await service[Symbol.asyncDispose]();
      await device.close();
      database.close();
    };
    return new TestEngine(service, database, events, changed, deposed, close);
  }

  private constructor(
    service: EngineService,
    database: Database,
    events: EngineEvent[],
    changed: Set<() => void>,
    deposed: Promise<void>,
    close: () => Promise<void>,
  ) {
    this.service = service;
    this.database = database;
    this.events = events;
    this.deposed = deposed;
    this.#changed = changed;
    this.#close = close;
  }

  /** What was told of a room, in order. */
  of(room: RoomId): RoomEvent[] {
    return this.events.flatMap((event) => (event.kind === 'room' && event.room === room ? event.events : []));
  }

  /** The texts of a room that were told, one's own too. */
  texts(room: RoomId): string[] {
    return this.of(room).flatMap((event) =>
      event.kind === 'item' && event.item.kind === 'message' ? [event.item.text] : [],
    );
  }

  /** Resolves when a condition on what was told holds. */
  async until(condition: () => boolean): Promise<void> {
    if (condition()) return;
    await new Promise<void>((resolve) => {
      const check = () => {
        if (!condition()) return;
        this.#changed.delete(check);
        resolve();
      };
      this.#changed.add(check);
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }
}
