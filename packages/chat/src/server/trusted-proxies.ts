import { BlockList, isIP } from 'node:net';
import { clientAddress } from './forwarded.ts';
import { parseNetwork } from './network.ts';
import { ServerError } from './server-error.ts';
import type { ServerSettings } from './settings.ts';

/** Whose word about where a connection comes from is taken. */
export class TrustedProxies {
  readonly #trusted = new BlockList();
  readonly #header: ServerSettings['forwardedHeader'];

  /**
   * @param settings checked by `serverSettings`
   * @throws {ServerError} SERVER_INVALID_SETTING if what proxies say is to be read and no proxy is named
   */
  constructor(settings: Pick<ServerSettings, 'trustedProxies' | 'forwardedHeader' | 'proxyProtocol'>) {
    this.#header = settings.forwardedHeader;
    for (const entry of settings.trustedProxies) {
      const { address, bits, family } = parseNetwork(entry)!;
      this.#trusted.addSubnet(address, bits, family);
    }
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
}
