import type { Logger } from 'pino';
import type { Clock } from '../clock.ts';
import type { Counters } from './counters.ts';

/** How long nothing must have been refused until it is believed that there is space again: short messages may fit where others do not. */
const CALM_MS = 60_000;

/**
 * Tells the operator, once each, that the storage is full, and that it no longer is. O(1) for whatever is stored or refused.
 */
export class StorageSpace {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #counters: Counters;
  /** When something was refused last; `undefined` unless it is full. */
  #refusedAt: number | undefined;
  #refused = 0;
  #storedSince = false;

  constructor(clock: Clock, logger: Logger, counters: Counters) {
    this.#clock = clock;
    this.#logger = logger;
    this.#counters = counters;
  }

  /** The log had no space for something: for what waited of a room, or for a new room. */
  refused(): void {
    this.#counters.noSpace += 1;
    if (this.#refusedAt === undefined) {
      this.#counters.full = 1;
      this.#refused = 0;
      this.#logger.warn(
        'the storage is full (--max-storage, or the disk): what comes is refused until there is space again',
      );
    }
    this.#refusedAt = this.#clock.monotonic();
    this.#refused += 1;
    this.#storedSince = false;
  }

  /** The log stored something. */
  stored(): void {
    this.#storedSince = true;
  }

  /** To be called every second or so. @param now monotonic, in milliseconds */
  tick(now: number): void {
    if (this.#refusedAt === undefined || !this.#storedSince || now - this.#refusedAt < CALM_MS) return;
    this.#refusedAt = undefined;
    this.#counters.full = 0;
    this.#logger.info({ refused: this.#refused }, 'the storage has space again');
  }
}
