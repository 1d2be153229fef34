/** Who is in a room, as the page is told. */
import { type ChatClient, NamesInUse } from '@skytale/chat/client';
import type { Member, MemberId } from '../engine.ts';

/** Most members that are told; of a larger room those that are there come first. */
export const MAX_MEMBERS = 2000;

/** Costs as much as there are members. */
export function memberList(client: ChatClient): Member[] {
  const { hidden } = client;
  const names = new Map(client.knownMembers).set(client.member, client.name);
  const present = new Set([client.member, ...client.present.map(({ member }) => member)]);
  const inUse = new NamesInUse<MemberId>();
  for (const [member, name] of names) inUse.set(member, name);
  return Array.from(new Set([...present, ...names.keys()]))
    .slice(0, MAX_MEMBERS)
    .map((member) => ({
      member,
      name: names.get(member),
      present: present.has(member),
      hidden: hidden.has(member),
      nameIsShared: inUse.other(member) !== undefined,
    }));
}
