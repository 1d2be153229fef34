import { MemoryDisk } from '../client/memory-store.ts';
import type { Clock } from '../clock.ts';
import type { SeededRandom } from './seeded-random.ts';

/** How a client's disk is for now. */
export interface ClientDiskConditions {
  /** Longest time that a commit takes, in milliseconds. */
  readonly latency: number;
  /** How likely it fails: it is then not stored, nor is any that the process asks for later. */
  readonly failing: number;
}

export const fastClientDisk: ClientDiskConditions = { latency: 1, failing: 0 };

/** The disk of one member over all the lives of its client: it may be slow, fail, hang, and lose its power. */
export class ClientDisk extends MemoryDisk {
  conditions = fastClientDisk;
  readonly #clock: Clock;
  /** When it answers again. */
  #hungUntil = 0;

  constructor(clock: Clock, random: SeededRandom) {
    super({
      write: async () => {
        const { latency, failing } = this.conditions;
        const hung = Math.max(0, this.#hungUntil - clock.monotonic());
        await new Promise<void>((resolve) => clock.after(hung + random.fraction() * latency, resolve));
        if (random.chance(failing)) throw new Error('the simulated disk was made to fail');
      },
    });
    this.#clock = clock;
  }

  /** It answers nothing for a while. */
  hang(ms: number): void {
    this.#hungUntil = this.#clock.monotonic() + ms;
  }

  heal(): void {
    this.conditions = fastClientDisk;
    this.#hungUntil = 0;
  }
}
