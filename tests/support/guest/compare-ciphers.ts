/**
 * Runs in a guest: compares Linux's cbc(aes) of the virtio-crypto driver with that of the kernel itself and with
 * OpenSSL's, and prints how many results it has compared. `--forever` goes on, and says `running` once it has begun.
 */
import { createCipheriv, randomBytes, randomInt } from 'node:crypto';
import { Arena, type CipherOperation, KernelCipher, type Piece } from './kernel-cipher.ts';

const sizes = [16, 32, 240, 1008, 4080, 4096, 4112, 16_384, 65_520, 65_536];
const largest = 65_536;
/** Of source and target each; pieces do not lie side by side. */
const room = 2 * largest;

/** More, and Linux has no memory left for the lists of a socket (net.core.optmem_max). */
const mostPieces = 12;

/** Where data lies, from an offset on. */
const layouts: Readonly<Record<string, (start: number, length: number) => Piece[]>> = {
  aligned: (offset, length) => [{ offset, length }],
  unaligned: (start, length) => [{ offset: start + randomInt(1, 4096), length }],
  scattered(start, length) {
    const pieces: Piece[] = [];
    for (let offset = start + randomInt(4096), left = length; left > 0; ) {
      const isLast = pieces.length === mostPieces - 1;
      const taken = isLast ? left : Math.min(left, randomInt(1, Math.ceil(length / 4)));
      pieces.push({ offset, length: taken });
      offset += taken + randomInt(1, 64);
      left -= taken;
    }
    return pieces;
  },
};

const arena = new Arena(2 * room);

function crypt(
  cipher: KernelCipher,
  operation: CipherOperation,
  iv: Uint8Array,
  data: Uint8Array,
  layout: string,
): Buffer {
  const source = layouts[layout]!(0, data.length);
  const target = layouts[layout]!(room, data.length);
  arena.write(source, data);
  cipher.crypt(operation, iv, arena, source, target);
  return arena.read(target);
}

/** @returns the number of results */
function compare(keyLength: number): number {
  const key = randomBytes(keyLength);
  using device = new KernelCipher('virtio_crypto_aes_cbc', key);
  using generic = new KernelCipher('cbc(aes-generic)', key);
  let results = 0;
  for (const layout of Object.keys(layouts)) {
    for (const size of sizes) {
      const data = randomBytes(size);
      const iv = randomBytes(16);
      const expected = createCipheriv(`aes-${8 * keyLength}-cbc`, key, iv)
        .setAutoPadding(false)
        .update(data);
      const outcomes = [
        [crypt(device, 'encrypt', iv, data, layout), expected],
        [crypt(generic, 'encrypt', iv, data, layout), expected],
        [crypt(device, 'decrypt', iv, expected, layout), data],
        [crypt(generic, 'decrypt', iv, expected, layout), data],
      ] as const;
      for (const [i, [got, wanted]] of outcomes.entries()) {
        if (got.equals(wanted)) results += 1;
        else throw new Error(`AES-${8 * keyLength}, ${size} bytes, ${layout}: result ${i} is wrong`);
      }
    }
  }
  return results;
}

const compareAll = () => [16, 24, 32].reduce((sum, keyLength) => sum + compare(keyLength), 0);

if (process.argv[2] === '--forever') {
  compare(16);
  console.log('running');
  while (true) compareAll();
}
console.log(compareAll());
