/** Operations of AES-CBC that libIPSec_MB carries out together, whatever their keys and directions. */
import type { Segments } from '@skytale/virtio';
import type { Direction } from '../crypto-device.ts';
import type { CipherBatch, EngineCipher } from '../engine.ts';
import { IpsecMbCipher } from './ipsec-mb-cipher.ts';
import { addressOf } from './libcrypto.ts';
import { Jobs, type KeyLength, longestMessage, type Manager } from './libipsec-mb.ts';
import { assertSameLength } from './stretches.ts';

/** Twice the lanes of the widest registers: more gains little, and what is worked on falls out of the cache. */
const capacity = 32;
/** Measured with 64 requests at once: up to 192 bytes they take no longer one by one, and of 1 KiB nearly twice as long. */
const shortest = 256;
const blockLength = 16;

/** One call of the library is for one direction and length of key. */
class Group {
  readonly jobs: Jobs;
  count = 0;

  constructor(manager: Manager, direction: Direction, keyLength: KeyLength) {
    this.jobs = new Jobs(manager.jobSize, capacity, direction, keyLength);
  }
}

export class IpsecMbBatch implements CipherBatch {
  readonly capacity = capacity;
  readonly shortest = shortest;
  readonly #manager: Manager;
  /** Made when first needed. */
  readonly #groups: Record<Direction, Partial<Record<KeyLength, Group>>> = { encrypt: {}, decrypt: {} };
  readonly #begun: Group[] = [];
  /** What was put in, in order; of the first, all that `crypt` wants: one message alone is faster that way. */
  readonly #ciphers: IpsecMbCipher[] = [];
  /** Memory that the library will be given addresses of: it must not be collected before. */
  readonly #sources: Uint8Array[] = [];
  readonly #destinations: Uint8Array[] = [];
  /** How many are in it: what lies beyond in the arrays is stale. To cut them would be to allocate them again. */
  #count = 0;
  readonly #firstIv = new Uint8Array(blockLength);
  #first: { direction: Direction; source: Segments; destination: Segments } | undefined;

  constructor(manager: Manager) {
    this.#manager = manager;
  }

  add(
    cipher: EngineCipher,
    direction: Direction,
    iv: Uint8Array,
    source: Segments,
    destination: Segments,
  ): boolean {
    if (!(cipher instanceof IpsecMbCipher) || this.#count === capacity) return false;
    const length = source.byteLength;
    if (length === 0 || length > longestMessage || length % blockLength !== 0) return false;
    if (source.count !== 1 || destination.count !== 1 || iv.length !== blockLength) return false;
    assertSameLength(source, destination);

    const from = addressOf(source.memory[0]!.bytes, source.offset[0]!, length);
    const to = addressOf(destination.memory[0]!.bytes, destination.offset[0]!, length);
    const { schedule } = cipher;
    const group = this.#group(direction, schedule.keyLength);
    group.jobs.put(group.count, schedule, iv, from, to, length);
    if (group.count === 0) this.#begun.push(group);
    group.count += 1;
    if (this.#count === 0) {
      this.#firstIv.set(iv);
      this.#first = { direction, source, destination };
    }
    this.#ciphers[this.#count] = cipher;
    this.#sources[this.#count] = source.memory[0]!.bytes;
    this.#destinations[this.#count] = destination.memory[0]!.bytes;
    this.#count += 1;
    return true;
  }

  run(): void {
    try {
      if (this.#count === 1) {
        const { direction, source, destination } = this.#first!;
        this.#ciphers[0]!.crypt(direction, this.#firstIv, source, destination);
        return;
      }
      // One that was closed has wiped its keys: better none is done than one with a key of zeros.
      for (let i = 0; i < this.#count; i++) this.#ciphers[i]!.assertOpen();
      for (const group of this.#begun) this.#manager.submit(group.jobs, group.count);
    } finally {
      this.#clear();
    }
  }

  #clear(): void {
    for (const group of this.#begun) group.count = 0;
    this.#begun.length = 0;
    this.#count = 0;
    this.#first = undefined;
  }

  #group(direction: Direction, keyLength: KeyLength): Group {
    const groups = this.#groups[direction];
    groups[keyLength] ??= new Group(this.#manager, direction, keyLength);
    return groups[keyLength];
  }
}
