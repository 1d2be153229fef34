/**
 * The limit for the device's side: Node's OpenSSL, called as the engine calls it and for nothing else, on messages that
 * lie as those of the device do.
 */
import { Buffer } from 'node:buffer';
import {
  addressOf,
  control,
  EVP_CIPHER_CTX_ctrl,
  EVP_Cipher,
  EVP_CipherFinal_ex,
  EVP_CipherInit_ex2,
  fetched,
  ignoredLength,
  must,
  NativeContext,
  Scratch,
} from '../../packages/cryptodev/src/engines/libcrypto.ts';
import type { Measure } from './device-path.ts';
import type { Work } from './device-requests.ts';
import { inFlight } from './device-side.ts';

export function rawOpenssl(work: Work, size: number): Measure {
  const context = NativeContext.cipher();
  const key = new Scratch(work.keyLength);
  const iv = new Scratch(16).address;
  const tag = new Scratch(16).address;
  const algorithm = fetched('cipher', work.name.toUpperCase());
  must(EVP_CipherInit_ex2(context.pointer, algorithm, key.address, iv, 1, 0), 'set key');
  const slot = Math.ceil((size + 16) / 4096) * 4096;
  const memory = Buffer.from(new ArrayBuffer(inFlight * slot));
  const addresses = Array.from({ length: inFlight }, (_, i) => addressOf(memory, i * slot, size));
  const isAuthenticated = work.result(0) > 0;

  const message = (address: number): void => {
    // As the engine does: who keeps the number alone has it freed under him.
    const ctx = context.pointer;
    must(EVP_CipherInit_ex2(ctx, 0, 0, iv, -1, 0), 'set IV');
    if (EVP_Cipher(ctx, address, address, size) !== size) throw new Error('OpenSSL did not encrypt');
    if (!isAuthenticated) return;
    must(EVP_CipherFinal_ex(ctx, tag, ignoredLength), 'finish');
    must(EVP_CIPHER_CTX_ctrl(ctx, control.getTag, 16, tag), 'get tag');
  };
  return async (seconds) => {
    let done = 0;
    const before = process.threadCpuUsage();
    for (;;) {
      for (let i = 0; i < 16; i++) for (const address of addresses) message(address);
      done += 16 * inFlight;
      const { user, system } = process.threadCpuUsage(before);
      if (user + system >= seconds * 1e6) return (done / (user + system)) * 1e6;
    }
  };
}
