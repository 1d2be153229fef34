/** The running state of a session's hash or MAC (6.8). */
import type { Segments } from '@skytale/virtio';
import { andThen, type Completion } from '../completion.ts';
import type { EngineDigest } from '../engine.ts';

export class RunningDigest {
  /** Of the digest, in bytes. */
  readonly length: number;
  /** The session's own, with its own key. */
  readonly #own: EngineDigest;
  /** A state that CIOCCPHASH brought, until it is used up. */
  #borrowed: EngineDigest | undefined;

  constructor(own: EngineDigest, length: number) {
    this.#own = own;
    this.length = length;
  }

  get #current(): EngineDigest {
    return this.#borrowed ?? this.#own;
  }

  /** Returns to the fresh state. */
  reset(): Completion<void> {
    this.#discardBorrowed();
    return this.#own.reset();
  }

  update(data: Segments): Completion<void> {
    return this.#current.update(data);
  }

  /** Writes the digest into `output`, as long as the digest, and returns to the fresh state. */
  finish(output: Uint8Array): Completion<void> {
    return andThen(this.#current.digest(output), () =>
      this.#borrowed === undefined ? undefined : this.reset(),
    );
  }

  /** Replaces the state by a copy of `source`'s (CIOCCPHASH). */
  copyFrom(source: RunningDigest): Completion<void> {
    return andThen(source.#current.copy(), (copy) => {
      this.#discardBorrowed();
      this.#borrowed = copy;
    });
  }

  close(): void {
    this.#discardBorrowed();
    this.#own.close();
  }

  #discardBorrowed(): void {
    this.#borrowed?.close();
    this.#borrowed = undefined;
  }
}
