/**
 * Intel's Multi-Buffer Crypto for IPsec Library by FFI: every native function of it that is called, and every offset in
 * its structures, is in this file. The rules for addresses are those of libcrypto.ts.
 *
 * The library's interface for C is a structure of function pointers, `IMB_MGR`, whose places are a part of its ABI, and
 * jobs, `IMB_JOB`, that the caller lays out. A release whose `<intel-ipsec-mb.h>` was not looked at is refused.
 */
import koffi, { type TypeObject } from 'koffi';
import type { Direction } from '../crypto-device.ts';
import { CryptoError } from '../crypto-error.ts';
import { addressOf, type Pointer } from './libcrypto.ts';

/** The names that the releases below are installed under. */
const libraryNames = ['libIPSec_MB.so.2', 'libIPSec_MB.so.1'] as const;

/** `sizeof(IMB_JOB)` in bytes, by the releases that are known. All that is used in it lies at the same places in them. */
const jobSizes: Readonly<Record<string, number>> = { '1.3': 200, '2.0': 216 };

/** Offsets in `IMB_MGR`, in bytes, of function pointers. */
const manager = {
  keyexp_128: 112,
  keyexp_192: 120,
  keyexp_256: 128,
  gcm128_enc: 256,
  gcm192_enc: 264,
  gcm256_enc: 272,
  gcm128_dec: 280,
  gcm192_dec: 288,
  gcm256_dec: 296,
  gcm128_pre: 448,
  gcm192_pre: 456,
  gcm256_pre: 464,
  submit_cipher_burst: 984,
  end: 992,
} as const;
/** Offsets in `IMB_JOB`, in 32-bit words. */
const job = {
  enc_keys: 0,
  dec_keys: 2,
  key_len_in_bytes: 4,
  src: 6,
  dst: 8,
  msg_len_to_cipher_in_bytes: 12,
  iv: 18,
  iv_len_in_bytes: 20,
} as const;
const IMB_CIPHER_CBC = 1;
const directions: Record<Direction, number> = { encrypt: 1, decrypt: 2 };
/** The library was built to wipe what it kept of keys and data in registers, on the stack and in its manager. */
const IMB_FEATURE_SAFE_DATA = 1n << 14n;
const IMB_FEATURE_AESNI = 1n << 1n;

/** The most bytes in one job: lanes count them in 16 bits. */
export const longestMessage = 0xfff0;

export type KeyLength = 16 | 24 | 32;

const ivLength = 16;

type Burst = (
  manager: Pointer,
  jobs: Pointer,
  count: number,
  cipher: number,
  direction: number,
  keyLength: number,
) => number;
type ExpandKey = (key: Pointer, encrypting: Pointer, decrypting: Pointer) => void;
type ExpandGcmKey = (key: Pointer, expanded: Pointer) => void;
type Gcm = (
  key: Pointer,
  context: Pointer,
  destination: Pointer,
  source: Pointer,
  length: number,
  nonce: Pointer,
  associatedData: Pointer,
  associatedLength: number,
  tag: Pointer,
  tagLength: number,
) => void;

// SAFETY: the prototypes of <intel-ipsec-mb.h>, where pointers are `uintptr_t` (p) as in libcrypto.ts.
const p = 'uintptr_t';
const burstType = koffi.proto('imb_submit_cipher_burst', 'uint32_t', [
  p,
  p,
  'uint32_t',
  'int',
  'int',
  'size_t',
]);
const expandType = koffi.proto('imb_keyexp', 'void', [p, p, p]);
const expandGcmType = koffi.proto('imb_gcm_pre', 'void', [p, p]);
const gcmType = koffi.proto('imb_gcm_enc_dec', 'void', [p, p, p, p, p, p, p, p, p, p]);

type Library = {
  readonly version: string;
  readonly jobSize: number;
  readonly allocate: (flags: number) => Pointer;
  readonly initialize: (manager: Pointer, architecture: Pointer) => void;
  readonly free: (manager: Pointer) => void;
  readonly errorNumber: (manager: Pointer) => number;
  readonly errorText: (number: number) => string | null;
};

/** @throws {CryptoError} CRYPTO_UNAVAILABLE */
function loadLibrary(): Library {
  const library = openLibrary();
  const version = (library.func('imb_get_version_str', 'const char *', []) as () => string)();
  const jobSize = jobSizes[version.split('.', 2).join('.')];
  if (jobSize === undefined) {
    const known = Object.keys(jobSizes).join(' and ');
    throw new CryptoError('CRYPTO_UNAVAILABLE', `libIPSec_MB ${version} is none of those known: ${known}`);
  }
  const native = <F>(name: string, result: string, ...values: string[]) =>
    library.func(name, result, values) as unknown as F;
  return {
    version,
    jobSize,
    allocate: native('alloc_mb_mgr', p, 'uint64_t'),
    initialize: native('init_mb_mgr_auto', 'void', p, p),
    free: native('free_mb_mgr', 'void', p),
    errorNumber: native('imb_get_errno', 'int', p),
    errorText: native('imb_get_strerror', 'const char *', 'int'),
  };
}

function openLibrary() {
  let cause: unknown;
  for (const name of libraryNames) {
    try {
      return koffi.load(name);
    } catch (error) {
      cause = error;
    }
  }
  const message =
    'there is no libIPSec_MB; Debian has it in the package libipsec-mb2 (before 13: libipsec-mb1)';
  throw new CryptoError('CRYPTO_UNAVAILABLE', message, { cause });
}

let loaded: Library | undefined;
const forgotten = new FinalizationRegistry<Pointer>((pointer) => loaded!.free(pointer));

/** The one owner of an `IMB_MGR`: the lanes of the processor, for one thread. */
export class Manager {
  readonly version: string;
  readonly jobSize: number;
  readonly #library: Library;
  readonly #expand: Readonly<Record<KeyLength, ExpandKey>>;
  readonly #burst: Burst;
  readonly #expandGcm: Readonly<Record<KeyLength, ExpandGcmKey>>;
  readonly #gcm: Readonly<Record<Direction, Readonly<Record<KeyLength, Gcm>>>>;
  #pointer: Pointer;

  /** @throws {CryptoError} CRYPTO_UNAVAILABLE: no library, or none that will do */
  constructor() {
    loaded ??= loadLibrary();
    this.#library = loaded;
    this.version = loaded.version;
    this.jobSize = loaded.jobSize;
    this.#pointer = loaded.allocate(0);
    if (this.#pointer === 0)
      throw new CryptoError('CRYPTO_UNAVAILABLE', 'no memory for a manager of libIPSec_MB');
    forgotten.register(this, this.#pointer, this);
    loaded.initialize(this.#pointer, 0);
    const words = new BigUint64Array(koffi.view(this.#pointer, manager.end));
    const features = words[1]!;
    for (const [bit, lack] of [
      [IMB_FEATURE_SAFE_DATA, 'libIPSec_MB was built without SAFE_DATA: it does not wipe keys'],
      [IMB_FEATURE_AESNI, 'the processor has no AES instructions'],
    ] as const) {
      if ((features & bit) !== 0n) continue;
      this.close();
      throw new CryptoError('CRYPTO_UNAVAILABLE', lack);
    }
    // SAFETY: initialized, the manager has functions of the types of <intel-ipsec-mb.h> there.
    const at = (offset: number, type: TypeObject) => koffi.decode(words[offset / 8]!, type) as unknown;
    this.#expand = {
      16: at(manager.keyexp_128, expandType) as ExpandKey,
      24: at(manager.keyexp_192, expandType) as ExpandKey,
      32: at(manager.keyexp_256, expandType) as ExpandKey,
    };
    this.#burst = at(manager.submit_cipher_burst, burstType) as Burst;
    this.#expandGcm = {
      16: at(manager.gcm128_pre, expandGcmType) as ExpandGcmKey,
      24: at(manager.gcm192_pre, expandGcmType) as ExpandGcmKey,
      32: at(manager.gcm256_pre, expandGcmType) as ExpandGcmKey,
    };
    this.#gcm = {
      encrypt: {
        16: at(manager.gcm128_enc, gcmType) as Gcm,
        24: at(manager.gcm192_enc, gcmType) as Gcm,
        32: at(manager.gcm256_enc, gcmType) as Gcm,
      },
      decrypt: {
        16: at(manager.gcm128_dec, gcmType) as Gcm,
        24: at(manager.gcm192_dec, gcmType) as Gcm,
        32: at(manager.gcm256_dec, gcmType) as Gcm,
      },
    };
  }

  /** Frees it. Closing twice is fine. */
  close(): void {
    if (this.#pointer === 0) return;
    forgotten.unregister(this);
    this.#library.free(this.#pointer);
    this.#pointer = 0;
  }

  /**
   * Writes the round keys of the first `length` bytes of `key` to the two places.
   * SAFETY: each has room for `mostRoundKeys`, at an address that is a multiple of their length.
   */
  expand(key: Uint8Array<ArrayBuffer>, length: KeyLength, encrypting: Pointer, decrypting: Pointer): void {
    this.#assertOpen();
    this.#expand[length](addressOf(key, 0, length), encrypting, decrypting);
  }

  /**
   * Carries out jobs of AES-CBC.
   * @throws {CryptoError} CRYPTO_DEVICE_FAILED if not all succeeded
   */
  submit(jobs: Jobs, count: number): void {
    this.#assertOpen();
    const pointer = this.#pointer;
    const { direction, keyLength, bytes } = jobs;
    // SAFETY: `put` has filled `count` jobs; `addressOf` checks that they are in the memory.
    const start = addressOf(bytes, 0, count * this.jobSize);
    const done = this.#burst(pointer, start, count, IMB_CIPHER_CBC, directions[direction], keyLength);
    if (done === count) return;
    const reason = this.#library.errorText(this.#library.errorNumber(pointer));
    throw new CryptoError('CRYPTO_DEVICE_FAILED', `libIPSec_MB: ${done} of ${count} jobs: ${reason}`);
  }

  /**
   * Writes what GCM wants of the first `length` bytes of `key` to `expanded`.
   * SAFETY: that has room for `gcmKeyLength`, at an address that is a multiple of `gcmKeyAlignment`.
   */
  expandGcm(key: Uint8Array<ArrayBuffer>, length: KeyLength, expanded: Pointer): void {
    this.#assertOpen();
    this.#expandGcm[length](addressOf(key, 0, length), expanded);
  }

  /**
   * One message of AES-GCM. The library says nothing of what it does not like, so there must be nothing: no address is 0.
   * SAFETY: all must stay for the call: `length` bytes at `source` and `destination`, the same or apart,
   * `gcmContextLength` at `context`, 12 at `nonce`, 16 at `tag`, which it writes in both directions.
   */
  gcm(
    direction: Direction,
    key: GcmKey,
    context: Pointer,
    destination: Pointer,
    source: Pointer,
    length: number,
    nonce: Pointer,
    associatedData: Pointer,
    associatedLength: number,
    tag: Pointer,
  ): void {
    this.#assertOpen();
    const run = this.#gcm[direction][key.keyLength];
    run(
      key.pointer,
      context,
      destination,
      source,
      length,
      nonce,
      associatedData,
      associatedLength,
      tag,
      gcmTagLength,
    );
  }

  #assertOpen(): void {
    if (this.#pointer === 0) throw new CryptoError('CRYPTO_CLOSED', 'the engine is closed');
  }
}

const roundKeyLength = 16;
/** Those of AES-256. */
const mostRoundKeys = 15;
const scheduleLength = roundKeyLength * mostRoundKeys;

/** What the library makes of a key, where native code reads it by address while this is held. */
abstract class ExpandedKey {
  readonly keyLength: KeyLength;
  /** With room to align, which the library wants. */
  readonly #room: Uint8Array<ArrayBuffer>;
  readonly #start: Pointer;
  #isOpen = true;

  /** @param length and `alignment` in bytes */
  constructor(keyLength: KeyLength, length: number, alignment: number) {
    this.keyLength = keyLength;
    this.#room = new Uint8Array(new ArrayBuffer(length + alignment));
    const start = addressOf(this.#room);
    this.#start = start + ((alignment - (start % alignment)) % alignment);
  }

  /** @throws {CryptoError} CRYPTO_CLOSED */
  get pointer(): Pointer {
    if (!this.#isOpen) throw new CryptoError('CRYPTO_CLOSED', 'the session is closed');
    return this.#start;
  }

  /** Wipes it. Closing twice is fine. */
  close(): void {
    this.#isOpen = false;
    this.#room.fill(0);
  }
}

/** The round keys of an AES key, for both directions: those for decryption lie `scheduleLength` behind those for encryption. */
export class KeySchedule extends ExpandedKey {
  /** @param key its first bytes, outside of V8's heap */
  constructor(owner: Manager, key: Uint8Array<ArrayBuffer>, keyLength: KeyLength) {
    super(keyLength, 2 * scheduleLength, roundKeyLength);
    owner.expand(key, keyLength, this.pointer, this.pointer + scheduleLength);
  }
}

/** `sizeof(struct gcm_key_data)`: 1,008 bytes in 1.3, 1,264 in 2.0; and room for another. */
const gcmKeyLength = 2048;
const gcmKeyAlignment = 64;
/** `sizeof(struct gcm_context_data)` in all releases, and a little more. */
export const gcmContextLength = 96;
const gcmTagLength = 16;

/** What GCM wants of an AES key, for both directions. */
export class GcmKey extends ExpandedKey {
  /** @param key its first bytes, outside of V8's heap */
  constructor(owner: Manager, key: Uint8Array<ArrayBuffer>, keyLength: KeyLength) {
    super(keyLength, gcmKeyLength, gcmKeyAlignment);
    owner.expandGcm(key, keyLength, this.pointer);
  }
}

/** An array of `IMB_JOB` for one direction and length of key, each with room for its IV. */
export class Jobs {
  readonly direction: Direction;
  readonly keyLength: KeyLength;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #words: Uint32Array<ArrayBuffer>;
  readonly #stride: number;
  readonly #ivs: Uint8Array<ArrayBuffer>;

  /** @param jobSize that of the manager which they are for */
  constructor(jobSize: number, capacity: number, direction: Direction, keyLength: KeyLength) {
    this.direction = direction;
    this.keyLength = keyLength;
    this.bytes = new Uint8Array(new ArrayBuffer(jobSize * capacity));
    this.#words = new Uint32Array(this.bytes.buffer);
    this.#stride = jobSize / 4;
    this.#ivs = new Uint8Array(new ArrayBuffer(ivLength * capacity));
    const firstIv = addressOf(this.#ivs);
    for (let i = 0; i < capacity; i++) {
      const start = i * this.#stride;
      this.#setPointer(start + job.iv, firstIv + i * ivLength);
      this.#words[start + job.iv_len_in_bytes] = ivLength;
      this.#words[start + job.key_len_in_bytes] = keyLength;
    }
  }

  /**
   * Makes job `index` the one of that many bytes from `source` to `destination`.
   * SAFETY: both must stay, and `schedule` open, until the jobs have been submitted.
   * @param iv 16 bytes
   */
  put(
    index: number,
    schedule: KeySchedule,
    iv: Uint8Array,
    source: Pointer,
    destination: Pointer,
    length: number,
  ): void {
    const words = this.#words;
    const start = index * this.#stride;
    const keys = schedule.pointer;
    this.#setPointer(start + job.enc_keys, keys);
    this.#setPointer(start + job.dec_keys, keys + scheduleLength);
    this.#setPointer(start + job.src, source);
    this.#setPointer(start + job.dst, destination);
    words[start + job.msg_len_to_cipher_in_bytes] = length;
    const ivs = this.#ivs;
    const room = index * ivLength;
    for (let i = 0; i < ivLength; i++) ivs[room + i] = iv[i]!;
  }

  #setPointer(at: number, pointer: Pointer): void {
    this.#words[at] = pointer;
    this.#words[at + 1] = pointer / 2 ** 32;
  }
}
