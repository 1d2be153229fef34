import { BlockList, isIP } from 'node:net';
import { clientAddress } from './forwarded.ts';
import { ServerError } from './server-error.ts';
import type { ServerSettings } from './settings.ts';

/** Whose word about where a connection comes from is taken. */
export class TrustedProxies {
  readonly #trusted = new BlockList();
  readonly #header: ServerSettings['forwardedHeader'];

  /**
   * @throws {ServerError} SERVER_INVALID_SETTING if an entry is neither an address nor a network, or what proxies say is
   * to be read and no proxy is named
   */
  constructor(settings: Pick<ServerSettings, 'trustedProxies' | 'forwardedHeader' | 'proxyProtocol'>) {
    this.#header = settings.forwardedHeader;
    for (const entry of settings.trustedProxies) this.#add(entry);
    if (settings.trustedProxies.length === 0 && (settings.proxyProtocol || this.#header !== 'none')) {
      throw new ServerError(
        'SERVER_INVALID_SETTING',
        'Setting trustedProxies: nobody is named whose PROXY protocol or forwarded header is to be believed.',
      );
    }
  }

  trusts(address: string | undefined): boolean {
    const family = isIP(address ?? '');
    return family !== 0 && this.#trusted.check(address!, family === 6 ? 'ipv6' : 'ipv4');
  }

  /**
   * Where a request comes from that came from `peer`: what the header says that the settings name, if `peer` is trusted;
   * else `peer`.
   */
  clientOf(peer: string | undefined, headers: NodeJS.Dict<string | string[]>): string | undefined {
    if (this.#header === 'none') return peer;
    const value = headers[this.#header];
    const text = Array.isArray(value) ? value.join(',') : (value ?? '');
    return clientAddress(peer, this.#header, text, (address) => this.trusts(address));
  }

  #add(entry: string): void {
    const [address = '', prefix, ...more] = entry.split('/');
    const family = isIP(address);
    const longest = family === 6 ? 128 : 32;
    const bits = prefix === undefined ? longest : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN;
    if (family === 0 || more.length > 0 || !(bits <= longest)) {
      throw new ServerError(
        'SERVER_INVALID_SETTING',
        `Setting trustedProxies: ${JSON.stringify(entry)} is no address or network, like 192.0.2.7 or 2001:db8::/32.`,
      );
    }
    this.#trusted.addSubnet(address, bits, family === 6 ? 'ipv6' : 'ipv4');
  }
}
