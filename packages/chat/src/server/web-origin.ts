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
