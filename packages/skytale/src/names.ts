/** What members are called on the screen. A name is only what its bearer says; two may say the same one. */
import { looksTheSame, type MemberId, NamesInUse, shownName } from '@skytale/chat';

/** Enough of an id to tell the bearers of one name apart. */
const shortId = (member: MemberId): string => member.slice(0, 6);

/** Names that could pass for a label of this program. */
const looksMadeUp = /~[0-9a-f]{6}$|^somebody |\((?:you|no name)\)$/iu;

/** Each operation takes a time that does not depend on how many there are, but `find`, which looks at all it is given. */
export class Names {
  readonly #names = new Map<MemberId, string>();
  readonly #inUse = new NamesInUse<MemberId>();

  /**
   * Takes note of the name that a verified message gave.
   * @returns whether it is shown otherwise than the one before
   */
  learn(member: MemberId, name: string): boolean {
    const shown = shownName(name);
    if (this.#names.get(member) === shown) return false;
    this.#names.set(member, shown);
    this.#inUse.set(member, shown);
    return true;
  }

  knows(member: MemberId): boolean {
    return this.#names.has(member);
  }

  /** The name; with a part of the id where another member's looks the same, or where none is known. */
  label(member: MemberId): string {
    const name = this.#names.get(member);
    if (name === undefined) return `somebody ${shortId(member)}`;
    const isPlain = this.#inUse.other(member) === undefined && !looksMadeUp.test(name);
    return isPlain ? name : `${name}~${shortId(member)}`;
  }

  /** Members that `query` names: by label, by a name that looks like it, or by the beginning of the id. */
  find(query: string, among: Iterable<MemberId>): MemberId[] {
    const wanted = query.toLowerCase();
    return [...among].filter(
      (member) =>
        this.label(member).toLowerCase() === wanted ||
        looksTheSame(this.#names.get(member) ?? '', query) ||
        (wanted.length >= 4 && member.startsWith(wanted)),
    );
  }
}
