/** A device's requests whose operations an engine carries out together: they are answered when that is done. */
import type { Segments } from '@skytale/virtio';
import type { Direction } from './crypto-device.ts';
import type { CipherBatch, Engine, EngineCipher } from './engine.ts';

/** In place of a status: the request is in a batch, and will be answered with it. */
export const deferred = -1;

/** `Request` is what the device keeps of a request until it answers it. */
export class RequestBatch<Request> {
  readonly #batch: CipherBatch | undefined;
  readonly #settle: (request: Request, error: unknown) => void;
  /** In the order of the operations in the batch. */
  readonly #requests: Request[] = [];

  /**
   * @param settle called for each request, in order, when its operation was carried out; with an error if it was not.
   * It must not throw.
   */
  constructor(engine: Engine, settle: (request: Request, error: unknown) => void) {
    this.#batch = engine.createBatch?.();
    this.#settle = settle;
  }

  /** Whether the engine has batches: if not, what leads up to `add` can be spared. */
  get isUsable(): boolean {
    return this.#batch !== undefined;
  }

  /**
   * Puts the operation of `request` in, as `CipherBatch.add`; if the batch is full, carries that out first.
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
    if (this.#requests.length === batch.capacity) this.run();
    if (!batch.add(cipher, direction, iv, source, destination)) return false;
    this.#requests.push(request);
    return true;
  }

  /** Carries out what is in it and has the requests answered. */
  run(): void {
    const requests = this.#requests;
    if (requests.length === 0) return;
    let failure: unknown;
    try {
      this.#batch!.run();
    } catch (error) {
      failure = error;
    }
    for (const request of requests) this.#settle(request, failure);
    requests.length = 0;
  }
}
