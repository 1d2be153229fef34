/**
 * The layouts of the standard's crypto device (VIRTIO 1.3, section 5.9), by the names it has for its fields:
 * the one place that knows at which offset one lies. All are little-endian. Sections named here and in the
 * other files of this directory are those of the standard; 5.9.7 says what travels.
 */

/** 5.9.1. */
export const deviceId = 20;

/** 5.9.3: bit numbers. */
export const featureBit = {
  REVISION_1: 0,
  CIPHER_STATELESS_MODE: 1,
  HASH_STATELESS_MODE: 2,
  MAC_STATELESS_MODE: 3,
  AEAD_STATELESS_MODE: 4,
  AKCIPHER_STATELESS_MODE: 5,
} as const;

/** 5.9.4: bit numbers in `crypto_services`, and the high byte of opcodes. */
export const service = { CIPHER: 0, HASH: 1, MAC: 2, AEAD: 3, AKCIPHER: 4 } as const;
export type ServiceName = keyof typeof service;
export type ServiceNumber = (typeof service)[ServiceName];
export const serviceNames = Object.keys(service) as ServiceName[];

/** 5.9.7.1. */
export const status = {
  OK: 0,
  ERR: 1,
  BADMSG: 2,
  NOTSUPP: 3,
  INVSESS: 4,
  NOSPC: 5,
  KEY_REJECTED: 6,
} as const;

const names = new Map<number, string>(Object.entries(status).map(([name, value]) => [value, name]));

/** `INVSESS` for 4; `status 99` for one that the standard does not have. */
export function statusName(value: number): string {
  return names.get(value) ?? `status ${value}`;
}

/** 5.9.7.2 and 5.9.7.3: the low byte of opcodes. AKCIPHER has numbers of its own for sessions. */
export const operation = { ENCRYPT: 0, DECRYPT: 1, SIGN: 2, VERIFY: 3 } as const;
export const sessionOperation = {
  CREATE: 2,
  DESTROY: 3,
  AKCIPHER_CREATE: 4,
  AKCIPHER_DESTROY: 5,
} as const;

/** VIRTIO_CRYPTO_OPCODE. */
export function opcode(serviceNumber: number, low: number): number {
  return (serviceNumber << 8) | low;
}

/** VIRTIO_CRYPTO_OP_…: the direction of a session. */
export const direction = { ENCRYPT: 1, DECRYPT: 2 } as const;
/** VIRTIO_CRYPTO_SYM_OP_…. */
export const symOp = { NONE: 0, CIPHER: 1, ALGORITHM_CHAINING: 2 } as const;
/** VIRTIO_CRYPTO_SYM_ALG_CHAIN_ORDER_…. */
export const chainOrder = { HASH_THEN_CIPHER: 1, CIPHER_THEN_HASH: 2 } as const;
/** VIRTIO_CRYPTO_SYM_HASH_MODE_…. */
export const hashMode = { PLAIN: 1, AUTH: 2, NESTED: 3 } as const;
/** VIRTIO_CRYPTO_AKCIPHER_KEY_TYPE_…. */
export const keyType = { PUBLIC: 1, PRIVATE: 2 } as const;
/** VIRTIO_CRYPTO_RSA_…_PADDING. */
export const rsaPadding = { RAW: 0, PKCS1: 1 } as const;

/** struct virtio_crypto_ctrl_header, and behind it the fixed-length fields of each request (5.9.7.2). */
export const control = {
  opcode: 0,
  algo: 4,
  flag: 8,
  fields: 16,
} as const;

/** struct virtio_crypto_cipher_session_flf. */
export const cipherSession = { algo: 0, keyLength: 4, op: 8, length: 16 } as const;
/** struct virtio_crypto_alg_chain_session_flf. */
export const chainSession = {
  order: 0,
  hashMode: 4,
  cipher: 8,
  hash: { algo: 24, resultLength: 28, authKeyLength: 32 },
  aadLength: 40,
} as const;
/** struct virtio_crypto_sym_create_session_flf. */
export const symSession = { opType: 48, length: 56 } as const;
/** struct virtio_crypto_hash_create_session_flf. */
export const hashSession = { algo: 0, resultLength: 4, length: 8 } as const;
/** struct virtio_crypto_mac_create_session_flf. */
export const macSession = { algo: 0, resultLength: 4, authKeyLength: 8, length: 16 } as const;
/** struct virtio_crypto_aead_create_session_flf. */
export const aeadSession = {
  algo: 0,
  keyLength: 4,
  tagLength: 8,
  aadLength: 12,
  op: 16,
  length: 24,
} as const;
/** struct virtio_crypto_akcipher_create_session_flf; `parameters` begins with a padding and a hash, or a curve. */
export const akcipherSession = { algo: 0, keyType: 4, keyLength: 8, parameters: 12, length: 56 } as const;
/** struct virtio_crypto_destroy_session_flf. */
export const destroySession = { sessionId: 0, length: 8 } as const;

/** VIRTIO_CRYPTO_CTRLQ_OP_SPEC_HDR_LEGACY: what all these are padded to without VIRTIO_CRYPTO_F_REVISION_1. */
export const legacyControlFields = 56;
/** The longest control request, less the keys. */
export const maxControlLength = control.fields + legacyControlFields;

/** struct virtio_crypto_create_session_input. */
export const createdSession = { sessionId: 0, status: 8, length: 16 } as const;

/** struct virtio_crypto_op_header, and behind it the fixed-length fields of each request (5.9.7.3). */
export const data = {
  opcode: 0,
  algo: 4,
  sessionId: 8,
  flag: 16,
  fields: 24,
} as const;
/** VIRTIO_CRYPTO_FLAG_SESSION_MODE. */
export const flagSessionMode = 1;

/** struct virtio_crypto_cipher_data_flf, and where the same stand in virtio_crypto_alg_chain_data_flf. */
export const cipherData = { ivLength: 0, sourceLength: 4, destinationLength: 8 } as const;
/** The rest of struct virtio_crypto_alg_chain_data_flf. */
export const chainData = {
  cipherStart: 12,
  cipherLength: 16,
  hashStart: 20,
  hashLength: 24,
  aadLength: 28,
  resultLength: 32,
} as const;
/** struct virtio_crypto_sym_data_flf. */
export const symData = { opType: 40, length: 48 } as const;
/** struct virtio_crypto_hash_data_flf, and of MAC. */
export const hashData = { sourceLength: 0, resultLength: 4, length: 8 } as const;
/** struct virtio_crypto_aead_data_flf. */
export const aeadData = {
  ivLength: 0,
  aadLength: 4,
  sourceLength: 8,
  destinationLength: 12,
  tagLength: 16,
  length: 24,
} as const;
/** struct virtio_crypto_akcipher_data_flf. */
export const akcipherData = { sourceLength: 0, destinationLength: 4, length: 8 } as const;

/** VIRTIO_CRYPTO_DATAQ_OP_SPEC_HDR_LEGACY: what all these are padded to without VIRTIO_CRYPTO_F_REVISION_1. */
export const legacyDataFields = 48;

/** The fixed-length fields of requests in stateless mode: what a session would be of, then the operation. */
export const stateless = {
  /** struct virtio_crypto_cipher_data_flf_stateless; `data` is laid out as `cipherData`. */
  cipher: { algo: 0, keyLength: 4, op: 8, data: 12 },
  /** struct virtio_crypto_alg_chain_data_flf_stateless; `data` as `cipherData` and `chainData`. */
  chain: {
    order: 0,
    cipher: 8,
    hash: { algo: 20, authKeyLength: 24, hashMode: 28 },
    data: 32,
  },
  /** struct virtio_crypto_sym_data_flf_stateless. */
  sym: { opType: 72, length: 76 },
  hash: { algo: 0, sourceLength: 4, resultLength: 8, length: 16 },
  mac: { algo: 0, authKeyLength: 4, sourceLength: 8, resultLength: 12, length: 16 },
  aead: {
    algo: 0,
    keyLength: 4,
    op: 8,
    ivLength: 12,
    tagLength: 16,
    aadLength: 20,
    sourceLength: 24,
    destinationLength: 28,
    length: 32,
  },
  akcipher: {
    algo: 0,
    keyType: 4,
    keyLength: 8,
    parameters: 12,
    sourceLength: 20,
    destinationLength: 24,
    length: 28,
  },
} as const;

/** The longest header of a data request. */
export const maxDataLength = data.fields + stateless.sym.length;

/** struct virtio_crypto_config (5.9.5). Lengths in bytes; algorithms and services as bit numbers. */
export type DeviceConfig = {
  readonly status: number;
  readonly maxDataQueues: number;
  readonly services: readonly number[];
  readonly ciphers: readonly number[];
  readonly hashes: readonly number[];
  readonly macs: readonly number[];
  readonly aeads: readonly number[];
  readonly akciphers: readonly number[];
  readonly maxCipherKeyLength: number;
  readonly maxAuthKeyLength: number;
  /** Largest content of one request: its IV, key, data, associated data and results together. */
  readonly maxSize: number;
};

export const configLength = 56;
/** VIRTIO_CRYPTO_S_HW_READY. */
export const hardwareReady = 1;

export function encodeConfig(config: DeviceConfig): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(configLength);
  const view = new DataView(bytes.buffer);
  const put = (offset: number, bits: bigint): void =>
    view.setUint32(offset, Number(BigInt.asUintN(32, bits)), true);
  const ciphers = mask(config.ciphers);
  const macs = mask(config.macs);
  view.setUint32(0, config.status, true);
  view.setUint32(4, config.maxDataQueues, true);
  put(8, mask(config.services));
  put(12, ciphers);
  put(16, ciphers >> 32n);
  put(20, mask(config.hashes));
  put(24, macs);
  put(28, macs >> 32n);
  put(32, mask(config.aeads));
  view.setUint32(36, config.maxCipherKeyLength, true);
  view.setUint32(40, config.maxAuthKeyLength, true);
  put(44, mask(config.akciphers));
  view.setBigUint64(48, BigInt(config.maxSize), true);
  return bytes;
}

/** @throws {RangeError} if `bytes` is shorter than the configuration space */
export function decodeConfig(bytes: Uint8Array): DeviceConfig {
  if (bytes.length < configLength) {
    throw new RangeError(`a configuration space has ${configLength} bytes, not ${bytes.length}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, configLength);
  const word = (offset: number): bigint => BigInt(view.getUint32(offset, true));
  return {
    status: view.getUint32(0, true),
    maxDataQueues: view.getUint32(4, true),
    services: bits(word(8)),
    ciphers: bits(word(12) | (word(16) << 32n)),
    hashes: bits(word(20)),
    macs: bits(word(24) | (word(28) << 32n)),
    aeads: bits(word(32)),
    maxCipherKeyLength: view.getUint32(36, true),
    maxAuthKeyLength: view.getUint32(40, true),
    akciphers: bits(word(44)),
    // A device may say "no limit" with all bits set.
    maxSize: Math.min(Number(view.getBigUint64(48, true)), Number.MAX_SAFE_INTEGER),
  };
}

function mask(numbers: readonly number[]): bigint {
  return numbers.reduce((all, number) => all | (1n << BigInt(number)), 0n);
}

function bits(value: bigint): number[] {
  return Array.from({ length: 64 }, (_, bit) => bit).filter((bit) => ((value >> BigInt(bit)) & 1n) === 1n);
}

/** Whether a feature of `featureBit` is among those negotiated. */
export function hasBit(features: bigint, bit: number): boolean {
  return (features & (1n << BigInt(bit))) !== 0n;
}
