/**
 * A device's requests whose operations an engine carries out together: they are answered when that is done. Nobody can
 * tell by the results that it was not one after another: an operation that reads or overwrites what one in the batch
 * writes, or overwrites what it reads, waits for it, and so does every request that is not put in (`run`).
 */
import type { Segments } from '@skytale/virtio';
import type { Direction } from './crypto-device.ts';
import type { CipherBatch, Engine, EngineCipher } from './engine.ts';
import { RangeSet } from './range-set.ts';

/** In place of a status: the request is in a batch, and will be answered with it. */
export const deferred = -1;

/** `Request` is what the device keeps of a request until it answers it. */
export class RequestBatch<Request> {
  readonly #batch: CipherBatch | undefined;
  readonly #settle: (request: Request, error: unknown) => void;
  /** In the order of the operations in the batch; those from `#count` on were answered. */
  readonly #requests: Request[] = [];
  #count = 0;
  /** What the operations in the batch will read and write. */
  readonly #sources = new RangeSet();
  readonly #destinations = new RangeSet();

  /**
   * @param settle called for each request, in order, when its operation was carried out; with an error if it was not.
   * It must not throw.
   */
  constructor(engine: Engine, settle: (request: Request, error: unknown) => void) {
    this.#batch = engine.createBatch?.();
    this.#settle = settle;
  }

  /** Whether it gains anything to `add` an operation on so many bytes: if not, what leads up to that can be spared. */
  isWorth(byteLength: number): boolean {
    return this.#batch !== undefined && byteLength >= this.#batch.shortest;
  }

  /**
   * To be called before an operation is put in, and before its source is looked at: if the batch is full, or if it
   * makes a difference which of them comes first, what is in it is carried out.
   */
  makeWay(source: Segments, destination: Segments): void {
    if (this.#count === 0) return;
    if (
      this.#count === this.#batch!.capacity ||
      this.#destinations.overlaps(source) ||
      this.#destinations.overlaps(destination) ||
      this.#sources.overlaps(destination)
    )
      this.run();
  }

  /**
   * Puts the operation of `request` in, as `CipherBatch.add`, after `makeWay`.
   * @returns false if it is to be carried out by `EngineCipher.crypt`: always, with an engine that has no batches
   * @throws {CryptoError} what the engine has against it
   */
  add(
    request: Request,
    cipher: EngineCipher,
    direction: Direction,
    iv: Uint8Array,
    source: Segments,
    destination: Segments,
  ): boolean {
    const batch = this.#batch;
    if (batch === undefined) return false;
    if (!batch.add(cipher, direction, iv, source, destination)) return false;
    this.#requests[this.#count++] = request;
    this.#sources.add(source);
    this.#destinations.add(destination);
    return true;
  }

  /** Carries out what is in it and has the requests answered. */
  run(): void {
    const count = this.#count;
    if (count === 0) return;
    this.#sources.clear();
    this.#destinations.clear();
    let failure: unknown;
    try {
      this.#batch!.run();
    } catch (error) {
      failure = error;
    }
    this.#count = 0;
    for (let i = 0; i < count; i++) this.#settle(this.#requests[i]!, failure);
  }
}
