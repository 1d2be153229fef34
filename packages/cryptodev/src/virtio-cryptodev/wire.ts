/**
 * The layouts of `docs/virtio-cryptodev.md`: the one place that knows at which offset a field lies.
 * Section numbers here and in the other files of this directory are those of that document.
 *
 * Headers are arrays of 32-bit words here, in the byte order of the host, which virtqueues need to be little-endian.
 */

/** Section 1. */
export const deviceId = 63;
export const protocolVersion = 1;

/** Section 3: bit numbers. */
export const featureBits = { hash: 0, mac: 1, aead: 2, tls: 3, srtp: 4, cphash: 5, oneShot: 6 } as const;
export type Feature = keyof typeof featureBits;

/** 6.3. */
export const requestType = { open: 1, close: 2, ioctl: 3, oneShot: 4 } as const;

/** 6.3: the numbers (_IOC_NR) of the ioctls that travel. */
export const ioctl = {
  CIOCGSESSION: 102,
  CIOCFSESSION: 103,
  CIOCCRYPT: 104,
  CIOCGSESSINFO: 107,
  CIOCAUTHCRYPT: 109,
  CIOCCPHASH: 112,
} as const;

export const COP_ENCRYPT = 0;
export const COP_DECRYPT = 1;

/** 6.1: COP_FLAG_…. */
export const flag = { update: 1, final: 2, writeIv: 4, noZc: 8, tls: 16, srtp: 32, reset: 64 } as const;

/** Largest IV in bytes, and so the size of the field for it. */
export const maxIvLength = 16;
/** Longest digest, in bytes. */
export const maxDigestLength = 64;
/** 6.9.3: furthest position of the data in an SRTP packet. */
export const maxSrtpOffset = 256;

/** 6.1: the fields of a request, and the lengths of the parts that follow it. */
export type RequestHeader = {
  type: number;
  ioctl: number;
  handle: number;
  session: number;
  op: number;
  flags: number;
  dataLength: number;
  authLength: number;
  ivLength: number;
  macLength: number;
  tagLength: number;
  keyLength: number;
  macKeyLength: number;
  cipher: number;
  mac: number;
  argument: number;
};

export const requestHeaderLength = 48;

export function emptyRequestHeader(): RequestHeader {
  return {
    type: 0,
    ioctl: 0,
    handle: 0,
    session: 0,
    op: 0,
    flags: 0,
    dataLength: 0,
    authLength: 0,
    ivLength: 0,
    macLength: 0,
    tagLength: 0,
    keyLength: 0,
    macKeyLength: 0,
    cipher: 0,
    mac: 0,
    argument: 0,
  };
}

/**
 * Reads the 48 bytes from word `first` into `header`, which is reused. Every word is read once: they may lie in
 * memory that somebody else is changing.
 */
export function decodeRequestHeader(words: Uint32Array, header: RequestHeader, first = 0): void {
  const typeAndIoctl = words[first]!;
  header.type = typeAndIoctl & 0xffff;
  header.ioctl = typeAndIoctl >>> 16;
  header.handle = words[first + 1]!;
  header.session = words[first + 2]!;
  const opAndFlags = words[first + 3]!;
  header.op = opAndFlags & 0xffff;
  header.flags = opAndFlags >>> 16;
  header.dataLength = words[first + 4]!;
  header.authLength = words[first + 5]!;
  const ivAndMac = words[first + 6]!;
  header.ivLength = ivAndMac & 0xffff;
  header.macLength = ivAndMac >>> 16;
  const tagAndKey = words[first + 7]!;
  header.tagLength = tagAndKey & 0xffff;
  header.keyLength = tagAndKey >>> 16;
  header.macKeyLength = words[first + 8]! & 0xffff;
  header.cipher = words[first + 9]!;
  header.mac = words[first + 10]!;
  header.argument = words[first + 11]!;
}

/** Writes `header` as 48 bytes from word `first`. The fields of 16 bits must not be larger. */
export function encodeRequestHeader(words: Uint32Array, header: RequestHeader, first = 0): void {
  words[first] = header.type | (header.ioctl << 16);
  words[first + 1] = header.handle;
  words[first + 2] = header.session;
  words[first + 3] = header.op | (header.flags << 16);
  words[first + 4] = header.dataLength;
  words[first + 5] = header.authLength;
  words[first + 6] = header.ivLength | (header.macLength << 16);
  words[first + 7] = header.tagLength | (header.keyLength << 16);
  words[first + 8] = header.macKeyLength;
  words[first + 9] = header.cipher;
  words[first + 10] = header.mac;
  words[first + 11] = header.argument;
}

/** 6.2: the fields of a response, less the 16 bytes at `responseIvOffset`. */
export type ResponseHeader = {
  status: number;
  id: number;
  dataLength: number;
  ivLength: number;
  macLength: number;
};

export const responseHeaderLength = 32;
/** Where in the response header the IV, or the properties of a new session, stand. */
export const responseIvOffset = 16;

export function emptyResponseHeader(): ResponseHeader {
  return { status: 0, id: 0, dataLength: 0, ivLength: 0, macLength: 0 };
}

/** Reads a response header from word `first` into `header`, which is reused; every word once. */
export function decodeResponseHeader(words: Uint32Array, header: ResponseHeader, first = 0): void {
  header.status = words[first]!;
  header.id = words[first + 1]!;
  header.dataLength = words[first + 2]!;
  const ivAndMac = words[first + 3]!;
  header.ivLength = ivAndMac & 0xffff;
  header.macLength = ivAndMac >>> 16;
}

/** Writes all but the last 16 bytes of a response header, from word `first`. */
export function encodeResponseHeader(words: Uint32Array, header: ResponseHeader, first = 0): void {
  words[first] = header.status;
  words[first + 1] = header.id;
  words[first + 2] = header.dataLength;
  words[first + 3] = header.ivLength | (header.macLength << 16);
}

/** 6.2: what CIOCGSESSION says of the new session; sizes in bytes. */
export type SessionProperties = {
  readonly blockSize: number;
  readonly ivSize: number;
  readonly digestSize: number;
  readonly tagSize: number;
};

/** Reads the properties from a response header at `offset`. */
export function decodeSessionProperties(view: DataView, offset = 0): SessionProperties {
  const at = offset + responseIvOffset;
  return {
    blockSize: view.getUint16(at, true),
    ivSize: view.getUint16(at + 2, true),
    digestSize: view.getUint16(at + 4, true),
    tagSize: view.getUint16(at + 6, true),
  };
}

/** The 16 bytes of a response header that hold the properties. */
export function encodeSessionProperties(properties: SessionProperties, target: Uint8Array): void {
  const view = new DataView(target.buffer, target.byteOffset, maxIvLength);
  view.setUint16(0, properties.blockSize, true);
  view.setUint16(2, properties.ivSize, true);
  view.setUint16(4, properties.digestSize, true);
  view.setUint16(6, properties.tagSize, true);
  view.setBigUint64(8, 0n, true);
}

/** Section 4. */
export type DeviceConfig = {
  readonly version: number;
  readonly queues: number;
  readonly maxHandles: number;
  readonly maxSessions: number;
  readonly maxDataLength: number;
  readonly maxAuthLength: number;
  readonly maxKeyLength: number;
  readonly maxMacKeyLength: number;
  /** Numbers of 4.1. */
  readonly ciphers: readonly number[];
  readonly macs: readonly number[];
  readonly engine: string;
};

export const configLength = 72;
const configOffset = { ciphers: 24, macs: 40, engine: 56 } as const;
const bitmapLength = 16;
const engineNameLength = 16;

export function encodeConfig(config: DeviceConfig): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(configLength);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, config.version, true);
  view.setUint16(2, config.queues, true);
  view.setUint32(4, config.maxHandles, true);
  view.setUint32(8, config.maxSessions, true);
  view.setUint32(12, config.maxDataLength, true);
  view.setUint32(16, config.maxAuthLength, true);
  view.setUint16(20, config.maxKeyLength, true);
  view.setUint16(22, config.maxMacKeyLength, true);
  for (const number of config.ciphers) bytes[configOffset.ciphers + (number >> 3)]! |= 1 << (number & 7);
  for (const number of config.macs) bytes[configOffset.macs + (number >> 3)]! |= 1 << (number & 7);
  new TextEncoder().encodeInto(config.engine, bytes.subarray(configOffset.engine));
  return bytes;
}

/** @throws {RangeError} if `bytes` is shorter than the configuration space of version 1 */
export function decodeConfig(bytes: Uint8Array): DeviceConfig {
  if (bytes.length < configLength) {
    throw new RangeError(`a configuration space has at least ${configLength} bytes, not ${bytes.length}`);
  }
  // A copy: the bytes may lie in shared memory, which TextDecoder refuses.
  const copy = Uint8Array.from(bytes.subarray(0, configLength));
  const view = new DataView(copy.buffer);
  const name = copy.subarray(configOffset.engine, configOffset.engine + engineNameLength);
  return {
    version: view.getUint16(0, true),
    queues: view.getUint16(2, true),
    maxHandles: view.getUint32(4, true),
    maxSessions: view.getUint32(8, true),
    maxDataLength: view.getUint32(12, true),
    maxAuthLength: view.getUint32(16, true),
    maxKeyLength: view.getUint16(20, true),
    maxMacKeyLength: view.getUint16(22, true),
    ciphers: setBits(copy, configOffset.ciphers),
    macs: setBits(copy, configOffset.macs),
    engine: new TextDecoder().decode(name).replace(/\0.*$/s, ''),
  };
}

function setBits(bytes: Uint8Array, offset: number): number[] {
  const numbers: number[] = [];
  for (let bit = 0; bit < bitmapLength * 8; bit++) {
    if ((bytes[offset + (bit >> 3)]! >> (bit & 7)) & 1) numbers.push(bit);
  }
  return numbers;
}

/** 6.6: what CIOCGSESSINFO says. A name is empty where the session has no such algorithm. */
export type SessionInfo = {
  readonly cipherName: string;
  readonly cipherDriverName: string;
  readonly hashName: string;
  readonly hashDriverName: string;
  readonly alignMask: number;
  readonly flags: number;
};

export const sessionInfoLength = 264;
/** SIOP_FLAG_KERNEL_DRIVER_ONLY: a program cannot have this algorithm without asking the kernel. */
export const kernelDriverOnly = 1;
const nameLength = 64;

export function encodeSessionInfo(info: SessionInfo): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(sessionInfoLength);
  const names = [info.cipherName, info.cipherDriverName, info.hashName, info.hashDriverName];
  for (const [i, name] of names.entries()) {
    // One byte less than the field, so that it always ends with a NUL.
    new TextEncoder().encodeInto(name, bytes.subarray(i * nameLength, (i + 1) * nameLength - 1));
  }
  const view = new DataView(bytes.buffer);
  view.setUint16(256, info.alignMask, true);
  view.setUint32(260, info.flags, true);
  return bytes;
}

export function decodeSessionInfo(bytes: Uint8Array<ArrayBuffer>): SessionInfo {
  const view = new DataView(bytes.buffer, bytes.byteOffset, sessionInfoLength);
  const name = (i: number): string =>
    new TextDecoder().decode(bytes.subarray(i * nameLength, (i + 1) * nameLength)).replace(/\0.*$/s, '');
  return {
    cipherName: name(0),
    cipherDriverName: name(1),
    hashName: name(2),
    hashDriverName: name(3),
    alignMask: view.getUint16(256, true),
    flags: view.getUint32(260, true),
  };
}
