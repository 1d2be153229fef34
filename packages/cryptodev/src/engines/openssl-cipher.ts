/** Ciphers without authentication on OpenSSL. */
import type { Segments } from '@skytale/virtio';
import type { CipherName } from '../algorithms.ts';
import { ciphers } from '../algorithms.ts';
import type { Direction } from '../crypto-device.ts';
import { CryptoError } from '../crypto-error.ts';
import type { EngineCipher } from '../engine.ts';
import { returnRoom, roomOfKey } from './keys.ts';
import type { Pointer } from './libcrypto.ts';
import {
  addressOf,
  EVP_Cipher,
  EVP_CipherInit_ex2,
  must,
  NativeContext,
  opensslError,
  Scratch,
} from './libcrypto.ts';
import { assertSameLength, Cursor, gathered } from './stretches.ts';

const ivRoom = new Scratch(16);
const blockRoom = new Scratch(16);
/** The most bytes in one call, whose length and result are 32 bits. A multiple of all block sizes. */
const longest = 2 ** 30;

export class OpensslCipher implements EngineCipher {
  readonly #cipher: CipherName;
  readonly #ivLength: number;
  readonly #algorithm: Pointer;
  readonly #key: Uint8Array<ArrayBuffer>;
  /** A context for each direction, made when the first operation wants it: their key schedules differ. */
  #encrypting: KeyedContext | undefined;
  #decrypting: KeyedContext | undefined;
  #closed = false;

  constructor(cipher: CipherName, algorithm: Pointer, key: Uint8Array) {
    this.#cipher = cipher;
    this.#ivLength = ciphers[cipher].ivLength;
    this.#algorithm = algorithm;
    this.#key = roomOfKey(key);
  }

  crypt(direction: Direction, iv: Uint8Array, source: Segments, destination: Segments): void {
    const context = this.#context(direction);
    const ctx = context.native.pointer;
    assertSameLength(source, destination);
    // SAFETY: OpenSSL reads as many bytes of the IV as the cipher has.
    if (iv.length !== this.#ivLength)
      throw new CryptoError('CRYPTO_INVALID_IV_LENGTH', `an IV of ${iv.length} bytes`);
    if (source.byteLength === 0) return;
    if (iv.length > 0) context.setIv(iv);
    if (source.count === 1 && destination.count === 1 && source.byteLength <= longest) {
      transform(
        ctx,
        source.memory[0]!.bytes,
        source.offset[0]!,
        destination.memory[0]!.bytes,
        destination.offset[0]!,
        source.byteLength,
      );
    } else if (this.#cipher === 'aes-xts') {
      transformWhole(ctx, source, destination);
    } else {
      transformStretches(ctx, source, destination, ciphers[this.#cipher].blockSize);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#encrypting?.close();
    this.#decrypting?.close();
    returnRoom(this.#key);
  }

  #context(direction: Direction): KeyedContext {
    if (this.#closed) throw new CryptoError('CRYPTO_CLOSED', 'the session is closed');
    if (direction === 'encrypt') {
      this.#encrypting ??= this.#schedule(1);
      return this.#encrypting;
    }
    this.#decrypting ??= this.#schedule(0);
    return this.#decrypting;
  }

  #schedule(encrypt: 0 | 1): KeyedContext {
    const context = NativeContext.cipher();
    const result = EVP_CipherInit_ex2(context.pointer, this.#algorithm, addressOf(this.#key), 0, encrypt, 0);
    if (result === 1) return new KeyedContext(context, this.#cipher);
    context.close();
    throw opensslError(`set key for ${this.#cipher}`);
  }
}

/** A context with the key in it, and the way in which its IV is set. */
class KeyedContext {
  readonly native: NativeContext;
  /**
   * Whether the IV is all the state that the mode keeps between blocks, so that it can be written where it lies. CTR,
   * CFB and OFB also keep how much of a block was used, XTS what it computed from the IV.
   */
  readonly #isChained: boolean;
  #operations = 0;
  /** Where the IV lies. */
  #room: Uint8Array | undefined;

  constructor(native: NativeContext, cipher: CipherName) {
    this.native = native;
    this.#isChained = cipher.endsWith('-cbc');
  }

  setIv(iv: Uint8Array): void {
    const room = this.#room;
    if (room !== undefined) {
      for (let i = 0; i < iv.length; i++) room[i] = iv[i]!;
      return;
    }
    must(EVP_CipherInit_ex2(this.native.pointer, 0, 0, ivRoom.put(iv), -1, 0), 'set IV');
    this.#operations += 1;
    // Not for a session that is used once: to find the place costs more than one call.
    if (this.#isChained && this.#operations === 2) this.#room = this.#findRoom(iv);
  }

  /** @returns where the IV lies if it is there indeed; an OpenSSL that keeps another state goes on being called */
  #findRoom(iv: Uint8Array): Uint8Array | undefined {
    const room = this.native.ivRoom(iv.length);
    return room !== undefined && iv.every((byte, i) => byte === room[i]) ? room : undefined;
  }

  close(): void {
    this.#room = undefined;
    this.native.close();
  }
}

// SAFETY: both ranges are checked by `addressOf`, and EVP_Cipher writes as many bytes as it reads.
function transform(
  ctx: Pointer,
  from: Uint8Array,
  fromOffset: number,
  to: Uint8Array,
  toOffset: number,
  length: number,
): void {
  const out = addressOf(to, toOffset, length);
  const isInPlace = from === to && fromOffset === toOffset;
  const data = isInPlace ? out : addressOf(from, fromOffset, length);
  if (EVP_Cipher(ctx, out, data, length) !== length) {
    throw opensslError(`cipher of ${length} bytes`);
  }
}

/** One call for each stretch that is contiguous on both sides; a block that lies across an end is bounced. */
function transformStretches(ctx: Pointer, source: Segments, destination: Segments, blockSize: number): void {
  const from = new Cursor(source);
  const to = new Cursor(destination);
  const block = blockRoom.bytes.subarray(0, blockSize);
  for (let left = source.byteLength; left > 0; ) {
    let length = Math.min(from.contiguous, to.contiguous, longest);
    length -= length % blockSize;
    if (length > 0) {
      transform(ctx, from.memory, from.offset, to.memory, to.offset, length);
      from.advance(length);
      to.advance(length);
    } else {
      length = blockSize;
      from.read(block);
      transform(ctx, block, 0, block, 0, length);
      to.write(block);
    }
    left -= length;
  }
  blockRoom.wipe();
}

/** For XTS, whose tweak starts anew with each call: all of it in one. */
function transformWhole(ctx: Pointer, source: Segments, destination: Segments): void {
  const whole = gathered(source);
  const result = new Uint8Array(source.byteLength);
  transform(ctx, whole, 0, result, 0, result.length);
  destination.copyFrom(0, result.length, result);
  result.fill(0);
  if (source.count > 1) whole.fill(0);
}
