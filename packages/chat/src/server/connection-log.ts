import { type Logger, stdSerializers } from 'pino';
import { networkOf } from './connection-limits.ts';

/** For how long is counted what was said of whom. */
const INTERVAL_MS = 60_000;
/** Connections of one network that are told of in that time; of more, their number. */
const TOLD_PER_NETWORK = 20;
/** Networks of which anything is told in that time. Each costs about 100 bytes here. */
const TOLD_NETWORKS = 500;

/**
 * What the log says of connections: who came, what became of it, who was refused. Anybody can connect as often as they like, so
 * that there are bounds: beyond them it is counted only, and the numbers are told once for each interval.
 */
export class ConnectionLog {
  readonly #logger: Logger;
  readonly #silent: Logger;
  readonly #told = new Map<string, number>();
  #begunAt: number;
  #untold = { connected: 0, refused: 0, failed: 0 };

  /** @param now monotonic, in milliseconds; the same of `tick` */
  constructor(logger: Logger, now: number) {
    this.#logger = logger;
    this.#silent = logger.child({}, { level: 'silent' });
    this.#begunAt = now;
  }

  /** @returns where to say more of this connection */
  connected(connection: number, peer: string | undefined): Logger {
    if (!this.#tells(peer)) {
      this.#untold.connected += 1;
      return this.#silent;
    }
    this.#logger.info({ connection, peer }, 'connected');
    return this.#logger;
  }

  refused(connection: number, peer: string | undefined, text: string): void {
    if (this.#tells(peer)) this.#logger.warn({ connection, peer }, text);
    else this.#untold.refused += 1;
  }

  /** The system had a connection that it could not give. */
  failed(error: Error): void {
    if (this.#tells(undefined)) this.#logger.error({ err: error }, 'a connection could not be accepted');
    else this.#untold.failed += 1;
  }

  /** To be called every second or so. */
  tick(now: number): void {
    if (now - this.#begunAt < INTERVAL_MS) return;
    this.#begunAt = now;
    this.tellRest();
  }

  /** Tells what was not told, and begins anew. */
  tellRest(): void {
    this.#told.clear();
    const untold = this.#untold;
    if (untold.connected + untold.refused + untold.failed === 0) return;
    this.#untold = { connected: 0, refused: 0, failed: 0 };
    this.#logger.warn(untold, 'more connections than are told of one by one');
  }

  #tells(peer: string | undefined): boolean {
    const network = networkOf(peer);
    const told = this.#told.get(network) ?? 0;
    if (told >= TOLD_PER_NETWORK || (told === 0 && this.#told.size >= TOLD_NETWORKS)) return false;
    this.#told.set(network, told + 1);
    return true;
  }
}

/** A logger that shortens the ids of rooms and members in errors, as everything that is logged here does: errors name them whole. */
export function withShortIds(logger: Logger): Logger {
  const short = (text: string) => text.replace(/\b([0-9a-f]{8})[0-9a-f]{24,}\b/g, '$1…');
  const err = (error: Error) => {
    const { message, stack, ...rest } = stdSerializers.err(error);
    return { ...rest, message: short(message), stack: short(stack) };
  };
  return logger.child({}, { serializers: { err } });
}
