/** Whose name alone does not tell who it is. */
import { MAX_MEMBERS, type Member, type MemberId } from '../engine.ts';

/**
 * Those whose names look like another's; where the list of members was cut, everybody who is not in it, too: somebody who makes a room
 * that large must not so become another.
 */
export function isMarked(members: readonly Member[]): (member: MemberId) => boolean {
  const isShared = new Map(members.map(({ member, nameIsShared }) => [member, nameIsShared]));
  const isCut = members.length >= MAX_MEMBERS;
  return (member) => isShared.get(member) ?? isCut;
}
