/** How an operation changes the stored IV (6.7). */
import type { Segments } from '@skytale/virtio';
import type { CipherName } from '../algorithms.ts';

export type Chaining = 'ciphertext' | 'key stream' | 'counter' | 'none';

const chainings: Record<CipherName | 'null', Chaining> = {
  'aes-cbc': 'ciphertext',
  'camellia-cbc': 'ciphertext',
  '3des-cbc': 'ciphertext',
  'aes-cfb': 'ciphertext',
  'aes-ofb': 'key stream',
  'aes-ctr': 'counter',
  'aes-xts': 'none',
  'aes-ecb': 'none',
  null: 'none',
};

/** What a session of that cipher hands to the functions below. */
export function chainingOf(cipher: CipherName | 'null'): Chaining {
  return chainings[cipher];
}

/**
 * Remembers in `block` what is gone after an operation in place. To be called before every operation.
 * @param block as long as the IV
 */
export function rememberBlock(
  chaining: Chaining,
  decrypting: boolean,
  source: Segments,
  block: Uint8Array,
): void {
  const needed = chaining === 'key stream' || (chaining === 'ciphertext' && decrypting);
  if (needed && source.byteLength >= block.length) readLastBlock(source, block);
}

/**
 * Makes `iv`, which the operation used, the IV that a following one starts from.
 * @param remembered what `rememberBlock` left
 */
export function chainIv(
  chaining: Chaining,
  decrypting: boolean,
  iv: Uint8Array,
  remembered: Uint8Array,
  destination: Segments,
): void {
  const length = destination.byteLength;
  switch (chaining) {
    case 'ciphertext':
      if (length < iv.length) return;
      if (!decrypting) readLastBlock(destination, iv);
      else for (let i = 0; i < iv.length; i++) iv[i] = remembered[i]!;
      return;
    case 'key stream':
      if (length < iv.length) return;
      readLastBlock(destination, iv);
      for (let i = 0; i < iv.length; i++) iv[i]! ^= remembered[i]!;
      return;
    case 'counter':
      addToCounter(iv, Math.ceil(length / iv.length));
      return;
    case 'none':
  }
}

/** Copies the last whole block of `data` into `block`, whose length it has. */
function readLastBlock(data: Segments, block: Uint8Array): void {
  const length = block.length;
  const start = data.byteLength - (data.byteLength % length) - length;
  if (data.count !== 1) {
    data.copyTo(start, length, block);
    return;
  }
  // The usual case, without a view of the range, which costs more than the copy.
  const memory = data.memory[0]!.bytes;
  const offset = data.offset[0]! + start;
  for (let i = 0; i < length; i++) block[i] = memory[offset + i]!;
}

/** Adds `blocks` to a big-endian integer, modulo its size. */
function addToCounter(counter: Uint8Array, blocks: number): void {
  let carry = blocks;
  for (let i = counter.length - 1; i >= 0 && carry > 0; i--) {
    carry += counter[i]!;
    counter[i] = carry % 256;
    carry = Math.floor(carry / 256);
  }
}
