/** The device behind a `SessionDevice`: what it offers, its sessions, and its requests in stateless mode. */
import { type AlgorithmName, aeads as aeadTable, hashes as hashTable } from '../algorithms.ts';
import { algorithmOf } from '../checks.ts';
import type { Bytes, DigestOptions } from '../crypto-device.ts';
import { PlainMemory } from '../device-memory.ts';
import type {
  PortCipher,
  PortCipherOptions,
  PortDigest,
  PortOperation,
  PortOptions,
  SessionPort,
} from '../session-port.ts';
import { aeadRequest, CipherOnDevice, cipherRequest, DigestOnDevice, digestSpec } from './driver-sessions.ts';
import { direct, encodeStatelessAead, encodeStatelessCipher, encodeStatelessDigest } from './encode.ts';
import { numberOf } from './numbers.ts';
import type { RequestPort } from './request-port.ts';
import { direction, featureBit, hasBit, type ServiceName, service } from './wire.ts';

const none = new Uint8Array(0);
/** Most bytes allocated at a time. */
const maxMemory = 2 ** 26;

export class DriverPort implements SessionPort {
  readonly name: string;
  /** Of this process: each request is copied into the memory shared with the device, and its result back. */
  readonly memory = new PlainMemory(maxMemory);
  readonly #requests: RequestPort;
  readonly #features: bigint;

  /**
   * @param features that were negotiated
   * @param place where the device is, for its name
   */
  constructor(requests: RequestPort, features: bigint, place: string) {
    this.name = `virtio-crypto${place === '' ? '' : ` (${place})`}`;
    this.#requests = requests;
    this.#features = features;
  }

  get maxMacKeyLength(): number {
    return this.#requests.config.maxAuthKeyLength;
  }

  supports(algorithm: AlgorithmName): boolean {
    const number = numberOf(algorithm);
    if (number === undefined) return false;
    const { name, numbers } = this.#serviceOf(algorithm);
    return this.#requests.config.services.includes(service[name]) && numbers.includes(number);
  }

  createCipher(options: PortCipherOptions): Promise<PortCipher> {
    return CipherOnDevice.create(this.#requests, options);
  }

  createDigest(options: DigestOptions): Promise<PortDigest> {
    return DigestOnDevice.create(this.#requests, options);
  }

  oneShot(options: PortOptions, asked: PortOperation): Promise<Bytes> | undefined {
    const { name } = this.#serviceOf(algorithmOf(options));
    if (!hasBit(this.#features, featureBit[`${name}_STATELESS_MODE`])) return undefined;
    const requests = this.#requests;
    return requests.operate(requests.takeQueue(), statelessParts(options, asked), asked.length, true);
  }

  close(): Promise<void> {
    return this.#requests.close();
  }

  #serviceOf(algorithm: AlgorithmName): { name: ServiceName; numbers: readonly number[] } {
    const { ciphers, aeads, hashes, macs } = this.#requests.config;
    if (algorithm.startsWith('hmac-')) return { name: 'MAC', numbers: macs };
    if (algorithm in hashTable) return { name: 'HASH', numbers: hashes };
    if (algorithm in aeadTable) return { name: 'AEAD', numbers: aeads };
    return { name: 'CIPHER', numbers: ciphers };
  }
}

function statelessParts(options: PortOptions, asked: PortOperation): Uint8Array[] {
  const { operation, data, iv, associatedData, length } = asked;
  const key = 'key' in options ? options.key : none;
  if (operation === 'digest') {
    const request = { sourceLength: data.length, resultLength: length };
    return [encodeStatelessDigest(digestSpec(options as DigestOptions), request), key, data];
  }
  const op = operation === 'encrypt' ? direction.ENCRYPT : direction.DECRYPT;
  const spec = { algo: numberOf(algorithmOf(options))!, op, keyLength: key.length };
  if ('aead' in options) {
    const { tagLength } = options;
    const request = aeadRequest(data, iv, associatedData, tagLength, length);
    const header = encodeStatelessAead({ ...spec, tagLength }, request, direct[operation]);
    return [header, key, iv, data, associatedData];
  }
  return [encodeStatelessCipher(spec, cipherRequest(data, iv, length), direct[operation]), key, iv, data];
}
