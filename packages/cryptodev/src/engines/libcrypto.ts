/**
 * Node's own OpenSSL by FFI: every native function that is called, and every pointer that is held, is in
 * this file, or for asymmetric keys in libcrypto-pkey.ts. `koffi.load(null)` is the process itself, which exports the `EVP_*` functions Node is linked
 * with. (Another libcrypto.so must not be loaded beside them: its symbols would be bound to these.)
 *
 * Pointers are plain numbers, declared `uintptr_t`: a user-space address fits a double exactly, and a call
 * with numbers costs a third of one with pointer objects. So nothing but this file's rules keeps a number
 * from being called with after its memory is gone:
 *
 * - **Contexts** (`EVP_CIPHER_CTX` …, and `EVP_PKEY`) belong to one `NativeContext` each. Its `pointer` throws once closed,
 *   and it frees what its owner forgot to close, but never during a call: finalizers run between tasks.
 * - **The IV of a cipher context** is memory of the context's (`NativeContext.ivRoom`): who asked for it drops it
 *   before the context is closed.
 * - **Algorithms** (`EVP_CIPHER` …) are fetched once and stay for the life of the process.
 * - **Memory of JavaScript** is borrowed for one synchronous call; `addressOf` checks it at each. Nothing
 *   in OpenSSL keeps a pointer to it: keys, IVs and tags are copied into the context.
 */
import koffi from 'koffi';
import { CryptoError } from '../crypto-error.ts';

/** An address in this process. 0 is no address. */
export type Pointer = number;

if (koffi.sizeof('void *') !== 8) throw new Error('OpenSSL by FFI needs a 64-bit process');

const library = koffi.load(null);

// SAFETY: the declarations repeat the prototypes of <openssl/evp.h> 3.0, where `const` and pointer types are
// all `uintptr_t` (p) and `size_t` is of the same size. All of them are part of OpenSSL's stable ABI 3.
export const p = 'uintptr_t';
export function native<F extends (...values: never[]) => unknown>(
  name: string,
  result: string,
  ...values: string[]
): F {
  return library.func(name, result, values) as unknown as F;
}

export const EVP_CipherInit_ex2 = native<
  (ctx: Pointer, cipher: Pointer, key: Pointer, iv: Pointer, encrypt: number, params: Pointer) => number
>('EVP_CipherInit_ex2', 'int', p, p, p, p, 'int', p);
/** Without a length pointer: returns the bytes written, or less than 0 (less than 1 for some ciphers). */
export const EVP_Cipher = native<(ctx: Pointer, out: Pointer, data: Pointer, length: number) => number>(
  'EVP_Cipher',
  'int',
  p,
  p,
  p,
  'uint32_t',
);
export const EVP_CipherUpdate = native<
  (ctx: Pointer, out: Pointer, outLength: Pointer, data: Pointer, length: number) => number
>('EVP_CipherUpdate', 'int', p, p, p, p, 'int');
export const EVP_CipherFinal_ex = native<(ctx: Pointer, out: Pointer, outLength: Pointer) => number>(
  'EVP_CipherFinal_ex',
  'int',
  p,
  p,
  p,
);
export const EVP_CIPHER_CTX_ctrl = native<
  (ctx: Pointer, command: number, length: number, value: Pointer) => number
>('EVP_CIPHER_CTX_ctrl', 'int', p, 'int', 'int', p);
export const EVP_CIPHER_CTX_set_padding = native<(ctx: Pointer, on: number) => number>(
  'EVP_CIPHER_CTX_set_padding',
  'int',
  p,
  'int',
);

export const EVP_DigestInit_ex2 = native<(ctx: Pointer, digest: Pointer, params: Pointer) => number>(
  'EVP_DigestInit_ex2',
  'int',
  p,
  p,
  p,
);
export const EVP_DigestUpdate = native<(ctx: Pointer, data: Pointer, length: number) => number>(
  'EVP_DigestUpdate',
  'int',
  p,
  p,
  p,
);
export const EVP_DigestFinal_ex = native<(ctx: Pointer, out: Pointer, outLength: Pointer) => number>(
  'EVP_DigestFinal_ex',
  'int',
  p,
  p,
  p,
);
export const EVP_MD_CTX_copy_ex = native<(target: Pointer, source: Pointer) => number>(
  'EVP_MD_CTX_copy_ex',
  'int',
  p,
  p,
);

export const EVP_MAC_init = native<
  (ctx: Pointer, key: Pointer, keyLength: number, params: Pointer) => number
>('EVP_MAC_init', 'int', p, p, p, p);
export const EVP_MAC_update = native<(ctx: Pointer, data: Pointer, length: number) => number>(
  'EVP_MAC_update',
  'int',
  p,
  p,
  p,
);
export const EVP_MAC_final = native<
  (ctx: Pointer, out: Pointer, outLength: Pointer, outSize: number) => number
>('EVP_MAC_final', 'int', p, p, p, p);

const EVP_CIPHER_CTX_iv_noconst = native<(ctx: Pointer) => Pointer>('EVP_CIPHER_CTX_iv_noconst', p, p);
const EVP_CIPHER_CTX_new = native<() => Pointer>('EVP_CIPHER_CTX_new', p);
const EVP_CIPHER_CTX_free = native<(ctx: Pointer) => void>('EVP_CIPHER_CTX_free', 'void', p);
const EVP_MD_CTX_new = native<() => Pointer>('EVP_MD_CTX_new', p);
const EVP_MD_CTX_free = native<(ctx: Pointer) => void>('EVP_MD_CTX_free', 'void', p);
const EVP_MAC_CTX_new = native<(mac: Pointer) => Pointer>('EVP_MAC_CTX_new', p, p);
const EVP_MAC_CTX_dup = native<(ctx: Pointer) => Pointer>('EVP_MAC_CTX_dup', p, p);
const EVP_MAC_CTX_free = native<(ctx: Pointer) => void>('EVP_MAC_CTX_free', 'void', p);
const EVP_PKEY_free = native<(key: Pointer) => void>('EVP_PKEY_free', 'void', p);

type Fetch = (libctx: Pointer, name: string, properties: Pointer) => Pointer;
const EVP_CIPHER_fetch = native<Fetch>('EVP_CIPHER_fetch', p, p, 'const char *', p);
const EVP_MD_fetch = native<Fetch>('EVP_MD_fetch', p, p, 'const char *', p);
const EVP_MAC_fetch = native<Fetch>('EVP_MAC_fetch', p, p, 'const char *', p);

const ERR_clear_error = native<() => void>('ERR_clear_error', 'void');
const ERR_get_error = native<() => number | bigint>('ERR_get_error', 'unsigned long');
const ERR_reason_error_string = native<(error: number | bigint) => string | null>(
  'ERR_reason_error_string',
  'const char *',
  'unsigned long',
);

/** `EVP_CTRL_AEAD_*` of <openssl/evp.h>. */
export const control = { setIvLength: 0x9, getTag: 0x10, setTag: 0x11 } as const;

// The bases of the memory met so far. An entry lives as long as its buffer does and not longer.
const bases = new WeakMap<ArrayBufferLike, Pointer>();
/** The memory met last, which is kept until there is another: nearly always the one asked for next. */
const noMemory = new Uint8Array(0);
let lastMemory: Uint8Array = noMemory;
let lastAddress: Pointer = 0;
/**
 * Those met before it. Optimised code may let go of an array after its last use, which taking its address is: what the
 * addresses of one call lie in, far fewer than these, is held here.
 */
const recentMemory = new Array<Uint8Array>(16).fill(noMemory);
let recent = 0;

/**
 * The address of `memory[offset]`, for one synchronous call that touches no more than `length` bytes there.
 *
 * SAFETY: the base of an (Array|SharedArray)Buffer never moves: a resizable one keeps its reserved range, and
 * one that is detached or shrunk leaves its views shorter, which the check sees. (V8 keeps small typed arrays
 * on its moving heap until somebody asks for their `buffer`, as this does.) `memory` is held: see `recentMemory`.
 * @throws {CryptoError} CRYPTO_INVALID_DATA_LENGTH if the range is not inside `memory`
 */
export function addressOf(memory: Uint8Array, offset = 0, length = memory.length): Pointer {
  if (!(offset >= 0 && length >= 0 && offset + length <= memory.length)) {
    throw new CryptoError(
      'CRYPTO_INVALID_DATA_LENGTH',
      `range ${offset}+${length} is outside of ${memory.length} bytes of memory (was it detached or resized?)`,
    );
  }
  // To ask for `buffer` costs more than all the rest.
  if (memory !== lastMemory) {
    lastAddress = baseOf(memory.buffer) + memory.byteOffset;
    // One of no bytes has no address yet; it may be resizable and get one.
    lastMemory = memory.length > 0 ? memory : noMemory;
    recent = (recent + 1) % recentMemory.length;
    recentMemory[recent] = memory;
  }
  return lastAddress + offset;
}

function baseOf(buffer: ArrayBufferLike): Pointer {
  const known = bases.get(buffer);
  if (known !== undefined) return known;
  const base = addressIn(buffer);
  if (buffer.byteLength > 0) bases.set(buffer, base);
  return base;
}

function addressIn(buffer: ArrayBufferLike): Pointer {
  const base = Number(koffi.address(new Uint8Array(buffer)));
  if (!Number.isSafeInteger(base))
    throw new CryptoError('CRYPTO_UNAVAILABLE', 'addresses are wider than 53 bits');
  return base;
}

/**
 * Room of a module's own for a call's small inputs and outputs.
 *
 * SAFETY: its address stays good for the life of the process, because every room is kept: a caller may hold
 * on to the number alone.
 */
export class Scratch {
  static readonly #kept: Scratch[] = [];
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly address: Pointer;

  constructor(length: number) {
    this.bytes = new Uint8Array(new ArrayBuffer(length));
    this.address = addressOf(this.bytes);
    Scratch.#kept.push(this);
  }

  /** Copies `bytes` to the start of the room. @returns its address */
  put(bytes: Uint8Array): Pointer {
    const room = this.bytes;
    const { length } = bytes;
    if (length > room.length) throw new RangeError(`${length} bytes for a room of ${room.length}`);
    // For the few bytes of an IV a loop is faster than `set`.
    for (let i = 0; i < length; i++) room[i] = bytes[i]!;
    return this.address;
  }

  wipe(): void {
    this.bytes.fill(0);
  }
}

/** Where OpenSSL may write a length that nobody reads. */
export const ignoredLength = new Scratch(8).address;

type AlgorithmKind = 'cipher' | 'digest' | 'mac';
type ContextKind = AlgorithmKind | 'pkey';
type Held = { readonly kind: ContextKind; readonly pointer: Pointer };

// SAFETY: each of these clears the memory it frees, with the key schedule in it.
const free: Record<ContextKind, (ctx: Pointer) => void> = {
  cipher: EVP_CIPHER_CTX_free,
  digest: EVP_MD_CTX_free,
  mac: EVP_MAC_CTX_free,
  pkey: EVP_PKEY_free,
};
let live = 0;

/** How many native contexts of this thread are not freed yet. */
export function liveContexts(): number {
  return live;
}

function release({ kind, pointer }: Held): void {
  free[kind](pointer);
  live -= 1;
}

const forgotten = new FinalizationRegistry<Held>(release);

/** The one owner of a native context. */
export class NativeContext {
  #held: Held | undefined;

  private constructor(kind: ContextKind, pointer: Pointer) {
    if (pointer === 0) throw opensslError(`no memory for a ${kind} context`);
    this.#held = { kind, pointer };
    live += 1;
    forgotten.register(this, this.#held, this);
  }

  static cipher(): NativeContext {
    return new NativeContext('cipher', EVP_CIPHER_CTX_new());
  }

  static digest(): NativeContext {
    return new NativeContext('digest', EVP_MD_CTX_new());
  }

  static mac(): NativeContext {
    return new NativeContext('mac', EVP_MAC_CTX_new(fetched('mac', 'HMAC')));
  }

  /** Takes over an `EVP_PKEY` that was made for the caller. */
  static pkey(pointer: Pointer): NativeContext {
    return new NativeContext('pkey', pointer);
  }

  /** A second context with a copy of the state of this one, which must be of a MAC. */
  duplicateMac(): NativeContext {
    return new NativeContext('mac', EVP_MAC_CTX_dup(this.pointer));
  }

  /** Borrowed: for one call, not to be kept. @throws {CryptoError} CRYPTO_CLOSED */
  get pointer(): Pointer {
    if (this.#held === undefined) throw new CryptoError('CRYPTO_CLOSED', 'the session is closed');
    return this.#held.pointer;
  }

  /**
   * The IV inside a cipher context, `length` bytes: what is written there is the IV of the next operation. That saves
   * the call that sets it, which costs more than a short operation.
   *
   * SAFETY: it is the IV that the provider's context works with (provider-cipher(7), `updated-iv` as a pointer, which
   * exists to be written through): inside the context, and EVP_MAX_IV_LENGTH, 16, bytes long. The caller
   * lets go of it before `close`, knows that the mode keeps no other state, and looks whether the IV is there.
   * @returns undefined if OpenSSL does not say where it is
   * @throws {CryptoError} CRYPTO_CLOSED
   */
  ivRoom(length: number): Uint8Array | undefined {
    const pointer = EVP_CIPHER_CTX_iv_noconst(this.pointer);
    if (pointer !== 0) return new Uint8Array(koffi.view(pointer, length));
    ERR_clear_error();
    return undefined;
  }

  /** Wipes and frees the context. Closing twice is fine. */
  close(): void {
    if (this.#held === undefined) return;
    forgotten.unregister(this);
    release(this.#held);
    this.#held = undefined;
  }
}

const fetchers: Record<AlgorithmKind, Fetch> = {
  cipher: EVP_CIPHER_fetch,
  digest: EVP_MD_fetch,
  mac: EVP_MAC_fetch,
};
const algorithms = new Map<string, Pointer>();

/** The algorithm object that OpenSSL has under this name, for the life of the process; 0 if it has none. */
export function fetched(kind: AlgorithmKind, name: string): Pointer {
  const key = `${kind} ${name}`;
  let pointer = algorithms.get(key);
  if (pointer === undefined) {
    pointer = fetchers[kind](0, name, 0);
    if (pointer === 0) ERR_clear_error();
    algorithms.set(key, pointer);
  }
  return pointer;
}

const digestParams = new Map<string, Pointer>();

/** The address of an `OSSL_PARAM` list that says `digest=name`, for `EVP_MAC_init`. */
export function digestParam(name: string): Pointer {
  const known = digestParams.get(name);
  if (known !== undefined) return known;
  const texts = new Scratch(64);
  texts.put(new TextEncoder().encode(`digest\0${name}\0`));
  // Two of struct { const char *key; unsigned data_type; void *data; size_t data_size, return_size; },
  // the second all zero: the end of the list.
  const list = new Scratch(80);
  const OSSL_PARAM_UTF8_STRING = 4;
  new BigUint64Array(list.bytes.buffer).set([
    BigInt(texts.address),
    BigInt(OSSL_PARAM_UTF8_STRING),
    BigInt(texts.address + 'digest\0'.length),
    BigInt(name.length),
    0n,
  ]);
  digestParams.set(name, list.address);
  return list.address;
}

/**
 * What OpenSSL has to say about the call that failed, as an error; its queue, which Node's own calls share,
 * is left empty.
 */
export function opensslError(what: string): CryptoError {
  const code = ERR_get_error();
  const reason = Number(code) === 0 ? null : ERR_reason_error_string(code);
  ERR_clear_error();
  return new CryptoError(
    'CRYPTO_DEVICE_FAILED',
    reason === null ? `OpenSSL: ${what}` : `OpenSSL: ${what}: ${reason}`,
  );
}

/** @throws {CryptoError} CRYPTO_DEVICE_FAILED unless `result` is 1, OpenSSL's word for success */
export function must(result: number, what: string): void {
  if (result !== 1) throw opensslError(what);
}

/** For a failure that is an answer, as a tag that does not match: leaves the queue of errors empty. */
export function forgetErrors(): void {
  ERR_clear_error();
}
