import type { CryptoDevice } from '@skytale/cryptodev';
import type { ChatCrypto } from '../crypto.ts';
import type { ServerAddress } from '../encryption/server-address.ts';
import type { ClientDisk, Medium } from './client-disk.ts';
import type { DurableLog } from './durable-log.ts';
import type { Witness } from './history.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { Link, SimulatedNetwork } from './simulated-network.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** What all people of a run share. */
export interface Place {
  readonly clock: VirtualClock;
  readonly network: SimulatedNetwork;
  readonly random: SeededRandom;
  readonly crypto: ChatCrypto;
  readonly device: CryptoDevice;
  readonly server: ServerAddress;
  /** What the servers' disk has. */
  readonly durable: DurableLog;
  /** What the disk of one more client is made of. */
  readonly newMedium: () => Medium;
}

/** What a client's disk has done to it. */
export interface Ruin {
  /** How often it ended because a commit was refused. */
  refused: number;
  /** How often a loss of power took something that was stored, but not for good. */
  lost: number;
}

/** One member of a room, over all the lives of its client; its disk outlives them. */
export interface Someone {
  readonly name: string;
  readonly witness: Witness;
  readonly warnings: readonly { readonly code: string; readonly text: string }[];
  /** Why it could not go on, or what it saw that must not be. */
  readonly fatal: readonly { readonly code: string; readonly message: string }[];
  /** Whether it finds out what somebody on the way does to its messages. */
  readonly sealed: boolean;
  readonly running: boolean;
  /** Messages of its own that it still has to bring to the server. */
  readonly unacknowledged: number;
  /** What it waits for, in words. */
  readonly waiting: readonly string[];
  /** Messages that it sent once more, as far as that is known. */
  readonly resent: number;
  /** Its connection, if it has one. */
  readonly link: Link | undefined;
  /** Its disk, if that can fail, and what became of that. */
  readonly disk: ClientDisk | undefined;
  readonly ruin: Ruin;
  /** How often it was told that something is damaged. */
  readonly damageTold: number;
  start(): Promise<void>;
  /** Says something new, of this many characters at least. */
  say(length: number): void;
  /** Ends as its user would end it. */
  close(): Promise<void>;
  /** Ends the process, or all power with it. */
  kill(power: boolean): void;
}
