import type { Frame } from '../protocol/frames.ts';
import type { Outbox } from './outbox.ts';

/** Of the answer to JOIN. */
export type Joined = Pick<Extract<Frame, { type: 'joined' }>, 'head' | 'first' | 'lastN' | 'lastHash'>;

/** What a server has lost, in words; of one's own messages those up to `stored` are there. */
export type Loss = { readonly what: string; readonly stored: number };

/**
 * What the server should have by all that it told, and does not have.
 * @param reached the last place that it delivered
 * @throws {ChatError} as `StateStore.load`
 */
export async function lossOf(
  { head, lastN, lastHash }: Joined,
  reached: number,
  outbox: Outbox,
): Promise<Loss | undefined> {
  const { settled } = outbox;
  if (head < reached) {
    return { what: `its last one is number ${head}, and you have read up to ${reached}`, stored: lastN };
  }
  if (lastN < settled) {
    return { what: `it acknowledged ${settled} of yours, and has ${lastN}`, stored: lastN };
  }
  if (lastN > settled || lastHash === undefined || (await outbox.mayBe(lastN, lastHash))) return undefined;
  return { what: `it has something else as your message ${lastN}`, stored: lastN - 1 };
}
