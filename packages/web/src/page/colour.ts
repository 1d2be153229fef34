/** Colours by which members are told apart: stable, and no proof of anything. */
import type { MemberId } from '../engine.ts';

/** As many as there are classes in style.css, each readable on light and on dark. */
const COLOURS = 12;

/** The class of a member's colour. */
export function colourOf(member: MemberId): string {
  return `colour-${Number.parseInt(member.slice(0, 8), 16) % COLOURS}`;
}

/** The beginning of a member's id, which nobody can choose at will: as other programs of this project show it. */
export const shortId = (member: MemberId): string => member.slice(0, 8);

/** What stands in the circle beside a name: its first character as a person counts them, in capitals. */
export function initialOf(name: string): string {
  const letter = /[\p{L}\p{N}]\p{M}*/u.exec(name)?.[0];
  return letter?.toLocaleUpperCase() ?? '·';
}
