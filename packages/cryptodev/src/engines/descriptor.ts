/** A file descriptor with one owner: closed once, also if its owner is forgotten. */
import { closeSync } from 'node:fs';
import { CryptoError } from '../crypto-error.ts';

const forgotten = new FinalizationRegistry<number>((number) => closeSync(number));

export class Descriptor implements Disposable {
  #number: number | undefined;

  /** Takes over `number`: nobody else closes it. */
  constructor(number: number) {
    this.#number = number;
    forgotten.register(this, number, this);
  }

  /**
   * For a call that ends before the owner disposes of it.
   * @throws {CryptoError} CRYPTO_CLOSED
   */
  get number(): number {
    if (this.#number === undefined) throw new CryptoError('CRYPTO_CLOSED', 'the session or device is closed');
    return this.#number;
  }

  [Symbol.dispose](): void {
    if (this.#number === undefined) return;
    forgotten.unregister(this);
    closeSync(this.#number);
    this.#number = undefined;
  }
}
