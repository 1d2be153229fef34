/** Outputs that a caller gives, and the memory that a device without memory of its own gives to callers. */
import { checkBytes } from './checks.ts';
import type { DeviceMemory } from './crypto-device.ts';
import { CryptoError } from './crypto-error.ts';

/** @throws {TypeError} for a length that no memory can have */
export function checkMemoryLength(length: number): void {
  if (Number.isSafeInteger(length) && length > 0) return;
  throw new TypeError(`memory of ${length} bytes; a length is a whole number of at least 1`);
}

/** @throws {CryptoError} CRYPTO_INVALID_DATA_LENGTH if the result does not fit */
export function checkOutput(output: Uint8Array, needed: number): void {
  checkBytes('output', output);
  if (output.length >= needed) return;
  throw new CryptoError(
    'CRYPTO_INVALID_DATA_LENGTH',
    `an output of ${output.length} bytes; the result has ${needed}`,
  );
}

/** Whether they share memory without beginning at the same byte: then the one would be written before it is read. */
export function overlapsShifted(data: Uint8Array, output: Uint8Array): boolean {
  // In this order: to ask for `buffer` costs more.
  if (data.byteOffset === output.byteOffset || data.buffer !== output.buffer) return false;
  return (
    data.byteOffset < output.byteOffset + output.length && output.byteOffset < data.byteOffset + data.length
  );
}

/** Memory of this process, up to a limit: where the device reads and writes any memory, one is as good as another. */
export class PlainMemory {
  readonly #limit: number;
  #used = 0;

  /** @param limit in bytes, for all pieces together */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @throws {CryptoError} CRYPTO_LIMIT */
  allocate(length: number): DeviceMemory {
    checkMemoryLength(length);
    if (this.#used + length > this.#limit) {
      throw new CryptoError(
        'CRYPTO_LIMIT',
        `${length} bytes of memory; ${this.#limit - this.#used} are left of ${this.#limit}. Free some`,
      );
    }
    this.#used += length;
    const bytes = new Uint8Array(length);
    let isFree = false;
    const free = (): void => {
      if (isFree) return;
      isFree = true;
      this.#used -= length;
    };
    return { bytes, [Symbol.dispose]: free };
  }
}
