/** The page's own server, the only one that it reaches, and the links to rooms there. */
import {
  formatInvite,
  formatWebInvite,
  type Invite,
  parseOrigin,
  type ServerAddress,
} from '@skytale/chat/client';

/** Names for this very machine: each means the others. */
const loopback: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '::1']);

export class PageServer {
  /** Where its WebSocket is. */
  readonly address: ServerAddress;

  /**
   * @param origin of the page, like `https://chat.example.org`
   * @throws {InviteError} INVITE_BAD_ADDRESS if it came from no server
   */
  constructor(origin: string) {
    const { protocol, host } = new URL(origin);
    this.address = parseOrigin(protocol === 'https:' ? 'https' : 'http', host);
  }

  /** Whether an invite's server is this one. Its TCP ports are not known here: of those the host alone must be the same. */
  isAt({ transport, host, port }: ServerAddress): boolean {
    const isTcp = transport === 'tcp' || transport === 'tls';
    return isSameHost(this.address.host, host) && (isTcp || this.address.port === port);
  }

  /** The link that a browser opens, and the one for the terminal. */
  links(invite: Invite): { web: string; terminal: string } {
    const here = { ...invite, server: this.address };
    return { web: formatWebInvite(here)!, terminal: formatInvite(here) };
  }
}

function isSameHost(one: string, other: string): boolean {
  const [a, b] = [one.toLowerCase(), other.toLowerCase()];
  return a === b || (loopback.has(a) && loopback.has(b));
}
