/**
 * AES-128-CBC requests on a back end, 64 of them in memory that is shared with it, encrypted in place over and
 * over. Sessions come by message (CREATE_CRYPTO_SESSION), which every back end of this kind understands.
 */
import { createCipheriv } from 'node:crypto';
import { virtioCryptoRequests } from '@skytale/cryptodev';
import {
  FrontEnd,
  FrontMemory,
  type FrontRing,
  PROTOCOL_F_CRYPTO_SESSION,
  PROTOCOL_F_MQ,
  PROTOCOL_F_REPLY_ACK,
} from '@skytale/vhost-user';
import { VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC, VIRTIO_F_VERSION_1 } from '@skytale/virtio';
import { FixedRing, ringSize } from './fixed-ring.ts';

export const inFlight = ringSize;
const base = 0x100000;
const largest = 65_536;
/** Of each request its header, IV and status, two cache lines; the data of all lies behind those of the last, side by side. */
const slotBytes = 128;
const ivAt = 72;
const statusAt = 96;
const headerLength = 72;
const slotsAt = FixedRing.bytes;
const dataAt = slotsAt + ringSize * slotBytes;

const key = Uint8Array.from({ length: 16 }, (_, i) => i);
const iv = new Uint8Array(16).fill(3);
const protocolFeatures = PROTOCOL_F_MQ | PROTOCOL_F_REPLY_ACK | PROTOCOL_F_CRYPTO_SESSION;

export class CryptoLoad implements Disposable {
  readonly front: FrontEnd;
  readonly #socket: string;
  readonly #memory: FrontMemory;
  readonly #ring: FixedRing;
  readonly #events: FrontRing;
  readonly #idle: (() => void) | undefined;
  readonly #session: bigint;

  /** @param idle lets the back end run, if it is in this thread */
  constructor(socket: string, idle?: () => void) {
    using stack = new DisposableStack();
    this.#socket = socket;
    this.#idle = idle;
    this.front = stack.use(FrontEnd.connect(socket, idle === undefined ? {} : { idle }));
    const { features } = this.front.negotiate(protocolFeatures);
    const wanted = VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX;
    this.front.setFeatures(features & wanted);
    this.#memory = stack.use(new FrontMemory(dataAt + ringSize * largest, base));
    this.front.setMemory([this.#memory]);
    this.#ring = new FixedRing(this.#memory, 0);
    this.#events = stack.use(this.front.startRing(0, this.#ring.layout));
    this.#session = this.createSession();
    stack.move();
  }

  /** @throws {Error} if the back end refuses */
  createSession(): bigint {
    const answer = this.front.createCryptoSession(sessionMessage());
    const id = new DataView(answer.buffer, answer.byteOffset).getBigInt64(0, true);
    if (id < 0n) throw new Error('the back end creates no session');
    return id;
  }

  /** Prepares requests on `size` bytes each, a multiple of 64 up to 65,536, and sees to it that they are answered right. */
  prepare(size: number): void {
    const { bytes } = this.#memory.guestRegion;
    const lengths = { ivLength: iv.length, sourceLength: size, destinationLength: size };
    const header = virtioCryptoRequests.encodeCipherData({ id: this.#session }, lengths);
    const plaintext = Uint8Array.from({ length: size }, (_, i) => i % 251);
    for (let i = 0; i < ringSize; i++) {
      const offset = slotsAt + i * slotBytes;
      const address = base + offset;
      const data = { address: base + dataAt + i * size, length: size };
      bytes.set(header, offset);
      bytes.set(iv, offset + ivAt);
      bytes.set(plaintext, dataAt + i * size);
      bytes[offset + statusAt] = 0xff;
      this.#ring.place(i, {
        readable: [{ address, length: headerLength }, { address: address + ivAt, length: iv.length }, data],
        writable: [data, { address: address + statusAt, length: 1 }],
      });
    }
    this.run(ringSize);
    const expected = createCipheriv('aes-128-cbc', key, iv).setAutoPadding(false).update(plaintext);
    for (let i = 0; i < ringSize; i++) {
      const at = dataAt + i * size;
      if (bytes[slotsAt + i * slotBytes + statusAt] !== 0) throw new Error(`request ${i} was refused`);
      if (!expected.equals(bytes.subarray(at, at + size))) throw new Error(`request ${i} was answered wrong`);
    }
  }

  /** Carries out `count` requests, `depth` of them in flight, without being called: this thread polls. */
  run(count: number, depth: number = inFlight): void {
    const { kick } = this.#events;
    let toSubmit = count;
    let toHarvest = count;
    let room = Math.min(depth, count);
    while (toHarvest > 0) {
      if (room > 0) {
        toSubmit -= room;
        this.#ring.ignoreCalls();
        this.#ring.submit(room, kick);
      }
      this.#idle?.();
      const done = this.#ring.harvest();
      toHarvest -= done;
      room = Math.min(done, toSubmit);
    }
  }

  /** One request, waiting for the call. */
  callOnce(): void {
    const { kick, call } = this.#events;
    this.#ring.wantCall();
    this.#ring.submit(1, kick);
    while (this.#ring.harvest() === 0) {
      if (call.wait(10_000)) continue;
      const answered = this.#ring.harvest() === 0 ? 'has not answered a request' : 'answered a request';
      throw new Error(`The back end on ${this.#socket} ${answered} and has not called in 10 s.`);
    }
  }

  [Symbol.dispose](): void {
    this.#events[Symbol.dispose]();
    this.front[Symbol.dispose]();
    this.#memory[Symbol.dispose]();
  }
}

/** VhostUserCryptoSessionParam as DPDK 22.11 and QEMU before 7.1 have it. */
function sessionMessage(): Uint8Array {
  const message = new Uint8Array(632);
  const view = new DataView(message.buffer);
  const VIRTIO_CRYPTO_CIPHER_CREATE_SESSION = 2;
  const VIRTIO_CRYPTO_CIPHER_AES_CBC = 3;
  view.setUint32(8, VIRTIO_CRYPTO_CIPHER_CREATE_SESSION, true);
  view.setUint32(12, VIRTIO_CRYPTO_CIPHER_AES_CBC, true);
  view.setUint32(16, key.length, true);
  message.set([1, 1], 36); // a cipher, to encrypt
  message.set(key, 56);
  return message;
}
