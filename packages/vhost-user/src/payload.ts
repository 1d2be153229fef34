/** The payloads of messages, read and written. Sizes were checked when the message was received. */
import { CONFIG_SPACE_MAX, MEM_TABLE_REGIONS_MAX, VRING_INDEX_MASK, VRING_NOFD } from './protocol.ts';
import { badMessage } from './vhost-user-error.ts';

/** A stretch of the guest's memory: where guest and front end see it, and where it is in its file. In bytes. */
export interface MemoryRegion {
  readonly guestAddress: number;
  readonly size: number;
  readonly userAddress: number;
  readonly mmapOffset: number;
}

/** Addresses of a ring's parts in the front end's own address space. */
export interface VringAddress {
  readonly index: number;
  readonly flags: number;
  readonly descriptor: number;
  readonly used: number;
  readonly available: number;
}

/** A number that belongs to a ring: its size, its base, whether it is enabled. */
export interface VringState {
  readonly index: number;
  readonly num: number;
}

/** Which ring the descriptor beside the message is for, and whether there is one. */
export interface VringFile {
  readonly index: number;
  readonly hasDescriptor: boolean;
}

/** A part of the configuration space. */
export interface ConfigRange {
  readonly offset: number;
  readonly flags: number;
  readonly bytes: Uint8Array;
}

/** The memory in which requests in flight are noted down. */
export interface InflightArea {
  readonly mmapSize: number;
  readonly mmapOffset: number;
  readonly queues: number;
  readonly queueSize: number;
}

type Bytes = Uint8Array<ArrayBuffer>;

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

export function readU64(payload: Uint8Array): bigint {
  return viewOf(payload).getBigUint64(0, true);
}

export function writeU64(value: bigint): Bytes {
  const bytes = new Uint8Array(8);
  viewOf(bytes).setBigUint64(0, value, true);
  return bytes;
}

export function readVringState(payload: Uint8Array): VringState {
  const view = viewOf(payload);
  return { index: view.getUint32(0, true), num: view.getUint32(4, true) };
}

export function writeVringState({ index, num }: VringState): Bytes {
  const bytes = new Uint8Array(8);
  const view = viewOf(bytes);
  view.setUint32(0, index, true);
  view.setUint32(4, num, true);
  return bytes;
}

export function readVringAddress(payload: Uint8Array): VringAddress {
  const view = viewOf(payload);
  return {
    index: view.getUint32(0, true),
    flags: view.getUint32(4, true),
    descriptor: readAddress(view, 8, 'descriptor table'),
    used: readAddress(view, 16, 'used ring'),
    available: readAddress(view, 24, 'available ring'),
  };
}

export function writeVringAddress(address: VringAddress): Bytes {
  const bytes = new Uint8Array(40);
  const view = viewOf(bytes);
  view.setUint32(0, address.index, true);
  view.setUint32(4, address.flags, true);
  view.setBigUint64(8, BigInt(address.descriptor), true);
  view.setBigUint64(16, BigInt(address.used), true);
  view.setBigUint64(24, BigInt(address.available), true);
  return bytes;
}

export function readVringFile(payload: Uint8Array): VringFile {
  const value = readU64(payload);
  if ((value & ~(VRING_INDEX_MASK | VRING_NOFD)) !== 0n) {
    throw badMessage(`0x${value.toString(16)} is no ring's index and flag`);
  }
  return { index: Number(value & VRING_INDEX_MASK), hasDescriptor: (value & VRING_NOFD) === 0n };
}

export function writeVringFile({ index, hasDescriptor }: VringFile): Bytes {
  return writeU64(BigInt(index) | (hasDescriptor ? 0n : VRING_NOFD));
}

/** The payload of SET_MEM_TABLE. */
export function readMemoryTable(payload: Uint8Array): MemoryRegion[] {
  const view = viewOf(payload);
  const count = view.getUint32(0, true);
  if (count > MEM_TABLE_REGIONS_MAX || payload.length !== 8 + 32 * count) {
    throw badMessage(`a memory table of ${count} regions does not have ${payload.length} bytes`);
  }
  return Array.from({ length: count }, (_, i) => readRegion(view, 8 + 32 * i));
}

export function writeMemoryTable(regions: readonly MemoryRegion[]): Bytes {
  const bytes = new Uint8Array(8 + 32 * regions.length);
  const view = viewOf(bytes);
  view.setUint32(0, regions.length, true);
  for (const [i, region] of regions.entries()) writeRegion(view, 8 + 32 * i, region);
  return bytes;
}

/** The payload of ADD_MEM_REG and REM_MEM_REG. */
export function readMemoryRegion(payload: Uint8Array): MemoryRegion {
  return readRegion(viewOf(payload), 8);
}

export function writeMemoryRegion(region: MemoryRegion): Bytes {
  const bytes = new Uint8Array(40);
  writeRegion(viewOf(bytes), 8, region);
  return bytes;
}

export function readConfigRange(payload: Uint8Array): ConfigRange {
  const view = viewOf(payload);
  const [offset, size, flags] = [view.getUint32(0, true), view.getUint32(4, true), view.getUint32(8, true)];
  if (size !== payload.length - 12 || offset > CONFIG_SPACE_MAX || offset + size > CONFIG_SPACE_MAX) {
    throw badMessage(`${size} bytes of configuration at ${offset} in a payload of ${payload.length} bytes`);
  }
  return { offset, flags, bytes: payload.subarray(12) };
}

export function writeConfigRange({ offset, flags, bytes }: ConfigRange): Bytes {
  const payload = new Uint8Array(12 + bytes.length);
  const view = viewOf(payload);
  view.setUint32(0, offset, true);
  view.setUint32(4, bytes.length, true);
  view.setUint32(8, flags, true);
  payload.set(bytes, 12);
  return payload;
}

export function readInflightArea(payload: Uint8Array): InflightArea {
  const view = viewOf(payload);
  return {
    mmapSize: readAddress(view, 0, 'size of the in-flight area'),
    mmapOffset: readAddress(view, 8, 'offset of the in-flight area'),
    queues: view.getUint16(16, true),
    queueSize: view.getUint16(18, true),
  };
}

/** @param length 20, or 24 with the padding at the structure's end */
export function writeInflightArea(area: InflightArea, length = 24): Bytes {
  const bytes = new Uint8Array(length);
  const view = viewOf(bytes);
  view.setBigUint64(0, BigInt(area.mmapSize), true);
  view.setBigUint64(8, BigInt(area.mmapOffset), true);
  view.setUint16(16, area.queues, true);
  view.setUint16(18, area.queueSize, true);
  return bytes;
}

function readRegion(view: DataView, at: number): MemoryRegion {
  return {
    guestAddress: readAddress(view, at, 'guest address'),
    size: readAddress(view, at + 8, 'region size'),
    userAddress: readAddress(view, at + 16, 'user address'),
    mmapOffset: readAddress(view, at + 24, 'mmap offset'),
  };
}

function writeRegion(view: DataView, at: number, region: MemoryRegion): void {
  view.setBigUint64(at, BigInt(region.guestAddress), true);
  view.setBigUint64(at + 8, BigInt(region.size), true);
  view.setBigUint64(at + 16, BigInt(region.userAddress), true);
  view.setBigUint64(at + 24, BigInt(region.mmapOffset), true);
}

/** A u64 as a number. Nothing lies above 2^53: it is more than any 64-bit processor of today addresses. */
function readAddress(view: DataView, at: number, what: string): number {
  const value = view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
  if (!Number.isSafeInteger(value)) throw badMessage(`${what} 0x${value.toString(16)} is not below 2^53`);
  return value;
}
