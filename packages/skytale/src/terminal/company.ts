/** Who else is here, for one row of the screen, however many they are. */
import type { MemberId } from '@skytale/chat';
import { widthOf } from './text-width.ts';

/** Each operation but `list` takes a time that does not depend on how many are here. */
export class Company {
  readonly #label: (member: MemberId) => string;
  readonly #present = new Set<MemberId>();
  #text = '';
  /** Of what `#text` was made for; undefined if somebody came, went or changed the name since. */
  #width: number | undefined;

  constructor(label: (member: MemberId) => string) {
    this.#label = label;
  }

  /** All that are here now. */
  list(members: Iterable<MemberId>): void {
    this.#present.clear();
    for (const member of members) this.#present.add(member);
    this.relabel();
  }

  /** One has come, or gone. */
  set(member: MemberId, present: boolean): void {
    if (present) this.#present.add(member);
    else this.#present.delete(member);
    this.relabel();
  }

  /** Somebody is called something else now. */
  relabel(): void {
    this.#width = undefined;
  }

  /** As many names as fit in so many cells, by and large, and how many more there are. */
  text(width: number): string {
    if (this.#width !== width) this.#text = this.#make(width);
    this.#width = width;
    return this.#text;
  }

  #make(width: number): string {
    if (this.#present.size === 0) return 'nobody else is here';
    const labels: string[] = [];
    let used = 0;
    for (const member of this.#present) {
      const label = this.#label(member);
      used += widthOf(label) + 2;
      if (used > width && labels.length > 0) break;
      labels.push(label);
    }
    const more = this.#present.size - labels.length;
    return `with ${labels.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
  }
}
