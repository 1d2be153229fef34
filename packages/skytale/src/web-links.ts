/** Links that open a room in a browser. */
import { formatInvite, type Invite, type ServerAddress } from '@skytale/chat';

/** @param origin what it begins with, such as `https://chat.example.org` */
export function webLink(origin: string, invite: Invite): string {
  const roomAndSecret = /[^/]*#.*$/.exec(formatInvite(invite))![0];
  return `${origin}/r/${roomAndSecret}`;
}

/** Where a browser reaches a server that speaks WebSocket; `undefined` of others, and where a proxy has it below a path. */
export function webOrigin({ transport, host, port, path }: ServerAddress): string | undefined {
  if (path !== '' || (transport !== 'ws' && transport !== 'wss')) return undefined;
  const authority = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  return new URL(`${transport === 'ws' ? 'http' : 'https'}://${authority}`).origin;
}

/** Whether browsers take a page from there for safe: they give those from elsewhere neither encryption nor storage. */
export function isSecureOrigin(origin: string): boolean {
  const { protocol, hostname } = new URL(origin);
  return protocol === 'https:' || isLoopback(hostname);
}

const isLoopback = (host: string): boolean =>
  host === 'localhost' ||
  host.endsWith('.localhost') ||
  host === '[::1]' ||
  /^127\.\d+\.\d+\.\d+$/.test(host);
