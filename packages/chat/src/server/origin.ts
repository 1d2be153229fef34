/** Origins of pages (RFC 6454), in settings. */

/** Of schemes whose origins RFC 6454 does not define, as those of browsers' extensions: a scheme and a host. */
const OTHER_ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[^/?#\s]+$/;

/**
 * Whether a text is an origin as browsers write it in their requests (RFC 6454, section 6.2): `https://host`, with the port where it is
 * not the usual one. Another spelling of the same would be equal to none that comes.
 */
export function isOrigin(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { origin } = new URL(text);
  return origin === 'null' ? OTHER_ORIGIN.test(text) : origin === text;
}

/**
 * What the links of a server's page begin with, such as `https://chat.example.org`: scheme, host and perhaps a port. The page's files
 * have their places at the root, so there is no path.
 * @returns as browsers write it; `undefined` if it is none
 */
export function webOriginOf(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const { protocol, origin, href } = new URL(text);
  if (protocol !== 'http:' && protocol !== 'https:') return undefined;
  return href === `${origin}/` ? origin : undefined;
}
