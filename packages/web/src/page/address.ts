/** The page's address: which room it names, and the link that it may hold until it is taken out. */
import type { RoomId } from '../engine.ts';

const roomPath = /^\/r\/([\w-]{22})\/?$/;

/** The room that a path names; `undefined` for every other path. */
export function roomOfPath(path: string): RoomId | undefined {
  return roomPath.exec(path)?.[1];
}

export const pathOfRoom = (room: RoomId | undefined): string => (room === undefined ? '/' : `/r/${room}`);

/**
 * Takes the secret out of the address, before anything else happens: it would stand in the address bar, in what is shared as "this
 * page", and in what extensions read.
 * @returns the whole link as it was, if it had a secret
 */
export function takeLink(location: Location, history: History): string | undefined {
  const { href, hash, pathname } = location;
  // Also a "#" alone: what comes behind it later would not load the page anew.
  if (!href.includes('#')) return undefined;
  history.replaceState(null, '', pathname);
  return hash === '' || roomOfPath(pathname) === undefined ? undefined : href;
}
