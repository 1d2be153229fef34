/**
 * When two names look the same: the one place that says so. By the skeletons of Unicode Technical Standard 39, clause 4
 * (characters that look alike become one, by Unicode's own table), and without regard to case, which people do not heed.
 *
 * The table is that of the package `unhomoglyph` (Unicode 13): what was assigned later looks like itself alone.
 */
import unhomoglyph from 'unhomoglyph';
import { shownName } from './shown-name.ts';

/**
 * What a name looks like, in two ways; names look the same if they have one in common. Two, because a capital I is the
 * small i to those who ignore case and the small l to those who look: neither order of the two steps finds both.
 */
export function looksOf(name: string): readonly [string, string] {
  const plain = shownName(name)
    .normalize('NFKC')
    .replaceAll(/[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}]/gu, '');
  return [skeleton(foldCase(plain)), skeleton(foldCase(skeleton(plain)))];
}

/** Whether two names look the same to somebody who does not look closely. */
export function looksTheSame(one: string, other: string): boolean {
  const looks = looksOf(other);
  return looksOf(one).some((look) => looks.includes(look));
}

/** UTS 39, clause 4: NFD, the table, NFD. But the table has the small palochka as an i, and it is drawn as an l. */
function skeleton(text: string): string {
  return unhomoglyph(text.normalize('NFD').replaceAll('\u04cf', 'l')).normalize('NFD');
}

/** Characters one by one: the last sigma of a word shall be as any other. */
function foldCase(text: string): string {
  return Array.from(text, (character) => character.toUpperCase().toLowerCase()).join('');
}

/**
 * The names in use, by what they look like.
 *
 * n bearers take memory of n entries and two looks each; each operation takes a time that does not depend on n.
 */
export class NamesInUse<Id> {
  readonly #looks = new Map<Id, readonly [string, string]>();
  readonly #bearers = new Map<string, Set<Id>>();

  /** Gives a bearer its name, in the place of the one it had. */
  set(id: Id, name: string): void {
    this.delete(id);
    const looks = looksOf(name);
    this.#looks.set(id, looks);
    for (const look of looks) {
      const bearers = this.#bearers.get(look);
      if (bearers === undefined) this.#bearers.set(look, new Set([id]));
      else bearers.add(id);
    }
  }

  delete(id: Id): void {
    for (const look of this.#looks.get(id) ?? []) {
      const bearers = this.#bearers.get(look);
      bearers?.delete(id);
      if (bearers?.size === 0) this.#bearers.delete(look);
    }
    this.#looks.delete(id);
  }

  /** Somebody other than `id` whose name looks like the one that `id` has; `undefined` if there is nobody. */
  other(id: Id): Id | undefined {
    for (const look of this.#looks.get(id) ?? []) {
      // At most one of them is `id` itself.
      for (const bearer of this.#bearers.get(look) ?? []) if (bearer !== id) return bearer;
    }
    return undefined;
  }
}
