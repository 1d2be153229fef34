/**
 * The header of the PROXY protocol, version 2 (https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt, section
 * 2.2): what a proxy says about the connection that it carries, before anything of that connection.
 */
import { SocketAddress } from 'node:net';
import type { Duplex } from 'node:stream';

/** Signature, version and command, family and protocol, length of what follows. */
const HEADER_BYTES = 16;
/** Addresses and additional values of a PROXY header, in bytes. 216 are the largest addresses; the values of a TLS client fit well. */
const MAX_REST_BYTES = 2048;

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const VERSION = 2;
const LOCAL = 0;
const PROXY = 1;
/** Bytes of addresses and ports, by family and protocol. Streams only: there are no datagrams here. */
const ADDRESS_BYTES: ReadonlyMap<number, number> = new Map([
  [0x00, 0], // unspecified
  [0x11, 12], // TCP over IPv4
  [0x21, 36], // TCP over IPv6
  [0x31, 216], // a Unix stream socket
]);
/** Type and length of an additional value. */
const VALUE_HEADER_BYTES = 3;

export class ProxyHeaderError extends Error {
  override readonly name = 'ProxyHeaderError';
}

/**
 * Length of what follows the first 16 bytes.
 * @throws {ProxyHeaderError} if they are not the begin of a header
 */
export function proxyRestLength(header: Buffer): number {
  if (header.length !== HEADER_BYTES || !header.subarray(0, SIGNATURE.length).equals(SIGNATURE)) {
    throw new ProxyHeaderError('This is no PROXY protocol, version 2.');
  }
  const command = header[12]! & 0x0f;
  if (header[12]! >> 4 !== VERSION || (command !== LOCAL && command !== PROXY)) {
    throw new ProxyHeaderError('The version or command of a PROXY header is unknown.');
  }
  const length = header.readUInt16BE(14);
  if (length > MAX_REST_BYTES) throw new ProxyHeaderError(`A PROXY header of ${length} bytes is too long.`);
  return length;
}

/**
 * The address that a whole header says the connection comes from; `undefined` where it is the proxy's own (its check
 * whether we live), or the proxy does not know.
 * @throws {ProxyHeaderError}
 */
export function proxySource(header: Buffer, rest: Buffer): string | undefined {
  if (proxyRestLength(header) !== rest.length) throw new ProxyHeaderError('A PROXY header is cut.');
  if ((header[12]! & 0x0f) === LOCAL) return undefined;
  const family = header[13]!;
  const addresses = ADDRESS_BYTES.get(family);
  if (addresses === undefined || addresses > rest.length) {
    throw new ProxyHeaderError(
      'The addresses of a PROXY header are of a kind that is not carried here, or cut.',
    );
  }
  checkValues(rest.subarray(addresses));
  if (family === 0x11) return rest.subarray(0, 4).join('.');
  if (family !== 0x21) return undefined;
  const groups = Array.from({ length: 8 }, (_, index) => rest.readUInt16BE(2 * index).toString(16));
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address;
}

/** They say nothing that is used here, but must fill the header exactly. */
function checkValues(values: Buffer): void {
  for (let at = 0; at < values.length; ) {
    if (at + VALUE_HEADER_BYTES > values.length)
      throw new ProxyHeaderError('A value of a PROXY header is cut.');
    at += VALUE_HEADER_BYTES + values.readUInt16BE(at + 1);
    if (at > values.length) throw new ProxyHeaderError('A value of a PROXY header is cut.');
  }
}

/**
 * Reads a header and nothing beyond it, and calls `onSource` with what it says. A stream that does not begin with one
 * is destroyed. It has no time-out: the stream's owner has.
 */
export function readProxyHeader(stream: Duplex, onSource: (source: string | undefined) => void): void {
  let header: Buffer | undefined;
  let length = 0;
  const read = () => {
    try {
      if (header === undefined) {
        header = stream.read(HEADER_BYTES) ?? undefined;
        if (header === undefined) return;
        length = proxyRestLength(header);
      }
      const rest: Buffer | null = length === 0 ? Buffer.alloc(0) : stream.read(length);
      if (rest === null) return;
      stream.off('readable', read);
      onSource(proxySource(header, rest));
    } catch (error) {
      stream.off('readable', read);
      if (!(error instanceof ProxyHeaderError)) throw error;
      stream.destroy();
    }
  };
  stream.on('readable', read);
}
