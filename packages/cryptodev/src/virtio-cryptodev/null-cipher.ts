/** CRYPTO_NULL, the cipher that copies. */
import type { EngineCipher } from '../engine.ts';
import { copySegments } from '../segment-copy.ts';

export const nullCipher: EngineCipher = {
  crypt: (_direction, _iv, source, destination) => copySegments(source, destination),
  close: () => {},
};
