/** The device behind a `SessionDevice`: what it offers, its sessions, and its one-shot requests. */
import type { DriverTransport } from '@skytale/virtio';
import { type AlgorithmName, aeads, hashes, hashOfMac } from '../algorithms.ts';
import { algorithmOf } from '../checks.ts';
import type { Bytes, DigestOptions } from '../crypto-device.ts';
import { numberOf } from '../cryptodev-numbers.ts';
import { failed } from '../driver-error.ts';
import { copyOfKey } from '../engines/keys.ts';
import type {
  PortCipher,
  PortCipherOptions,
  PortDigest,
  PortOperation,
  PortOptions,
  SessionPort,
} from '../session-port.ts';
import type { DriverMemory } from './driver-memory.ts';
import { CipherOnDevice, CryptRequest, DigestOnDevice, SessionPlace } from './driver-sessions.ts';
import type { RequestPort } from './request-port.ts';
import {
  type DeviceConfig,
  emptyRequestHeader,
  type Feature,
  featureBits,
  ioctl,
  type RequestHeader,
  requestType,
} from './wire.ts';

const none = new Uint8Array(0);

export class DriverPort implements SessionPort {
  readonly name: string;
  readonly memory: DriverMemory;
  readonly #transport: DriverTransport;
  readonly #config: DeviceConfig;
  readonly #features: bigint;
  readonly #queues: readonly RequestPort[];
  readonly #handle: number;
  #nextQueue = 0;

  /**
   * @param transport of a device that was started and has opened `handle`
   * @param place where the device is, for its name
   */
  constructor(
    transport: DriverTransport,
    config: DeviceConfig,
    memory: DriverMemory,
    queues: readonly RequestPort[],
    handle: number,
    place: string,
  ) {
    this.name = `virtio-cryptodev${place === '' ? '' : ` (${place})`} on ${config.engine}`;
    this.memory = memory;
    this.#transport = transport;
    this.#config = config;
    this.#features = transport.features;
    this.#queues = queues;
    this.#handle = handle;
  }

  get maxMacKeyLength(): number {
    return this.#config.maxMacKeyLength;
  }

  supports(algorithm: AlgorithmName): boolean {
    const number = numberOf(algorithm);
    if (number === undefined) return false;
    if (this.#config.ciphers.includes(number)) return !(algorithm in aeads) || this.#has('aead');
    if (!this.#config.macs.includes(number)) return false;
    return this.#has(algorithm.startsWith('hmac-') ? 'mac' : 'hash');
  }

  async createCipher(options: PortCipherOptions): Promise<PortCipher> {
    const queue = this.#takeQueue();
    const place = new SessionPlace(queue, this.#handle, await this.#create(options, queue));
    return new CipherOnDevice(place, this.#config, options);
  }

  createDigest(options: DigestOptions): Promise<PortDigest> {
    return this.#createDigest(options, this.#takeQueue());
  }

  oneShot(options: PortOptions, asked: PortOperation): Promise<Bytes> | undefined {
    const { operation, data, length } = asked;
    const long = operation === 'digest' && data.length > this.#config.maxDataLength;
    if (!this.#has('oneShot') || long) return undefined;
    const keys = [keyOf(options)];
    const header: RequestHeader = {
      ...emptyRequestHeader(),
      ...algorithmFields(options),
      type: requestType.oneShot,
    };
    const queue = this.#takeQueue();
    if (operation === 'digest') {
      header.ioctl = ioctl.CIOCCRYPT;
      header.dataLength = data.length;
      header.macLength = length;
      return queue.digest(header, keys, data);
    }
    const request = new CryptRequest(this.#config, options as PortCipherOptions, header, keys);
    request.fill(operation, data, asked.iv, asked.associatedData);
    return queue.transform(header, request.parts, data, length, undefined, true) as Promise<Bytes>;
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.#queues[0]!.control({ type: requestType.close, handle: this.#handle })]);
    await this.#transport.close();
  }

  #has(feature: Feature): boolean {
    return (this.#features & (1n << BigInt(featureBits[feature]))) !== 0n;
  }

  /** Sessions take the queues in turn. */
  #takeQueue(): RequestPort {
    const queue = this.#queues[this.#nextQueue % this.#queues.length]!;
    this.#nextQueue += 1;
    return queue;
  }

  #create(options: PortOptions, queue: RequestPort): Promise<number> {
    const header: RequestHeader = {
      ...emptyRequestHeader(),
      ...algorithmFields(options),
      type: requestType.ioctl,
      ioctl: ioctl.CIOCGSESSION,
      handle: this.#handle,
    };
    return queue.create(header, [keyOf(options)]);
  }

  /** The key is kept: a copy of the session is a session of its own, which the device must be given it for. */
  async #createDigest(options: DigestOptions, queue: RequestPort): Promise<DigestOnDevice> {
    const place = new SessionPlace(queue, this.#handle, await this.#create(options, queue));
    const kept = 'mac' in options ? { mac: options.mac, key: copyOfKey(options.key) } : options;
    const hash = 'mac' in options ? hashOfMac(options.mac) : options.hash;
    return new DigestOnDevice(place, this.#config, {
      digestLength: hashes[hash].digestLength,
      sibling: () => this.#createDigest(kept, queue),
      ended: () => keyOf(kept).fill(0),
    });
  }
}

/** What says which algorithm a session has, and how long its keys are. */
function algorithmFields(options: PortOptions): Partial<RequestHeader> {
  const number = numberOf(algorithmOf(options));
  if (number === undefined) throw failed(`${algorithmOf(options)} has no number`);
  const { length } = keyOf(options);
  if ('cipher' in options || 'aead' in options) return { cipher: number, keyLength: length };
  return { mac: number, macKeyLength: length };
}

function keyOf(options: PortOptions): Uint8Array {
  return 'key' in options ? options.key : none;
}
