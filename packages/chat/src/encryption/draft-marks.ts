/**
 * Tells a message that was shown from the same one sealed again under another number. That is done by a sender who finds that somebody
 * has put something under the number of its own; and a server that has both can deliver both.
 *
 * A mark is a hash of the draft's id and of all that is shown of it. So a sender who lies can make receivers drop what
 * they have shown already, word by word, and nothing else: something else under the same id is another message.
 */
import { encode } from 'cborg';
import { type Bytes, concat, utf8 } from '../bytes.ts';
import type { ChatCrypto } from '../crypto.ts';
import type { ReceivedContent } from './content.ts';

/** The marks of the last messages of a sender that had an id, oldest first, one behind the other. */
export type DraftMarks = Uint8Array;

/** Length of one mark: the first bytes of a hash. */
export const MARK_BYTES = 16;
/** Of each sender: 4 KiB. A sender that seals a draft again does it within so many messages. */
export const REMEMBERED_DRAFTS = 256;

const LABEL = utf8('skytale draft 1');
export const noDrafts: DraftMarks = new Uint8Array(0);

/** @returns `undefined` for what has no id, and for what this version could not show */
export async function markOf(crypto: ChatCrypto, content: ReceivedContent): Promise<Bytes | undefined> {
  if (content.id === undefined || content.kind === 'unknown') return undefined;
  const { instead: _, ...shown } = content;
  const hash = await crypto.sha256(concat(LABEL, encode(shown)));
  return hash.slice(0, MARK_BYTES);
}

/** Compares with up to `REMEMBERED_DRAFTS` marks, mostly by their first byte. */
export function hasMark(marks: DraftMarks, mark: Uint8Array): boolean {
  for (let at = 0; at < marks.length; at += MARK_BYTES) {
    let same = 0;
    while (same < MARK_BYTES && marks[at + same] === mark[same]) same += 1;
    if (same === MARK_BYTES) return true;
  }
  return false;
}

/** With one more, and the oldest forgotten where they are too many. */
export function addMark(marks: DraftMarks, mark: Uint8Array): DraftMarks {
  return concat(marks, mark).slice(-REMEMBERED_DRAFTS * MARK_BYTES);
}
