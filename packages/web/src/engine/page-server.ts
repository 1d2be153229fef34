/** The page's own server, and the links to its rooms. */
import { formatInvite, type Invite, type ServerAddress } from '@skytale/chat/client';

/** Of names for this very machine, each means the others. */
const loopback: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '::1']);
const ports: Record<string, number> = { 'http:': 80, 'https:': 443 };

export class PageServer {
  /** Where its WebSocket is. */
  readonly address: ServerAddress;
  readonly #base: string;

  /**
   * @param origin of the page, like `https://chat.example.org`: the only server that it reaches
   * @param base what links begin with, if that is another than the origin
   */
  constructor(origin: string, base: string = origin) {
    const { protocol, hostname, port } = new URL(origin);
    this.#base = base.replace(/\/+$/, '');
    this.address = {
      transport: protocol === 'https:' ? 'wss' : 'ws',
      host: hostname.replace(/^\[|\]$/g, ''),
      port: port === '' ? (ports[protocol] ?? 80) : Number(port),
      path: '',
    };
  }

  /**
   * Whether an invite's server is this one. A TCP port says nothing: the same server listens at several. Of one that stands behind a
   * proxy only the base has the name.
   */
  isAt({ transport, host, port }: ServerAddress): boolean {
    const isTcp = transport === 'tcp' || transport === 'tls';
    const base = new URL(this.#base);
    const basePort = base.port === '' ? ports[base.protocol] : Number(base.port);
    const own = [this.address, { host: base.hostname.replace(/^\[|\]$/g, ''), port: basePort }];
    return own.some((mine) => isSameHost(mine.host, host) && (isTcp || mine.port === port));
  }

  /** The link that a browser opens, and the one for the terminal. */
  links(invite: Invite): { web: string; terminal: string } {
    const terminal = formatInvite({ ...invite, server: this.address });
    const [, room, secret] = /\/([\w-]+)#(.*)$/.exec(terminal)!;
    return { web: `${this.#base}/r/${room}#${secret}`, terminal };
  }
}

function isSameHost(one: string, other: string): boolean {
  const [a, b] = [one.toLowerCase(), other.toLowerCase()];
  return a === b || (loopback.has(a) && loopback.has(b));
}
