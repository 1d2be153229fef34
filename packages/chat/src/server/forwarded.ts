/** Who a request came from, by what proxies have written into its header. */
import { isIP, SocketAddress } from 'node:net';
import parseForwarded from 'forwarded-parse';

/** `forwarded` is RFC 7239; `x-forwarded-for` is what came before it and is still more usual. */
export type ForwardedHeader = 'forwarded' | 'x-forwarded-for';

/**
 * Every proxy appends whom it was called by, so the entries are read from the last one on, as long as whoever wrote the
 * next is trusted. What stands before is the word of anybody. Where an entry that should count is none that names an
 * address, whoever wrote it is the last that is known.
 * @param peer who the connection comes from
 * @param value the header's lines with commas between them; `''`: there was none
 */
export function clientAddress(
  peer: string | undefined,
  header: ForwardedHeader,
  value: string,
  trusts: (address: string | undefined) => boolean,
): string | undefined {
  const entries = trusts(peer) ? entriesOf(header, value) : [];
  let known = peer;
  while (trusts(known)) {
    const address = addressIn(entries.pop());
    if (address === undefined) break;
    known = address;
  }
  return known;
}

function entriesOf(header: ForwardedHeader, value: string): (string | undefined)[] {
  if (header === 'x-forwarded-for') return value.split(',').map((entry) => entry.trim());
  try {
    return parseForwarded(value).map((entry) => entry.for);
  } catch {
    // A trusted proxy appends to what it was given: if that is no header, neither is the whole.
    return [];
  }
}

/** The address of an entry in one way of writing, without its port: `192.0.2.7:80`, `[2001:db8::1]:80` or bare. */
function addressIn(entry: string | undefined): string | undefined {
  const [, bracketed, four] = /^(?:\[([^\]]+)\]|(\d+\.\d+\.\d+\.\d+))(?::\d{1,5})?$/.exec(entry ?? '') ?? [];
  const address = bracketed ?? four ?? entry ?? '';
  const family = isIP(address);
  if (family === 0 || address.includes('%') || (bracketed !== undefined && family !== 6)) return undefined;
  return family === 6 ? new SocketAddress({ address, family: 'ipv6' }).address : address;
}
