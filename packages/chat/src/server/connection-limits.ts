import { isIP, SocketAddress } from 'node:net';

/** Counts connections, in total and of each network, against their limits (0: none). All in O(1). */
export class ConnectionLimits {
  readonly #most: number;
  readonly #mostPerNetwork: number;
  readonly #byNetwork = new Map<string, number>();
  #total = 0;

  constructor(most: number, mostPerNetwork: number) {
    this.#most = most;
    this.#mostPerNetwork = mostPerNetwork;
  }

  /** Takes a place in the total, to be given back by `leave`. Returns in words why there is none. */
  enter(): string | undefined {
    if (this.#most > 0 && this.#total >= this.#most) {
      return `This server has ${this.#total} connections, as many as it may have. Try again later.`;
    }
    this.#total += 1;
    return undefined;
  }

  leave(): void {
    this.#total -= 1;
  }

  /** Takes a place among those of a network, to be given back by `leaveNetwork`. Returns why there is none. */
  enterNetwork(network: string): string | undefined {
    const inNetwork = this.#byNetwork.get(network) ?? 0;
    if (this.#mostPerNetwork > 0 && inNetwork >= this.#mostPerNetwork) {
      return `There are ${inNetwork} connections from your address, as many as there may be.`;
    }
    this.#byNetwork.set(network, inNetwork + 1);
    return undefined;
  }

  leaveNetwork(network: string): void {
    const left = (this.#byNetwork.get(network) ?? 0) - 1;
    if (left > 0) this.#byNetwork.set(network, left);
    else this.#byNetwork.delete(network);
  }
}

/**
 * What counts as one owner: an IPv4 address, also where it is written as an IPv6 one; or the /64 that one IPv6 site has
 * at the least. However an address is written, its network is written in one way.
 */
export function networkOf(peer: string | undefined): string {
  const address = peer?.split('%', 1)[0] ?? '';
  if (isIP(address) !== 6) return isIP(address) === 4 ? address : 'unknown';
  const canonical = new SocketAddress({ address, family: 'ipv6' }).address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(canonical);
  if (mapped) return mapped[1]!;
  const [head = '', tail] = canonical.split('::');
  const groups = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  if (tail !== undefined) while (groups.length + after.length < 8) groups.push('0');
  return [...groups, ...after].slice(0, 4).join(':');
}
