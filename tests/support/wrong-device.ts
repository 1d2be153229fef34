/**
 * A virtio-cryptodev device that answers wrongly when it is asked to, in a worker of vhost-user. It is asked by what
 * the device of the specification ignores: the upper half of an operation's flags, and the key of a hash that has none.
 */
import { createEngine, VirtioCryptodevDevice, type VirtioCryptodevOptions } from '@skytale/cryptodev';
import type { VirtioDevice, VirtioRequest } from '@skytale/virtio';

/** Offsets in a request header (section 6.1 of the specification) */
const requestAt = { type: 0, ioctl: 2, flags: 14, macKeyLength: 32 };
const [CLOSE, IOCTL] = [2, 3];
const [CIOCGSESSION, CIOCFSESSION] = [102, 103];
const headerLength = 32;

interface Lie {
  /** Changes a response header (6.2). */
  readonly tell?: (header: DataView) => void;
  /** How much is said to have been written */
  readonly claim?: (written: number) => number;
}
const set16 = (offset: number, value: number): Lie => ({
  tell: (header) => header.setUint16(offset, value, true),
});
const set32 = (offset: number, value: number): Lie => ({
  tell: (header) => header.setUint32(offset, value, true),
});

/** Lies about an operation; the number of each is its place. */
export const operationLies: Readonly<Record<string, Lie>> = {
  'more data than there is room for': set32(8, 0x100000),
  'less data than was asked for': set32(8, 16),
  'data of all lengths': set32(8, 0xffffffff),
  'an IV that is too long': set16(12, 17),
  'an IV that nobody asked for': set16(12, 16),
  'a digest that is too long': set16(14, 65),
  'a digest of another length': set16(14, 15),
  'nothing written': { claim: () => 0 },
  'half of the header written': { claim: () => headerLength / 2 },
  'less written than it says': { claim: (written) => written - 1 },
  'more written than it says': { claim: (written) => written + 1 },
  'more written than there can be': { claim: () => 0xffffffff },
  'an error, and data written': {
    tell: (header) => {
      header.setUint32(0, 22, true);
      header.setUint32(8, 0, true);
    },
  },
  'a status that nobody has heard of': set32(0, 4000),
  'a negative status': set32(0, 0xffffffea),
  'a fault of the driver': set32(0, 71),
  'a handle that it does not know': set32(0, 9),
  'room for the digest missing, and much data': {
    tell: (header) => {
      header.setUint32(0, 14, true);
      header.setUint32(8, 0x100000, true);
    },
  },
  'room for the digest missing, and data that were not written': {
    ...set32(0, 14),
    claim: () => headerLength,
  },
};
/** Lies about a new session */
export const sessionLies: Readonly<Record<string, Lie>> = {
  'a block that is too long': set16(16, 17),
  'an IV that is too long': set16(18, 17),
  'a digest that is too long': set16(20, 65),
  'a tag that is too long': set16(22, 65),
  'nothing written': { claim: () => 0 },
  'more written than there is': { claim: (written) => written + 1 },
  'a status that nobody has heard of': set32(0, 4000),
};
/** An operation is returned under these heads in place of its own (VIRTIO 1.3, 2.7.8). */
export const wrongHeads: Readonly<Record<string, number>> = {
  'a descriptor that there is not': 999,
  'a descriptor that is not in use': 200,
};
export const firstWrongHead = 0xe0;
/** The device fails: DEVICE_NEEDS_RESET. */
export const failure = 0xfd;
/** Carries out what is kept, and keeps no more. */
export const releaseAll = 0xfc;
/** Keeps all requests that somebody waits for from now on, until `releaseAll`. */
export const keepAll = 0xfe;
/** Keeps the next request that somebody waits for, whatever it is, until one comes after that. */
export const keepNext = 0xff;

/** What is not in the interface, for no device should know it. */
type OwnHead = { head: number };

class WrongDevice extends VirtioCryptodevDevice implements VirtioDevice {
  #keep: 'next' | 'all' | undefined;
  #kept: (() => void)[] = [];

  override handle(queueIndex: number, request: VirtioRequest): void | Promise<void> {
    const header = Buffer.alloc(48);
    request.readable.copyTo(0, Math.min(48, request.readable.byteLength), header);
    const type = header.readUInt16LE(requestAt.type);
    const ioctl = type === IOCTL ? header.readUInt16LE(requestAt.ioctl) : 0;
    if (type === CLOSE || ioctl === CIOCFSESSION) return super.handle(queueIndex, request);
    const creating = ioctl === CIOCGSESSION;
    const number = creating
      ? header.readUInt16LE(requestAt.macKeyLength)
      : header.readUInt16LE(requestAt.flags) >> 8;
    if (number === releaseAll) this.#carryOutKept();
    if (number === failure) throw new Error('the device was to fail');
    if (this.#keep !== undefined) {
      if (this.#keep === 'next') this.#keep = undefined;
      return new Promise((resolve) => {
        this.#kept.push(() => resolve(super.handle(queueIndex, request)));
      });
    }
    this.#carryOutKept();
    if (number === keepNext) this.#keep = 'next';
    if (number === keepAll) this.#keep = 'all';
    const head = Object.values(wrongHeads)[number - firstWrongHead];
    if (head !== undefined) (request as VirtioRequest & OwnHead).head = head;
    const lie = Object.values(creating ? sessionLies : operationLies)[number - 1];
    if (lie === undefined) return super.handle(queueIndex, request);
    const { readable, writable } = request;
    return super.handle(queueIndex, {
      readable,
      writable,
      complete: (written) => request.complete(told(lie, request, written)),
      giveBack: (written) => request.giveBack(written),
    });
  }

  /** What is kept lies in memory that the driver wants back. */
  override reset(): void {
    super.reset();
    this.#carryOutKept();
  }

  #carryOutKept(): void {
    this.#keep = undefined;
    for (const carryOut of this.#kept.splice(0)) carryOut();
  }
}

function told(lie: Lie, { writable }: VirtioRequest, written: number): number {
  const header = Buffer.alloc(headerLength);
  writable.copyTo(0, headerLength, header);
  lie.tell?.(new DataView(header.buffer, header.byteOffset, headerLength));
  writable.copyFrom(0, headerLength, header);
  const claimed = lie.claim?.(written) ?? written;
  // The queue would refuse to return what is longer than the room.
  writable.byteLength = Math.max(writable.byteLength, claimed);
  return claimed;
}

export default async (options: VirtioCryptodevOptions) =>
  new WrongDevice(await createEngine('openssl'), options);
