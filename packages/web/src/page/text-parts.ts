/**
 * What others wrote, cut into what may stand on the page: text, links, and characters that are not to be seen as they are. Nothing else
 * is interpreted.
 */
import { type HiddenKind, hasHidden, replaceHidden } from '@skytale/chat/shown-text';

export type TextPart =
  | { readonly kind: 'text'; readonly text: string }
  /**
   * `href` is http or https, without a user's name or password in it. `host` is where it leads, as browsers write it, if that is not
   * what is written: letters of other scripts look like Latin ones, and what looks like a slash need not end a name.
   */
  | { readonly kind: 'link'; readonly text: string; readonly href: string; readonly host: string | undefined }
  /** One character that is shown by its code point, such as `U+202E`. */
  | { readonly kind: 'hidden'; readonly code: string; readonly why: HiddenKind };

/** Longest link that is clickable, in UTF-16 units. */
const MAX_LINK = 2048;
/** Most parts of one text: each is an element of the page, and a text can be nothing but what is not to be seen. */
export const MAX_PARTS = 200;
/** What is folded until it is asked for: more lines, or more UTF-16 units. */
const MAX_LINES = 14;
const MAX_UNFOLDED = 1200;

const candidate = /\bhttps?:\/\/[^\s<>"'`\\]+/giu;
/** What ends a sentence rather than a link. */
const trailing = '.,;:!?…*_~';
const opening: ReadonlyMap<string, string> = new Map(
  [')(', '][', '}{'].map(([close, open]) => [close!, open!]),
);

/**
 * The parts of a text, in order; together they are the text. Behind MAX_PARTS nothing is a link, and each hidden character is U+FFFD.
 * O(n) for n characters.
 */
export function textParts(text: string): TextPart[] {
  const parts: TextPart[] = [];
  const lines = text.replaceAll(/\r\n?/g, '\n');
  let at = 0;
  for (const match of lines.matchAll(candidate)) {
    if (parts.length >= MAX_PARTS) break;
    const link = withoutTrailing(match[0]);
    const url = urlOf(link);
    if (url === undefined) continue;
    pushText(parts, lines.slice(at, match.index));
    parts.push({
      kind: 'link',
      text: link,
      href: url.href,
      host: isWritten(url.host, link) ? undefined : url.host,
    });
    at = match.index + link.length;
  }
  pushText(parts, lines.slice(at));
  return parts;
}

/** How much of a text is shown at first, in UTF-16 units; all of it where that is not much more. */
export function foldAt(text: string): number {
  let end = Math.min(text.length, MAX_UNFOLDED);
  let at = -1;
  for (let line = 0; line < MAX_LINES; line += 1) {
    at = text.indexOf('\n', at + 1);
    if (at === -1) break;
  }
  if (at !== -1) end = Math.min(end, at);
  if (text.length - end < MAX_UNFOLDED / 4 && at === -1) return text.length;
  // Never between the halves of a surrogate pair.
  return /[\ud800-\udbff]/.test(text.charAt(end - 1)) ? end - 1 : end;
}

/** A closing bracket belongs to the link if the link has the opening one. */
function withoutTrailing(link: string): string {
  const counts = new Map<string, number>();
  const count = (character: string) => counts.get(character) ?? 0;
  for (const character of link) counts.set(character, count(character) + 1);
  let end = link.length;
  for (; end > 0; end -= 1) {
    const last = link.charAt(end - 1);
    if (trailing.includes(last)) continue;
    const open = opening.get(last);
    if (open === undefined || count(open) >= count(last)) break;
    counts.set(last, count(last) - 1);
  }
  return link.slice(0, end);
}

/** Whether a link names this host in so many letters. */
function isWritten(host: string, link: string): boolean {
  const [, , written = ''] = link.split(/[/?#]/, 3);
  return written.toLowerCase() === host;
}

/**
 * Where a link leads; `undefined` for what must not be clickable: characters that cannot be seen, and names before an `@`, by which
 * `https://bank.example@evil.example` looks like another's.
 */
function urlOf(link: string): URL | undefined {
  if (link.length > MAX_LINK || hasHidden(link) || !URL.canParse(link)) return undefined;
  const url = new URL(link);
  const { protocol, username, password } = url;
  if ((protocol !== 'http:' && protocol !== 'https:') || username !== '' || password !== '') return undefined;
  return url;
}

function pushText(parts: TextPart[], text: string): void {
  let plain = '';
  let at = 0;
  const flush = () => {
    if (plain !== '') parts.push({ kind: 'text', text: plain });
    plain = '';
  };
  // `replaceHidden` tells of what is hidden, in order; what lies between is what may be shown.
  const marks: { character: string; why: HiddenKind }[] = [];
  const kept = replaceHidden(text, (character, why) => {
    if (character === '\n' || character === '\t') return character;
    if (parts.length + 2 * marks.length >= MAX_PARTS) return '\u{fffd}';
    marks.push({ character, why });
    return MARK;
  });
  for (const { character, why } of marks) {
    const next = kept.indexOf(MARK, at);
    plain += kept.slice(at, next);
    at = next + MARK.length;
    flush();
    parts.push({ kind: 'hidden', code: codePoint(character), why });
  }
  plain += kept.slice(at);
  flush();
}

/** Stands for what is hidden; itself a hidden character, so no text has it otherwise. */
const MARK = '\u0000';

function codePoint(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}
