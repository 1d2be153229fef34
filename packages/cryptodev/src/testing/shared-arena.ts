/** For tests: operations of one run of a queue in one piece of memory, where what one writes another may read. */
import { Segments } from '@skytale/virtio';
import fc from 'fast-check';

const BLOCK = 16;
const BLOCKS = 24;

/** Offsets and length are in bytes. */
export type ArenaOperation = {
  readonly kind: 'encrypt' | 'decrypt' | 'hash';
  readonly iv: Uint8Array;
  readonly source: number;
  readonly destination: number;
  readonly length: number;
};

const operation = fc
  .record({
    kind: fc.constantFrom('encrypt', 'decrypt', 'hash'),
    iv: fc.uint8Array({ minLength: BLOCK, maxLength: BLOCK }),
    blocks: fc.integer({ min: 1, max: 4 }),
    source: fc.nat(BLOCKS - 4),
    destination: fc.nat(BLOCKS - 4),
    inPlace: fc.boolean(),
  })
  .map(({ kind, iv, blocks, source, destination, inPlace }): ArenaOperation => {
    // The two are the same or apart, as engines want it.
    const isApart = Math.abs(source - destination) >= blocks;
    const target = kind !== 'hash' && (inPlace || !isApart) ? source : destination;
    return { kind, iv, source: source * BLOCK, destination: target * BLOCK, length: blocks * BLOCK };
  });

export const arenaOperations: fc.Arbitrary<ArenaOperation[]> = fc.array(operation, {
  minLength: 2,
  maxLength: 30,
});

export class Arena {
  readonly bytes: Uint8Array<ArrayBuffer> = Uint8Array.from({ length: BLOCK * BLOCKS }, (_, i) => i);

  /** `before`, then a range of the arena, then `after`. */
  around(before: Uint8Array, offset: number, length: number, after = new Uint8Array(0)): Segments {
    const segments = new Segments();
    segments.push(before, 0, before.length);
    segments.push(this.bytes, offset, length);
    segments.push(after, 0, after.length);
    return segments;
  }
}
