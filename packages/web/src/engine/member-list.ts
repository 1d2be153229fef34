/** Who is in a room, as the page is told. */
import { type ChatClient, NamesInUse } from '@skytale/chat/client';
import { MAX_MEMBERS, type Member, type MemberId } from '../engine.ts';

/** What is used of the client. */
type Known = Pick<ChatClient, 'hidden' | 'knownMembers' | 'member' | 'name' | 'present'>;

/**
 * MAX_MEMBERS of them: oneself, those that the user hides, and those that are there come first. Anybody can make a room that large; it
 * must not bring back those that are hidden. Costs as much as there are members.
 */
export function memberList(client: Known): Member[] {
  const { hidden } = client;
  const names = new Map(client.knownMembers).set(client.member, client.name);
  const present = new Set([client.member, ...client.present.map(({ member }) => member)]);
  const inUse = new NamesInUse<MemberId>();
  for (const [member, name] of names) inUse.set(member, name);
  return Array.from(new Set([client.member, ...hidden.keys(), ...present, ...names.keys()]))
    .slice(0, MAX_MEMBERS)
    .map((member) => ({
      member,
      name: names.get(member),
      present: present.has(member),
      hidden: hidden.has(member),
      nameIsShared: inUse.other(member) !== undefined,
    }));
}
