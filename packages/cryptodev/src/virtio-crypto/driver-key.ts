/** Asymmetric keys (AKCIPHER) of the driver. */
import type { RequestQueue } from '@skytale/virtio';
import type { AsymmetricKeyOptions } from '../asymmetric.ts';
import { checkBytes } from '../checks.ts';
import type { Bytes } from '../crypto-device.ts';
import { CryptoError } from '../crypto-error.ts';
import { DeviceSession } from '../session-device.ts';
import { type AkcipherSpec, encodeAkcipherData, encodeAkcipherSession } from './encode.ts';
import { InFlight } from './in-flight.ts';
import { akcipherNumbers, curveNumbers, numberIn, rsaHashNumbers } from './numbers.ts';
import type { RequestPort } from './request-port.ts';
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

export class DriverKey extends DeviceSession implements AsymmetricKey {
  readonly #requests: RequestPort;
  readonly #queue: RequestQueue;
  readonly #inFlight = new InFlight();
  readonly #id: bigint;

  private constructor(requests: RequestPort, id: bigint) {
    super();
    this.#requests = requests;
    this.#queue = requests.takeQueue();
    this.#id = id;
  }

  static async create(requests: RequestPort, options: AsymmetricKeyOptions): Promise<DriverKey> {
    const header = encodeAkcipherSession(akcipherSpec(options), requests.isRevision1);
    return new DriverKey(requests, await requests.createSession(header, [options.key]));
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

  async verify(signature: Uint8Array, digest: Uint8Array): Promise<boolean> {
    this.assertOpen();
    checkBytes('signature', signature);
    checkBytes('digest', digest);
    const lengths = { sourceLength: signature.length, destinationLength: digest.length };
    const header = this.#header(operation.VERIFY, lengths);
    this.#inFlight.begin();
    try {
      await this.#requests.operate(this.#queue, [header, signature, digest], 0);
      return true;
    } catch (error) {
      if (error instanceof CryptoError && error.code === 'CRYPTO_AUTHENTICATION_FAILED') return false;
      throw error;
    } finally {
      this.#inFlight.end();
    }
  }

  protected override async destroy(): Promise<void> {
    await this.#inFlight.ended();
    await this.#requests.destroySession(service.AKCIPHER, this.#id);
  }

  async #operate(which: number, data: Uint8Array): Promise<Bytes> {
    this.assertOpen();
    checkBytes('data', data);
    const header = this.#header(which, { sourceLength: data.length, destinationLength: maxResultLength });
    this.#inFlight.begin();
    try {
      return await this.#requests.operateUpTo(this.#queue, [header, data], maxResultLength);
    } finally {
      this.#inFlight.end();
    }
  }

  #header(which: number, lengths: Parameters<typeof encodeAkcipherData>[1]): Uint8Array {
    return encodeAkcipherData({ id: this.#id, operation: which }, lengths, this.#requests.isRevision1);
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
