import { toHex } from '../bytes.ts';
import type { MemberId } from './client-events.ts';

/** Of members that are believed to be present: a server can name as many as it likes. */
const MAX_MEMBERS = 65_536;

/** Who is in the room, as the server tells it: a list after joining, in one or several frames, and changes to it. */
export class PresenceList {
  readonly #changed: (member: MemberId, present: boolean) => void;
  readonly #present = new Set<MemberId>();
  /** Whether the list of the present connection has begun, and whether no other followed. */
  #listed = false;
  #isFirst = false;
  #counted = 0;
  /** While a new list is being read: those of the old one who were not named yet. */
  #unnamed: Set<MemberId> | undefined;

  /** @param changed is called for each who came or went; not for those of the first list of a connection */
  constructor(changed: (member: MemberId, present: boolean) => void) {
    this.#changed = changed;
  }

  get members(): Iterable<MemberId> {
    return this.#present;
  }

  /** How many are there; more than are named where they are too many for that. */
  get count(): number {
    return Math.max(this.#counted, this.#present.size);
  }

  /** A new connection: it has a list to come. */
  begin(): void {
    this.endList();
    this.#listed = false;
    this.#counted = 0;
  }

  /** The server says how many there are, because it does not name them all. */
  counted(members: number): void {
    this.#counted = members > this.#present.size ? members : 0;
  }

  /**
   * Reads a part of a list; with `start` a new one begins.
   * @returns whether it is the first of the connection
   */
  list(start: boolean, members: readonly Uint8Array[]): boolean {
    if (start) {
      this.endList();
      this.#unnamed = new Set(this.#present);
      this.#isFirst = !this.#listed;
      this.#listed = true;
    }
    for (const member of members) {
      const id = toHex(member);
      this.#unnamed?.delete(id);
      this.#set(id, true, this.#isFirst);
    }
    return this.#isFirst;
  }

  /** The list is over, because something else follows: whoever was not named has gone. */
  endList(): void {
    const gone = this.#unnamed ?? [];
    this.#unnamed = undefined;
    for (const id of gone) this.#set(id, false);
  }

  change(member: Uint8Array, present: boolean): void {
    this.#set(toHex(member), present);
  }

  #set(id: MemberId, present: boolean, quietly = false): void {
    if (this.#present.has(id) === present) return;
    if (present && this.#present.size >= MAX_MEMBERS) return;
    if (present) this.#present.add(id);
    else this.#present.delete(id);
    if (!quietly) this.#changed(id, present);
  }
}
