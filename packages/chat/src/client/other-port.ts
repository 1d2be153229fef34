/** What to say where the port is, as it seems, of another transport than the address says. */
import type { ServerAddress } from '../encryption/server-address.ts';

/** How addresses and invites name each transport. */
export const TRANSPORT_NAMES =
  'HOST:PORT or skytale://… is for plain TCP, tls://… or skytales://… for TLS, ws://… or skytale+ws://… for HTTP, ' +
  'wss://… or skytale+wss://… for HTTPS';

/** A sentence, with a space before it, about a server that says nothing at all; empty where it was heard before. */
export function aboutMute({ transport }: ServerAddress): string {
  const others = { tcp: 'TLS or HTTP', tls: 'HTTPS', ws: '', wss: '' }[transport];
  return others === '' ? '' : ` It says nothing, as a port for ${others} does: ${TRANSPORT_NAMES}.`;
}
