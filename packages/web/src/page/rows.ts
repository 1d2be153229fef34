/** What stands in the log, line by line: messages, and what is between them. */
import type { MemberId, Message, Notice } from '../engine.ts';
import type { Entry } from './timeline.ts';
import { dayOf } from './words.ts';

export type Row =
  | { readonly kind: 'day'; readonly key: string; readonly text: string }
  /** What follows came since the user last looked. */
  | { readonly kind: 'unread'; readonly key: string }
  /** `first`: of several in a row by one sender, so its name stands over it. */
  | { readonly kind: 'message'; readonly key: string; readonly message: Message; readonly first: boolean }
  | { readonly kind: 'notice'; readonly key: string; readonly notice: Notice }
  /** Messages of members that the user hides, one after the other. */
  | { readonly kind: 'hidden'; readonly key: string; readonly count: number };

/** What one says within this time stands under one name, in milliseconds. */
const TOGETHER_MS = 5 * 60_000;

type Options = {
  /** The place behind which the mark stands. */
  readonly readUpTo: number;
  readonly isHidden: (member: MemberId) => boolean;
  /** Milliseconds. */
  readonly now: number;
};

/** Whether it tells of what a member did, and not of what must not happen: that is shown of everybody. */
function isNews(what: Notice['what']): what is Exclude<Notice['what'], { kind: 'warning' }> {
  return what.kind !== 'warning';
}

/** O(n) for n entries. */
export function rowsOf(entries: readonly Entry[], { readUpTo, isHidden, now }: Options): Row[] {
  const rows: Row[] = [];
  let day: string | undefined;
  let before: Message | undefined;
  let isUnread = false;
  for (const { id, item } of entries) {
    if (item.kind === 'notice' && isNews(item.what) && isHidden(item.what.member)) continue;
    const today = dayOf(item.at, now);
    if (today !== day) {
      rows.push({ kind: 'day', key: `day ${id}`, text: today });
      day = today;
      before = undefined;
    }
    // The mark stands before the first thing that another said: one has read what one wrote.
    if (!isUnread && item.kind === 'message' && !item.own && (item.seq ?? 0) > readUpTo) {
      isUnread = true;
      // Where the window begins behind the mark, the mark is not at its beginning.
      if (rows.length > 1 || item.seq === readUpTo + 1) rows.push({ kind: 'unread', key: 'unread' });
      before = undefined;
    }
    if (item.kind === 'notice') {
      rows.push({ kind: 'notice', key: `item ${id}`, notice: item });
      before = undefined;
    } else if (isHidden(item.member)) {
      const last = rows.at(-1);
      if (last?.kind === 'hidden') rows[rows.length - 1] = { ...last, count: last.count + 1 };
      else rows.push({ kind: 'hidden', key: `hidden ${id}`, count: 1 });
      before = undefined;
    } else {
      const follows = before?.member === item.member && Math.abs(item.at - before.at) < TOGETHER_MS;
      const sameName = before?.from === item.from;
      rows.push({ kind: 'message', key: `item ${id}`, message: item, first: !(follows && sameName) });
      before = item;
    }
  }
  return rows;
}
