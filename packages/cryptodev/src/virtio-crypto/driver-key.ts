/** Asymmetric keys (AKCIPHER) of the driver. */
import type { AsymmetricKeyOptions } from '../asymmetric.ts';
import { checkBytes } from '../checks.ts';
import type { Bytes } from '../crypto-device.ts';
import { CryptoError } from '../crypto-error.ts';
import { DriverSession, type SessionHost } from './driver-sessions.ts';
import { type AkcipherSpec, encodeAkcipherData, encodeAkcipherSession } from './encode.ts';
import { akcipherNumbers, curveNumbers, numberIn, rsaHashNumbers } from './numbers.ts';
import { keyType, operation, rsaPadding, service } from './wire.ts';

/** The longest result of any key that a device takes, in bytes. */
const maxResultLength = 1024;

/**
 * A key that the device holds. What it can do depends on its kind: see `EngineKey`.
 * All throw CryptoError: CRYPTO_UNKNOWN_ALGORITHM if it does not do that, CRYPTO_DEVICE_FAILED if the device
 * refuses the data, CRYPTO_CLOSED.
 */
export interface AsymmetricKey extends AsyncDisposable {
  encrypt(plaintext: Uint8Array): Promise<Bytes>;
  decrypt(ciphertext: Uint8Array): Promise<Bytes>;
  /** @param digest what is signed; it is not hashed */
  sign(digest: Uint8Array): Promise<Bytes>;
  verify(signature: Uint8Array, digest: Uint8Array): Promise<boolean>;
  close(): Promise<void>;
}

export class DriverKey extends DriverSession implements AsymmetricKey {
  readonly #id: bigint;

  private constructor(host: SessionHost, id: bigint) {
    super(host);
    this.#id = id;
  }

  static async create(host: SessionHost, options: AsymmetricKeyOptions): Promise<DriverKey> {
    const { port } = host;
    const header = encodeAkcipherSession(akcipherSpec(options), port.isRevision1);
    return new DriverKey(host, await port.createSession(header, [options.key]));
  }

  encrypt(plaintext: Uint8Array): Promise<Bytes> {
    return this.#operate(operation.ENCRYPT, plaintext);
  }

  decrypt(ciphertext: Uint8Array): Promise<Bytes> {
    return this.#operate(operation.DECRYPT, ciphertext);
  }

  sign(digest: Uint8Array): Promise<Bytes> {
    return this.#operate(operation.SIGN, digest);
  }

  verify(signature: Uint8Array, digest: Uint8Array): Promise<boolean> {
    return this.track(async () => {
      checkBytes('signature', signature);
      checkBytes('digest', digest);
      const lengths = { sourceLength: signature.length, destinationLength: digest.length };
      const header = this.#header(operation.VERIFY, lengths);
      try {
        await this.port.operate(this.queue, [header, signature, digest], 0);
        return true;
      } catch (error) {
        if (error instanceof CryptoError && error.code === 'CRYPTO_AUTHENTICATION_FAILED') return false;
        throw error;
      }
    });
  }

  protected override release(): Promise<void> {
    return this.port.destroySession(service.AKCIPHER, this.#id);
  }

  #operate(which: number, data: Uint8Array): Promise<Bytes> {
    return this.track(async () => {
      checkBytes('data', data);
      const header = this.#header(which, { sourceLength: data.length, destinationLength: maxResultLength });
      return this.port.operateUpTo(this.queue, [header, data], maxResultLength);
    });
  }

  #header(which: number, lengths: Parameters<typeof encodeAkcipherData>[1]): Uint8Array {
    return encodeAkcipherData({ id: this.#id, operation: which }, lengths, this.port.isRevision1);
  }
}

export function akcipherSpec(options: AsymmetricKeyOptions): AkcipherSpec {
  return {
    algo: numberIn(akcipherNumbers, options.algorithm),
    keyType: options.type === 'public' ? keyType.PUBLIC : keyType.PRIVATE,
    keyLength: options.key.length,
    parameters: parametersOf(options),
  };
}

function parametersOf(options: AsymmetricKeyOptions): readonly [number, number] {
  if (options.algorithm === 'ecdsa') return [numberIn(curveNumbers, options.curve), 0];
  const { padding, hash = 'none' } = options;
  return [padding === 'raw' ? rsaPadding.RAW : rsaPadding.PKCS1, numberIn(rsaHashNumbers, hash)];
}
