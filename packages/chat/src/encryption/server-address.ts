/** Where a server is and how to speak to it: what stands before the room in an invite. */
import { harmless } from '../names/shown-text.ts';
import { InviteError } from './invite-error.ts';

export type ServerAddress = {
  readonly transport: Transport;
  /** A name or an address; an IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
  /** Of the WebSocket's URL, like `/chat/ws`, see `parsePath`; empty for the usual `/ws`, and for the other transports. */
  readonly path: string;
};

/** Plain TCP, TLS, WebSocket over HTTP, and over HTTPS. */
export type Transport = 'tcp' | 'tls' | 'ws' | 'wss';

/** Characters of a host name (RFC 1035, section 2.3.4). */
const MAX_HOST = 253;
const hostAndPort = /^(?:\[([0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|([\w.-]+)):([0-9]{1,5})$/;
const url = /^(wss?):\/\/([^/?#]+)(\/.*)?$/is;
// Of RFC 3986's path those characters that mean nothing to a shell or a terminal.
const plainPath = /^(?:\/[\w.~%:@+,=-]*)*$/;
/** Of what is wrong, how much an error says, in UTF-16 units. */
const MOST_QUOTED = 80;

/**
 * Reads `HOST:PORT` (for TCP; TLS where `transport` says so), `[IPV6]:PORT`, `ws://HOST:PORT/PATH` or `wss://…`.
 * @throws {InviteError} INVITE_BAD_ADDRESS
 */
export function parseServerAddress(text: string, transport: 'tcp' | 'tls' = 'tcp'): ServerAddress {
  const parts = url.exec(text);
  if (parts === null) return { transport, ...parseHost(text), path: '' };
  const [, scheme = '', authority = '', path = ''] = parts;
  return {
    transport: scheme.toLowerCase() as Transport,
    ...parseHost(authority),
    path: parsePath(path.replace(/\/+$/, '')),
  };
}

/** `HOST:PORT`, or the URL of a WebSocket: the inverse of `parseServerAddress`. */
export function formatServerAddress(address: ServerAddress): string {
  const authority = formatHost(address);
  return isWebSocket(address) ? `${address.transport}://${authority}${address.path}` : authority;
}

export function formatHost({ host, port }: ServerAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The port that stands for a scheme of the web where none is named. */
const webPorts = { http: 80, https: 443 } as const;

/**
 * The server whose page is at this origin: a WebSocket at the usual path of the same host.
 * @param authority `HOST` or `HOST:PORT`; no user, no other alphabet than that of host names (what is in another, browsers write as `xn--…`)
 * @throws {InviteError} INVITE_BAD_ADDRESS
 */
export function parseOrigin(scheme: keyof typeof webPorts, authority: string): ServerAddress {
  const hasPort = /:[0-9]{1,5}$/.test(authority.replace(/^\[.*\]/, ''));
  const whole = hasPort ? authority : `${authority}:${webPorts[scheme]}`;
  return { transport: scheme === 'https' ? 'wss' : 'ws', ...parseHost(whole), path: '' };
}

/** The origin of the page that a server has; the inverse of `parseOrigin`, with a port only if it is not the usual one. */
export function formatOrigin(server: ServerAddress): string | undefined {
  if (!isWebSocket(server) || server.path !== '') return undefined;
  const scheme = server.transport === 'wss' ? 'https' : 'http';
  const authority = formatHost(server);
  const isUsual = server.port === webPorts[scheme];
  return `${scheme}://${isUsual ? authority.slice(0, authority.lastIndexOf(':')) : authority}`;
}

export function isWebSocket({ transport }: { readonly transport: Transport }): boolean {
  return transport === 'ws' || transport === 'wss';
}

export function parseHost(text: string): { host: string; port: number } {
  const [, address, name, digits = ''] = hostAndPort.exec(text) ?? [];
  const host = address ?? name;
  const port = Number(digits);
  if (host === undefined || host.length > MAX_HOST || port < 1 || port > 65535) {
    throw new InviteError(
      'INVITE_BAD_ADDRESS',
      `${quoted(text)} is no server address; it looks like chat.example.org:7000 or [2001:db8::1]:7000.`,
    );
  }
  return { host, port };
}

/**
 * The path of a URL. It comes in invites, which anybody can write, and goes where links go: onto terminals, and in quotes
 * onto command lines. What else a path may hold can be written as %XX.
 * @throws {InviteError} INVITE_BAD_ADDRESS
 */
export function parsePath(text: string): string {
  if (plainPath.test(text)) return text;
  throw new InviteError(
    'INVITE_BAD_ADDRESS',
    `${quoted(text)} is no path of a server: letters, digits and /-._~%:@+,= only.`,
  );
}

function quoted(text: string): string {
  return harmless(JSON.stringify(text.length > MOST_QUOTED ? `${text.slice(0, MOST_QUOTED)}…` : text));
}
