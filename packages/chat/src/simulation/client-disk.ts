import type { ClientEnvironment } from '../client/environment.ts';
import type { StateStore } from '../client/state-store.ts';
import type { Clock } from '../clock.ts';
import type { SeededRandom } from './seeded-random.ts';
import { SlowStore } from './slow-store.ts';

/** How a client's disk is for now. */
export interface ClientDiskConditions {
  /** Longest time that a commit takes, in milliseconds. */
  readonly latency: number;
  /** How likely it fails: it is then not stored, nor is any that the process asks for later. */
  readonly failing: number;
}

export const fastClientDisk: ClientDiskConditions = { latency: 1, failing: 0 };

/** What a disk is made of: the states of one member, which outlive the clients that use them. */
export interface Medium {
  readonly openStore: ClientEnvironment['openStore'];
  /** The processes that have states open are gone; what they had committed stays. */
  kill(): void;
  /** The same, and what was not written for good is lost too. @returns whether there was such */
  cutPower(): boolean;
}

/** The disk of one member over all the lives of its client: it may be slow, fail, hang, and lose its power. */
export class ClientDisk {
  conditions = fastClientDisk;
  readonly #medium: Medium;
  readonly #clock: Clock;
  readonly #random: SeededRandom;
  readonly #open = new Set<SlowStore>();
  /** When it answers again. */
  #hungUntil = 0;

  constructor(medium: Medium, clock: Clock, random: SeededRandom) {
    this.#medium = medium;
    this.#clock = clock;
    this.#random = random;
  }

  /** As `ClientEnvironment.openStore`. */
  async openStore(room: Uint8Array, name: string, newSeed: () => Uint8Array): Promise<StateStore> {
    const store = new SlowStore(await this.#medium.openStore(room, name, newSeed), () => this.#write());
    this.#open.add(store);
    return store;
  }

  /** The process is gone: what it had not finished writing is lost. */
  kill(): void {
    this.#endStores();
    this.#medium.kill();
  }

  /** As `Medium.cutPower`. */
  cutPower(): boolean {
    this.#endStores();
    return this.#medium.cutPower();
  }

  /** It answers nothing for a while. */
  hang(ms: number): void {
    this.#hungUntil = this.#clock.monotonic() + ms;
  }

  heal(): void {
    this.conditions = fastClientDisk;
    this.#hungUntil = 0;
  }

  #endStores(): void {
    for (const store of this.#open) store.kill();
    this.#open.clear();
  }

  async #write(): Promise<void> {
    const { latency, failing } = this.conditions;
    const hung = Math.max(0, this.#hungUntil - this.#clock.monotonic());
    const ms = hung + this.#random.fraction() * latency;
    await new Promise<void>((resolve) => this.#clock.after(ms, resolve));
    if (this.#random.chance(failing)) throw new Error('the simulated disk was made to fail');
  }
}
