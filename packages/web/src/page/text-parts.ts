/**
 * What others wrote, cut into what may stand on the page: text, links, and characters that are not to be seen as they are. Nothing else
 * is interpreted.
 */
import { type HiddenKind, hasHidden, replaceHidden } from '@skytale/chat/shown-text';

export type TextPart =
  | { readonly kind: 'text'; readonly text: string }
  /** `href` is http or https, without a user's name or password in it. */
  | { readonly kind: 'link'; readonly text: string; readonly href: string }
  /** One character that is shown by its code point, such as `U+202E`. */
  | { readonly kind: 'hidden'; readonly code: string; readonly why: HiddenKind };

/** Longest link that is clickable, in UTF-16 units. */
const MAX_LINK = 2048;
/** What is folded until it is asked for: more lines, or more UTF-16 units. */
const MAX_LINES = 14;
const MAX_UNFOLDED = 1200;

const candidate = /\bhttps?:\/\/[^\s<>"'`\\]+/giu;
/** What ends a sentence rather than a link. */
const trailing = /[.,;:!?…*_~]+$/u;

/** The parts of a text, in order; together they are the text. */
export function textParts(text: string): TextPart[] {
  const parts: TextPart[] = [];
  const lines = text.replaceAll(/\r\n?/g, '\n');
  let at = 0;
  for (const match of lines.matchAll(candidate)) {
    const link = withoutTrailing(match[0]);
    const href = hrefOf(link);
    if (href === undefined) continue;
    pushText(parts, lines.slice(at, match.index));
    parts.push({ kind: 'link', text: link, href });
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
  for (;;) {
    const shorter = link.replace(trailing, '');
    const last = shorter.at(-1) ?? '';
    const open = { ')': '(', ']': '[', '}': '{' }[last];
    const count = (character: string) => shorter.split(character).length;
    if (open === undefined || count(open) >= count(last)) return shorter;
    link = shorter.slice(0, -1);
  }
}

/**
 * Where a link leads; `undefined` for what must not be clickable: characters that cannot be seen, and names before an `@`, by which
 * `https://bank.example@evil.example` looks like another's.
 */
function hrefOf(link: string): string | undefined {
  if (link.length > MAX_LINK || hasHidden(link) || !URL.canParse(link)) return undefined;
  const { protocol, username, password, href } = new URL(link);
  if ((protocol !== 'http:' && protocol !== 'https:') || username !== '' || password !== '') return undefined;
  return href;
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
