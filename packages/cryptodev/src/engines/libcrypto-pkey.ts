/** Asymmetric keys of Node's own OpenSSL, by FFI. The rules are those of libcrypto.ts. */
import { CryptoError } from '../crypto-error.ts';
import { copyOfKey } from './keys.ts';
import type { Pointer } from './libcrypto.ts';
import {
  addressOf,
  fetched,
  forgetErrors,
  must,
  NativeContext,
  native,
  opensslError,
  p,
  Scratch,
} from './libcrypto.ts';

// SAFETY: the declarations repeat the prototypes of <openssl/evp.h> and <openssl/rsa.h> 3.0, as in libcrypto.ts.
const EVP_PKEY_CTX_new_from_name = native<(libctx: Pointer, name: string, properties: Pointer) => Pointer>(
  'EVP_PKEY_CTX_new_from_name',
  p,
  p,
  'const char *',
  p,
);
const EVP_PKEY_CTX_new_from_pkey = native<(libctx: Pointer, key: Pointer, properties: Pointer) => Pointer>(
  'EVP_PKEY_CTX_new_from_pkey',
  p,
  p,
  p,
  p,
);
const EVP_PKEY_CTX_free = native<(ctx: Pointer) => void>('EVP_PKEY_CTX_free', 'void', p);
const EVP_PKEY_fromdata_init = native<(ctx: Pointer) => number>('EVP_PKEY_fromdata_init', 'int', p);
const EVP_PKEY_fromdata = native<(ctx: Pointer, key: Pointer, selection: number, params: Pointer) => number>(
  'EVP_PKEY_fromdata',
  'int',
  p,
  p,
  'int',
  p,
);
const EVP_PKEY_get_size = native<(key: Pointer) => number>('EVP_PKEY_get_size', 'int', p);
const EVP_PKEY_CTX_set_rsa_padding = native<(ctx: Pointer, padding: number) => number>(
  'EVP_PKEY_CTX_set_rsa_padding',
  'int',
  p,
  'int',
);
const EVP_PKEY_CTX_set_signature_md = native<(ctx: Pointer, digest: Pointer) => number>(
  'EVP_PKEY_CTX_set_signature_md',
  'int',
  p,
  p,
);

type Init = (ctx: Pointer) => number;
type Transform = (ctx: Pointer, out: Pointer, outLength: Pointer, data: Pointer, length: number) => number;
export type Transformation = 'encrypt' | 'decrypt' | 'sign';
const transformations: Record<Transformation, { init: Init; run: Transform }> = {
  encrypt: transformation('encrypt'),
  decrypt: transformation('decrypt'),
  sign: transformation('sign'),
};
const EVP_PKEY_verify_init = native<Init>('EVP_PKEY_verify_init', 'int', p);
const EVP_PKEY_verify = native<
  (ctx: Pointer, signature: Pointer, signatureLength: number, data: Pointer, length: number) => number
>('EVP_PKEY_verify', 'int', p, p, p, p, p);

const checks = {
  public: native<Init>('EVP_PKEY_public_check', 'int', p),
  private: native<Init>('EVP_PKEY_private_check', 'int', p),
} as const;

function transformation(name: Transformation): { init: Init; run: Transform } {
  return {
    init: native(`EVP_PKEY_${name}_init`, 'int', p),
    run: native(`EVP_PKEY_${name}`, 'int', p, p, p, p, p),
  };
}

/** RSA_NO_PADDING and RSA_PKCS1_PADDING of <openssl/rsa.h>. */
export const rsaPadding = { raw: 3, pkcs1: 1 } as const;
/** EVP_PKEY_PUBLIC_KEY and EVP_PKEY_KEYPAIR of <openssl/evp.h>. */
const selections = { public: 0x86, private: 0x87 } as const;

/** A value of an `OSSL_PARAM`: a number (big-endian), bytes, or a text. */
export type ParamValue =
  | { readonly number: Uint8Array }
  | { readonly bytes: Uint8Array }
  | { readonly text: string };

/** What an operation needs set before it: the padding of RSA, and the digest that a signature names. */
export type Settings = { readonly padding?: number; readonly digest?: string };

const pointerRoom = new Scratch(8);
const lengthRoom = new Scratch(8);

/**
 * A key from its numbers.
 * @throws {CryptoError} CRYPTO_INVALID_KEY, with OpenSSL's reason
 */
export function pkeyFromData(
  algorithm: 'RSA' | 'EC',
  type: 'public' | 'private',
  params: readonly (readonly [string, ParamValue])[],
): NativeContext {
  const list = new ParamList(params);
  const ctx = EVP_PKEY_CTX_new_from_name(0, algorithm, 0);
  if (ctx === 0) throw opensslError(`no keys of ${algorithm}`);
  try {
    pointerRoom.wipe();
    const made =
      EVP_PKEY_fromdata_init(ctx) === 1 &&
      EVP_PKEY_fromdata(ctx, pointerRoom.address, selections[type], list.address) === 1;
    if (!made) throw new CryptoError('CRYPTO_INVALID_KEY', opensslError('the key is refused').message);
    return NativeContext.pkey(readPointer());
  } finally {
    EVP_PKEY_CTX_free(ctx);
    list.wipe();
  }
}

/** Whether the numbers of a key are in the range that they must be in. */
export function isPkeySound(key: NativeContext, type: 'public' | 'private'): boolean {
  const isSound = withContext(
    key,
    () => 1,
    {},
    (ctx) => checks[type](ctx) === 1,
  );
  if (!isSound) forgetErrors();
  return isSound;
}

/** The longest that a result of an operation by the key can be, in bytes. */
export function pkeySize(key: NativeContext): number {
  return EVP_PKEY_get_size(key.pointer);
}

/** Encrypts, decrypts or signs. @throws {CryptoError} CRYPTO_DEVICE_FAILED with OpenSSL's reason */
export function pkeyTransform(
  key: NativeContext,
  what: Transformation,
  settings: Settings,
  data: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const { init, run } = transformations[what];
  const room = new Uint8Array(new ArrayBuffer(pkeySize(key)));
  return withContext(key, init, settings, (ctx) => {
    new DataView(lengthRoom.bytes.buffer).setBigUint64(0, BigInt(room.length), true);
    // SAFETY: OpenSSL writes no more than the length it is told, and what it wrote replaces that.
    const result = run(ctx, addressOf(room), lengthRoom.address, addressOf(data), data.length);
    must(result, what);
    return room.subarray(0, Number(new DataView(lengthRoom.bytes.buffer).getBigUint64(0, true)));
  });
}

/** Whether `signature` is one of `digest`. Whatever else is wrong with it is no error. */
export function pkeyVerify(
  key: NativeContext,
  settings: Settings,
  signature: Uint8Array,
  digest: Uint8Array,
): boolean {
  return withContext(key, EVP_PKEY_verify_init, settings, (ctx) => {
    const result = EVP_PKEY_verify(
      ctx,
      addressOf(signature),
      signature.length,
      addressOf(digest),
      digest.length,
    );
    if (result !== 1) forgetErrors();
    return result === 1;
  });
}

function withContext<T>(key: NativeContext, init: Init, settings: Settings, work: (ctx: Pointer) => T): T {
  // SAFETY: the context counts as a reference to the key, and lives for this call only.
  const ctx = EVP_PKEY_CTX_new_from_pkey(0, key.pointer, 0);
  if (ctx === 0) throw opensslError('no memory for a key context');
  try {
    must(init(ctx), 'start');
    if (settings.padding !== undefined)
      must(EVP_PKEY_CTX_set_rsa_padding(ctx, settings.padding), 'set padding');
    if (settings.digest !== undefined) {
      must(EVP_PKEY_CTX_set_signature_md(ctx, fetched('digest', settings.digest)), 'set digest');
    }
    return work(ctx);
  } finally {
    EVP_PKEY_CTX_free(ctx);
  }
}

function readPointer(): Pointer {
  return Number(new DataView(pointerRoom.bytes.buffer).getBigUint64(0, true));
}

/**
 * A list of `OSSL_PARAM`, with all it points to, in one piece of memory that can be wiped.
 *
 * SAFETY: the addresses in the list are of its own memory, which whoever holds it keeps alive; OpenSSL copies
 * what it takes.
 */
class ParamList {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly address: Pointer;

  constructor(params: readonly (readonly [string, ParamValue])[]) {
    const entries = params.map(([name, value]) => ({ name: zeroEnded(name), ...encode(value) }));
    const listLength = (entries.length + 1) * paramLength;
    const total = entries.reduce((sum, { name, data }) => sum + name.length + data.length + 1, listLength);
    this.#bytes = new Uint8Array(new ArrayBuffer(total));
    this.address = addressOf(this.#bytes);
    const view = new DataView(this.#bytes.buffer);
    let free = listLength;
    for (const [i, { name, data, type, length }] of entries.entries()) {
      const at = i * paramLength;
      this.#bytes.set(name, free);
      this.#bytes.set(data, free + name.length);
      view.setBigUint64(at, BigInt(this.address + free), true);
      view.setUint32(at + 8, type, true);
      view.setBigUint64(at + 16, BigInt(this.address + free + name.length), true);
      view.setBigUint64(at + 24, BigInt(length), true);
      free += name.length + data.length + 1;
      data.fill(0);
    }
  }

  wipe(): void {
    this.#bytes.fill(0);
  }
}

/** struct { const char *key; unsigned data_type; void *data; size_t data_size, return_size; }, all zero at the end. */
const paramLength = 40;
/** OSSL_PARAM_… of <openssl/core.h>. */
const paramType = { unsignedInteger: 2, utf8String: 4, octetString: 5 } as const;

/** @returns data in memory of its own, which the caller wipes */
function encode(value: ParamValue): { data: Uint8Array; type: number; length: number } {
  if ('text' in value) {
    const data = zeroEnded(value.text);
    return { data, type: paramType.utf8String, length: data.length - 1 };
  }
  if ('bytes' in value) {
    const data = copyOfKey(value.bytes);
    return { data, type: paramType.octetString, length: data.length };
  }
  // Numbers are of the machine's byte order: little-endian on all machines that this runs on.
  const data = copyOfKey(value.number).reverse();
  return { data, type: paramType.unsignedInteger, length: data.length };
}

function zeroEnded(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}
