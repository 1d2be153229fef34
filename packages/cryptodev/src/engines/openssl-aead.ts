/** Authenticated ciphers on OpenSSL. */
import type { Segments } from '@skytale/virtio';
import type { AeadName } from '../algorithms.ts';
import { CryptoError } from '../crypto-error.ts';
import type { EngineAead } from '../engine.ts';
import { copyOfKey } from './keys.ts';
import type { Pointer } from './libcrypto.ts';
import {
  addressOf,
  control,
  EVP_CIPHER_CTX_ctrl,
  EVP_Cipher,
  EVP_CipherFinal_ex,
  EVP_CipherInit_ex2,
  EVP_CipherUpdate,
  forgetErrors,
  ignoredLength,
  must,
  NativeContext,
  opensslError,
  Scratch,
} from './libcrypto.ts';
import { assertSameLength, Cursor, gathered } from './stretches.ts';

const nonceRoom = new Scratch(16);
const tagRoom = new Scratch(16);
const finalRoom = new Scratch(16);
/** The most bytes in one call, whose length and result are 32 bits. */
const longest = 2 ** 30;

export class OpensslAead implements EngineAead {
  readonly #aead: AeadName;
  readonly #algorithm: Pointer;
  readonly #key: Uint8Array<ArrayBuffer>;
  readonly #tagLength: number;
  /** Contexts with the key in them, by 2 × the length of the nonce + direction: CCM binds it to the key. */
  readonly #contexts: (NativeContext | undefined)[] = [];
  #closed = false;

  constructor(aead: AeadName, algorithm: Pointer, key: Uint8Array, tagLength: number) {
    this.#aead = aead;
    this.#algorithm = algorithm;
    this.#key = copyOfKey(key);
    this.#tagLength = tagLength;
  }

  seal(
    nonce: Uint8Array,
    associatedData: Segments,
    source: Segments,
    destination: Segments,
    tag: Uint8Array,
  ): void {
    assertSameLength(source, destination);
    const ctx = this.#start(1, nonce);
    if (!this.#run(ctx, associatedData, source, destination)) throw opensslError('seal');
    must(EVP_CipherFinal_ex(ctx, finalRoom.address, ignoredLength), 'seal');
    must(EVP_CIPHER_CTX_ctrl(ctx, control.getTag, this.#tagLength, tagRoom.address), 'get tag');
    for (let i = 0; i < this.#tagLength; i++) tag[i] = tagRoom.bytes[i]!;
  }

  open(
    nonce: Uint8Array,
    associatedData: Segments,
    source: Segments,
    destination: Segments,
    tag: Uint8Array,
  ): boolean {
    assertSameLength(source, destination);
    // What was in the room before must not stand in for what is missing.
    if (tag.length !== this.#tagLength) {
      throw new CryptoError(
        'CRYPTO_INVALID_TAG_LENGTH',
        `a tag of ${tag.length} bytes, not ${this.#tagLength}`,
      );
    }
    const ctx = this.#start(0, nonce);
    must(EVP_CIPHER_CTX_ctrl(ctx, control.setTag, this.#tagLength, tagRoom.put(tag)), 'set tag');
    // CCM compares the tag with the data, the others at the end.
    const matches =
      this.#run(ctx, associatedData, source, destination) &&
      (this.#aead === 'aes-ccm' || EVP_CipherFinal_ex(ctx, finalRoom.address, ignoredLength) === 1);
    if (matches) return true;
    forgetErrors();
    destination.fill(0);
    return false;
  }

  close(): void {
    this.#closed = true;
    for (const context of this.#contexts) context?.close();
    this.#key.fill(0);
  }

  #start(encrypt: 0 | 1, nonce: Uint8Array): Pointer {
    if (this.#closed) throw new CryptoError('CRYPTO_CLOSED', 'the session is closed');
    const slot = 2 * nonce.length + encrypt;
    const context = this.#contexts[slot] ?? this.#schedule(encrypt, nonce.length);
    this.#contexts[slot] = context;
    must(EVP_CipherInit_ex2(context.pointer, 0, 0, nonceRoom.put(nonce), -1, 0), 'set nonce');
    return context.pointer;
  }

  #schedule(encrypt: 0 | 1, nonceLength: number): NativeContext {
    const context = NativeContext.cipher();
    const ctx = context.pointer;
    // CCM wants to know both lengths before the key; the others do not mind.
    const done =
      EVP_CipherInit_ex2(ctx, this.#algorithm, 0, 0, encrypt, 0) === 1 &&
      EVP_CIPHER_CTX_ctrl(ctx, control.setIvLength, nonceLength, 0) === 1 &&
      (this.#aead !== 'aes-ccm' || EVP_CIPHER_CTX_ctrl(ctx, control.setTag, this.#tagLength, 0) === 1) &&
      EVP_CipherInit_ex2(ctx, 0, addressOf(this.#key), 0, encrypt, 0) === 1;
    if (done) return context;
    context.close();
    throw opensslError(`set key for ${this.#aead}`);
  }

  #run(ctx: Pointer, associatedData: Segments, source: Segments, destination: Segments): boolean {
    if (this.#aead === 'aes-ccm') return runWhole(ctx, associatedData, source, destination);
    for (let i = 0; i < associatedData.count; i++) {
      associate(ctx, associatedData.memory[i]!.bytes, associatedData.offset[i]!, associatedData.length[i]!);
    }
    if (source.count === 1 && destination.count === 1 && source.byteLength <= longest) {
      return transform(
        ctx,
        source.memory[0]!.bytes,
        source.offset[0]!,
        destination.memory[0]!.bytes,
        destination.offset[0]!,
        source.byteLength,
      );
    }
    return runStretches(ctx, source, destination);
  }
}

// SAFETY: the range is checked by `addressOf`; without an output pointer EVP_Cipher only reads.
function associate(ctx: Pointer, memory: Uint8Array, offset: number, length: number): void {
  for (let done = 0; done < length; done += longest) {
    const part = Math.min(longest, length - done);
    if (EVP_Cipher(ctx, 0, addressOf(memory, offset + done, part), part) < 0)
      throw opensslError('associated data');
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
): boolean {
  const out = addressOf(to, toOffset, length);
  return EVP_Cipher(ctx, out, addressOf(from, fromOffset, length), length) === length;
}

function runStretches(ctx: Pointer, source: Segments, destination: Segments): boolean {
  const from = new Cursor(source);
  const to = new Cursor(destination);
  for (let left = source.byteLength; left > 0; ) {
    const length = Math.min(from.contiguous, to.contiguous, longest);
    if (!transform(ctx, from.memory, from.offset, to.memory, to.offset, length)) return false;
    from.advance(length);
    to.advance(length);
    left -= length;
  }
  return true;
}

/** For CCM, which wants the length of the data first, then the associated data and the data in one call each. */
function runWhole(ctx: Pointer, associatedData: Segments, source: Segments, destination: Segments): boolean {
  const length = source.byteLength;
  const additional = gathered(associatedData);
  must(EVP_CipherUpdate(ctx, 0, ignoredLength, 0, length), 'set length');
  if (additional.length > 0) {
    must(
      EVP_CipherUpdate(ctx, 0, ignoredLength, addressOf(additional), additional.length),
      'associated data',
    );
  }
  // An empty message still takes a call, with pointers that are not null: it is what makes the tag.
  if (length === 0) return update(ctx, finalRoom.bytes, finalRoom.bytes, 0);
  if (source.count === 1 && destination.count === 1) {
    return update(ctx, gathered(destination), gathered(source), length);
  }
  const whole = gathered(source);
  const result = new Uint8Array(length);
  const done = update(ctx, result, whole, length);
  if (done) destination.copyFrom(0, length, result);
  result.fill(0);
  if (source.count > 1) whole.fill(0);
  return done;
}

// SAFETY: both ranges are checked by `addressOf`, and CCM writes as many bytes as it reads.
function update(ctx: Pointer, to: Uint8Array, from: Uint8Array, length: number): boolean {
  return (
    EVP_CipherUpdate(ctx, addressOf(to, 0, length), ignoredLength, addressOf(from, 0, length), length) === 1
  );
}
