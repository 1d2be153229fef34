import { isIPv6 } from 'node:net';

/** Counts connections, in total and of each network, against their limits (0: none). */
export class ConnectionLimits {
  readonly #most: number;
  readonly #mostPerNetwork: number;
  readonly #byNetwork = new Map<string, number>();
  #total = 0;

  constructor(most: number, mostPerNetwork: number) {
    this.#most = most;
    this.#mostPerNetwork = mostPerNetwork;
  }

  /** Takes a place for a connection. Returns what gives it back, or in words why there is none. */
  take(peer: string | undefined): (() => void) | string {
    const network = networkOf(peer);
    const inNetwork = this.#byNetwork.get(network) ?? 0;
    if (this.#most > 0 && this.#total >= this.#most) {
      return `This server has ${this.#total} connections, as many as it may have. Try again later.`;
    }
    if (this.#mostPerNetwork > 0 && inNetwork >= this.#mostPerNetwork) {
      return `There are ${inNetwork} connections from your address, as many as there may be.`;
    }
    this.#total += 1;
    this.#byNetwork.set(network, inNetwork + 1);
    return () => this.#giveBack(network);
  }

  #giveBack(network: string): void {
    this.#total -= 1;
    const left = (this.#byNetwork.get(network) ?? 0) - 1;
    if (left > 0) this.#byNetwork.set(network, left);
    else this.#byNetwork.delete(network);
  }
}

/** An IPv4 address, also where it is written as an IPv6 one; or the /64 that one IPv6 site has at the least. */
export function networkOf(peer: string | undefined): string {
  if (peer === undefined) return 'unknown';
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(peer);
  if (mapped) return mapped[1]!;
  if (!isIPv6(peer)) return peer;
  const [head = '', tail] = peer.split('%')[0]!.split('::');
  const groups = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  if (tail !== undefined) while (groups.length + after.length < 8) groups.push('0');
  return [...groups, ...after].slice(0, 4).join(':');
}
