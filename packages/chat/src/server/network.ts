import { isIP } from 'node:net';

/** The addresses that begin with the first `bits` bits of `address`. */
export interface Network {
  readonly address: string;
  readonly bits: number;
  readonly family: 'ipv4' | 'ipv6';
}

/** Reads an address, which is a network of its own, or `ADDRESS/BITS`; `undefined` if it is neither. */
export function parseNetwork(text: string): Network | undefined {
  const [address = '', prefix, ...more] = text.split('/');
  const version = isIP(address);
  const longest = version === 6 ? 128 : 32;
  const bits = prefix === undefined ? longest : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN;
  if (version === 0 || more.length > 0 || !(bits <= longest)) return undefined;
  return { address, bits, family: version === 6 ? 'ipv6' : 'ipv4' };
}
