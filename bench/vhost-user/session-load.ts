/** Sessions created and destroyed by the control queue of our device, which is in the same thread. */
import { virtioCryptoRequests } from '@skytale/cryptodev';
import {
  FrontEnd,
  FrontMemory,
  type FrontRing,
  PROTOCOL_F_MQ,
  PROTOCOL_F_REPLY_ACK,
} from '@skytale/vhost-user';
import { FixedRing, ringSize } from './fixed-ring.ts';

const base = 0x100000;
const slotBytes = 512;
const answerAt = 256;
const controlQueue = 1;
/** The first half of the ring creates, the other destroys. */
const batch = ringSize / 2;
const key = Uint8Array.from({ length: 16 }, (_, i) => i);
const VIRTIO_CRYPTO_F_REVISION_1 = 1n;
const cipher = { algo: 3, op: 1, keyLength: key.length } as const; // AES-CBC, to encrypt
const cipherService = 0;
/** virtio_crypto_session_input: le64 session_id, le32 status. */
const answerLength = 16;

export class SessionLoad implements Disposable {
  readonly #front: FrontEnd;
  readonly #memory: FrontMemory;
  readonly #ring: FixedRing;
  readonly #events: FrontRing;
  readonly #idle: () => void;
  readonly #view: DataView;
  /** Offset of `session_id` in a request to destroy. */
  readonly #idAt: number;

  constructor(socket: string, idle: () => void) {
    using stack = new DisposableStack();
    this.#idle = idle;
    this.#front = stack.use(FrontEnd.connect(socket, { idle }));
    const { features } = this.#front.negotiate(PROTOCOL_F_MQ | PROTOCOL_F_REPLY_ACK);
    const ofRings = (1n << 28n) | (1n << 29n) | (1n << 32n);
    this.#front.setFeatures(features & (ofRings | VIRTIO_CRYPTO_F_REVISION_1));
    this.#memory = stack.use(new FrontMemory(FixedRing.bytes + ringSize * slotBytes, base));
    this.#front.setMemory([this.#memory]);
    const { bytes } = this.#memory.guestRegion;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#ring = new FixedRing(this.#memory, 0);
    const create = virtioCryptoRequests.encodeCipherSession(cipher, true);
    const marker = 0x1122_3344_5566_7788n;
    const destroy = virtioCryptoRequests.encodeDestroySession(cipherService, marker, true);
    this.#idAt = Buffer.from(destroy).indexOf(Buffer.from('8877665544332211', 'hex'));
    for (let i = 0; i < ringSize; i++) {
      const [offset, address] = [slotOffset(i), base + slotOffset(i)];
      const request = i < batch ? Uint8Array.of(...create, ...key) : destroy;
      bytes.set(request, offset);
      this.#ring.place(i, {
        readable: [{ address, length: request.length }],
        writable: [{ address: address + answerAt, length: i < batch ? answerLength : 1 }],
      });
    }
    this.#events = stack.use(this.#front.startRing(controlQueue, this.#ring.layout));
    stack.move();
  }

  /** Creates 32 sessions and destroys them. @returns 32 */
  run(): number {
    this.#round();
    for (let i = 0; i < batch; i++) {
      const answer = slotOffset(i) + answerAt;
      if (this.#view.getUint32(answer + 8, true) !== 0) throw new Error('the device creates no session');
      const id = this.#view.getBigUint64(answer, true);
      this.#view.setBigUint64(slotOffset(batch + i) + this.#idAt, id, true);
    }
    this.#round();
    for (let i = batch; i < ringSize; i++) {
      if (this.#view.getUint8(slotOffset(i) + answerAt) !== 0)
        throw new Error('the device does not destroy a session');
    }
    return batch;
  }

  [Symbol.dispose](): void {
    this.#events[Symbol.dispose]();
    this.#front[Symbol.dispose]();
    this.#memory[Symbol.dispose]();
  }

  #round(): void {
    this.#ring.ignoreCalls();
    this.#ring.submit(batch, this.#events.kick);
    for (let left = batch; left > 0; left -= this.#ring.harvest()) this.#idle();
  }
}

function slotOffset(i: number): number {
  return FixedRing.bytes + i * slotBytes;
}
