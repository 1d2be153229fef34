/** What members are called on the screen. A name is only what its bearer says; two may say the same one. */
import type { MemberId } from '@skytale/chat';
import { displayName } from './safe-text.ts';

/** Enough of an id to tell the bearers of one name apart. */
const shortId = (member: MemberId): string => member.slice(0, 6);

export class Names {
  readonly #names = new Map<MemberId, string>();
  /** Who uses a name now. */
  readonly #bearers = new Map<string, Set<MemberId>>();

  /** Takes note of the name that a verified message gave. */
  learn(member: MemberId, name: string): void {
    const shown = displayName(name);
    const before = this.#names.get(member);
    if (before === shown) return;
    if (before !== undefined) this.#bearers.get(before)?.delete(member);
    this.#names.set(member, shown);
    const bearers = this.#bearers.get(shown) ?? new Set();
    this.#bearers.set(shown, bearers.add(member));
  }

  knows(member: MemberId): boolean {
    return this.#names.has(member);
  }

  /** The name; with a part of the id where another member uses it too, or where none is known. */
  label(member: MemberId): string {
    const name = this.#names.get(member);
    if (name === undefined) return `somebody ${shortId(member)}`;
    return this.#bearers.get(name)!.size > 1 ? `${name}~${shortId(member)}` : name;
  }

  /** Members that `query` names: by label, name, or beginning of the id. */
  find(query: string, among: Iterable<MemberId>): MemberId[] {
    const wanted = query.toLowerCase();
    return [...among].filter(
      (member) =>
        this.label(member).toLowerCase() === wanted ||
        this.#names.get(member)?.toLowerCase() === wanted ||
        (wanted.length >= 4 && member.startsWith(wanted)),
    );
  }
}
