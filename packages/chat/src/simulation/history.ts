/**
 * What the people of a room were told in the course of a run, and what must hold of it when all is over. Every text is
 * said once, so a text names its message.
 */

/** A message as somebody was shown it, or had it acknowledged. */
export interface Placed {
  readonly seq: number;
  readonly text: string;
}

interface Gone {
  readonly isGone: (seq: number) => boolean;
  readonly forged: boolean;
}

/** What one member, over all its lives, was told. */
export class Witness {
  readonly name: string;
  /** Texts that are durable at the client: it may not lose them any more. */
  readonly accepted = new Set<string>();
  /** Texts of its own that were acknowledged, with the place that was named. */
  readonly acknowledged: Placed[] = [];
  /** Texts that the client gave back, because they cannot be sent. */
  readonly setAside = new Set<string>();
  /** Messages of others in the order in which they were shown, without those marked as shown perhaps before. */
  readonly shown: Placed[] = [];
  /** All that was shown, repetitions and own ones too. */
  readonly seen = new Set<string>();

  constructor(name: string) {
    this.name = name;
  }

  show(message: Placed, mark: { readonly own: boolean; readonly again: boolean }): void {
    const repeated = mark.again && this.seen.has(message.text);
    this.seen.add(message.text);
    if (!mark.own && !repeated) this.shown.push(message);
  }
}

/**
 * Compares all histories with the room as somebody reads it who comes last.
 * @param room every text of it, in order
 * @param witnesses its members, who have read all of it
 * @param isGone whether nobody can read any more what stands at a place: it need not be shown, and of one's own it is only known that it
 *   is in the room
 * @param forged whether somebody on the way may have put something under one's own numbers: where that is gone, one's own text passes
 *   for sent, since nothing is left to tell them apart
 * @returns what is wrong, a sentence each; nothing if all is well
 */
export function judge(
  room: readonly Placed[],
  witnesses: readonly Witness[],
  { isGone = () => false, forged = false }: Partial<Gone> = {},
): string[] {
  const wrong: string[] = [];
  const places = new Map<string, number>();
  for (const { text, seq } of room) {
    if (places.has(text)) wrong.push(`"${text}" is in the room twice, at ${places.get(text)} and ${seq}`);
    else places.set(text, seq);
  }
  const said = new Set(witnesses.flatMap(({ accepted, setAside }) => [...accepted, ...setAside]));
  for (const text of places.keys()) if (!said.has(text)) wrong.push(`"${text}" was said by nobody`);
  for (const witness of witnesses) wrong.push(...judgeOne(witness, room, places, { isGone, forged }));
  return wrong;
}

function judgeOne(
  witness: Witness,
  room: readonly Placed[],
  places: ReadonlyMap<string, number>,
  { isGone, forged }: Gone,
): string[] {
  const wrong: string[] = [];
  const { name } = witness;
  const isDisplaced = ({ text, seq }: Placed) => forged && !places.has(text) && hasGone(seq);
  // What stood there need not have been a text.
  const hasGone = (until: number) => Array.from({ length: until }, (_, before) => before + 1).some(isGone);
  const displaced = new Set(witness.acknowledged.filter(isDisplaced).map(({ text }) => text));
  for (const text of witness.accepted) {
    if (!places.has(text) && !witness.setAside.has(text) && !displaced.has(text))
      wrong.push(`${name} said "${text}", and it is lost`);
  }
  for (const { text, seq } of witness.acknowledged) {
    const place = places.get(text);
    const isUnseen = place !== undefined && place <= seq && isGone(place);
    if (place !== seq && !isUnseen && !displaced.has(text))
      wrong.push(`${name} was told that "${text}" is at ${seq}, and it is at ${place ?? 'no place'}`);
  }
  let last = 0;
  const shown = new Set<string>();
  for (const { text, seq } of witness.shown) {
    if (shown.has(text)) wrong.push(`${name} was shown "${text}" twice`);
    if (seq <= last) wrong.push(`${name} was shown ${seq} after ${last}`);
    if (places.get(text) !== seq)
      wrong.push(`${name} was shown "${text}" at ${seq}, where the room has another`);
    shown.add(text);
    last = seq;
  }
  for (const { text, seq } of room) {
    const own = witness.accepted.has(text) || witness.setAside.has(text);
    if (!own && !witness.seen.has(text) && !isGone(seq)) wrong.push(`${name} was never shown "${text}"`);
  }
  return wrong;
}
