/** Hashes and HMAC on OpenSSL. */
import type { Segments } from '@skytale/virtio';
import type { EngineDigest } from '../engine.ts';
import type { Pointer } from './libcrypto.ts';
import {
  addressOf,
  digestParam,
  EVP_DigestFinal_ex,
  EVP_DigestInit_ex2,
  EVP_DigestUpdate,
  EVP_MAC_final,
  EVP_MAC_init,
  EVP_MAC_update,
  EVP_MD_CTX_copy_ex,
  ignoredLength,
  must,
  NativeContext,
} from './libcrypto.ts';

export class OpensslHash implements EngineDigest {
  readonly #algorithm: Pointer;
  readonly #digestLength: number;
  readonly #context = NativeContext.digest();

  constructor(algorithm: Pointer, digestLength: number) {
    this.#algorithm = algorithm;
    this.#digestLength = digestLength;
    this.reset();
  }

  update(data: Segments): void {
    const ctx = this.#context.pointer;
    for (let i = 0; i < data.count; i++) {
      const length = data.length[i]!;
      must(EVP_DigestUpdate(ctx, addressOf(data.memory[i]!.bytes, data.offset[i]!, length), length), 'hash');
    }
  }

  // SAFETY: OpenSSL writes as many bytes as the digest has, and `addressOf` checks that there are as many.
  digest(output: Uint8Array): void {
    const out = addressOf(output, 0, this.#digestLength);
    must(EVP_DigestFinal_ex(this.#context.pointer, out, ignoredLength), 'hash');
    this.reset();
  }

  reset(): void {
    must(EVP_DigestInit_ex2(this.#context.pointer, this.#algorithm, 0), 'start hash');
  }

  copy(): OpensslHash {
    const source = this.#context.pointer;
    const copy = new OpensslHash(this.#algorithm, this.#digestLength);
    must(EVP_MD_CTX_copy_ex(copy.#context.pointer, source), 'copy hash');
    return copy;
  }

  close(): void {
    this.#context.close();
  }
}

export class OpensslMac implements EngineDigest {
  readonly #context: NativeContext;

  private constructor(context: NativeContext) {
    this.#context = context;
  }

  /** HMAC with the digest of this name of OpenSSL's. The context keeps the key. */
  static create(digest: string, key: Uint8Array): OpensslMac {
    const mac = new OpensslMac(NativeContext.mac());
    // Memory of no bytes has the address 0, which would mean the key from before: an empty key is some other
    // address and the length 0.
    const address = key.length === 0 ? ignoredLength : addressOf(key);
    must(EVP_MAC_init(mac.#context.pointer, address, key.length, digestParam(digest)), 'set key for HMAC');
    return mac;
  }

  update(data: Segments): void {
    const ctx = this.#context.pointer;
    for (let i = 0; i < data.count; i++) {
      const length = data.length[i]!;
      must(EVP_MAC_update(ctx, addressOf(data.memory[i]!.bytes, data.offset[i]!, length), length), 'HMAC');
    }
  }

  digest(output: Uint8Array): void {
    must(EVP_MAC_final(this.#context.pointer, addressOf(output), ignoredLength, output.length), 'HMAC');
    this.reset();
  }

  reset(): void {
    must(EVP_MAC_init(this.#context.pointer, 0, 0, 0), 'start HMAC');
  }

  copy(): OpensslMac {
    return new OpensslMac(this.#context.duplicateMac());
  }

  close(): void {
    this.#context.close();
  }
}
