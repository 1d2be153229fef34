/** The page's own server, and the links to its rooms. */
import { formatInvite, type Invite, type ServerAddress } from '@skytale/chat/client';

/** Of names for this very machine, each means the others. */
const loopback: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '::1']);
const webLink = /^(https?):\/\/([^/?#]+)(?:\/(?:r(?:\/([^/?#]*))?)?)?(?:#(.*))?$/is;
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

  /** A link that a browser opens, as the invite that it is; other texts as they are. */
  inviteOf(text: string): string {
    const [, scheme, authority = '', room, secret] = webLink.exec(text.trim()) ?? [];
    if (scheme === undefined) return text;
    const isSecure = scheme.toLowerCase() === 'https';
    const port = /:\d+$/.test(authority) ? '' : isSecure ? ':443' : ':80';
    const fragment = secret === undefined ? '' : `#${secret}`;
    return `skytale+${isSecure ? 'wss' : 'ws'}://${authority}${port}/${room ?? ''}${fragment}`;
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
