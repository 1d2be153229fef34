/**
 * The text being typed and the keys that change it, as a shell has them. It draws nothing and reads nothing:
 * keys come as `node:readline`'s keypress events. The cursor never stands inside a grapheme.
 */
import { displayText } from '../safe-text.ts';
import { graphemes } from './text-width.ts';

/** A key as `emitKeypressEvents` names it; `text` is what it types, if anything. */
export type Key = {
  readonly text?: string | undefined;
  readonly name?: string | undefined;
  readonly ctrl?: boolean;
  readonly meta?: boolean;
};

/** What a key asks of the program, beyond a change of the text. */
export type Request = 'submit' | 'interrupt' | 'end' | 'suspend' | 'clear-screen' | TooLong;

/** To say that what was typed or pasted was not taken: with it the text would have so many bytes of UTF-8. */
export type TooLong = { readonly bytes: number };

/** Lines that were sent, to go back to. */
const historyLength = 500;
const wordBefore = /\S+\s*$/u;
const wordAfter = /^\s*\S+/u;

export class LineEditor {
  #text = '';
  /** UTF-16 offset into the text. */
  #cursor = 0;
  readonly #history: string[] = [];
  /** Place in the history; its length means the draft, which is kept meanwhile. */
  #place = 0;
  #draft = '';
  #killed = '';
  /** The paste under way; its text only while it can be taken. */
  #paste: { text: string; bytes: number } | undefined;
  /** Bytes that the text would have with all that was not taken since the last other key; 0 if nothing was. */
  #refused = 0;
  readonly #longest: number;

  /** @param longest bytes of UTF-8 that fit; an insertion that would go beyond is not taken, no part of it */
  constructor(longest: number) {
    this.#longest = longest;
  }

  get text(): string {
    return this.#text;
  }

  get cursor(): number {
    return this.#cursor;
  }

  /** Empties the line and returns what was in it; it goes into the history. */
  take(): string {
    const text = this.#text;
    if (text.trim() !== '' && this.#history.at(-1) !== text) this.#history.push(text);
    if (this.#history.length > historyLength) this.#history.shift();
    this.#place = this.#history.length;
    this.#replace('', 0);
    return text;
  }

  /**
   * Applies a key. After something was not taken, nothing more is inserted until another kind of key has come, so that
   * no hole is in the text; and the first Enter does not send it, since it may have been typed before that was seen.
   * @returns what the program is to do, if anything
   */
  press(key: Key): Request | undefined {
    const refused = this.#refused;
    const request = this.#apply(key);
    if (this.#refused === refused && this.#paste === undefined) this.#refused = 0;
    return request;
  }

  #apply(key: Key): Request | undefined {
    if (this.#paste !== undefined) return this.#pasteKey(this.#paste, key);
    if (key.ctrl) return this.#controlKey(key);
    if (key.meta) return this.#metaKey(key);
    switch (key.name) {
      case 'return':
      case 'enter':
        return this.#refused > 0 ? { bytes: this.#refused } : 'submit';
      case 'paste-start':
        this.#paste = { text: '', bytes: 0 };
        return undefined;
      case 'left':
        this.#cursor -= this.#before();
        return undefined;
      case 'right':
        this.#cursor += this.#after();
        return undefined;
      case 'home':
        this.#cursor = this.#lineStart();
        return undefined;
      case 'end':
        this.#cursor = this.#lineEnd();
        return undefined;
      case 'up':
        this.#up();
        return undefined;
      case 'down':
        this.#down();
        return undefined;
      case 'backspace':
        this.#erase(this.#cursor - this.#before(), this.#cursor);
        return undefined;
      case 'delete':
        this.#erase(this.#cursor, this.#cursor + this.#after());
        return undefined;
      case 'tab':
        return undefined;
      default:
        return key.text === undefined || /\p{Cc}/u.test(key.text) ? undefined : this.#insert(key.text);
    }
  }

  #controlKey(key: Key): Request | undefined {
    switch (key.name) {
      case 'a':
        this.#cursor = this.#lineStart();
        return undefined;
      case 'e':
        this.#cursor = this.#lineEnd();
        return undefined;
      case 'b':
        this.#cursor -= this.#before();
        return undefined;
      case 'f':
        this.#cursor += this.#after();
        return undefined;
      case 'p':
        this.#recall(this.#place - 1);
        return undefined;
      case 'n':
        this.#recall(this.#place + 1);
        return undefined;
      case 'h':
        this.#erase(this.#cursor - this.#before(), this.#cursor);
        return undefined;
      case 'k':
        this.#kill(this.#cursor, Math.max(this.#lineEnd(), this.#cursor));
        return undefined;
      case 'u':
        this.#kill(this.#lineStart(), this.#cursor);
        return undefined;
      case 'w':
        this.#kill(this.#wordStart(), this.#cursor);
        return undefined;
      case 'y':
        return this.#insert(this.#killed);
      case 'left':
        this.#cursor = this.#wordStart();
        return undefined;
      case 'right':
        this.#cursor = this.#wordEnd();
        return undefined;
      case 'c':
        return 'interrupt';
      case 'd':
        if (this.#text === '') return 'end';
        this.#erase(this.#cursor, this.#cursor + this.#after());
        return undefined;
      case 'l':
        return 'clear-screen';
      case 'z':
        return 'suspend';
      default:
        return undefined;
    }
  }

  #metaKey(key: Key): Request | undefined {
    switch (key.name) {
      case 'return':
      case 'enter':
        return this.#insert('\n');
      case 'b':
      case 'left':
        this.#cursor = this.#wordStart();
        return undefined;
      case 'f':
      case 'right':
        this.#cursor = this.#wordEnd();
        return undefined;
      case 'd':
        this.#kill(this.#cursor, this.#wordEnd());
        return undefined;
      case 'backspace':
        this.#kill(this.#wordStart(), this.#cursor);
        return undefined;
      default:
        return undefined;
    }
  }

  /** Between the marks of a bracketed paste everything is text: a line break in it must not send. */
  #pasteKey(paste: { text: string; bytes: number }, key: Key): TooLong | undefined {
    if (key.name === 'paste-end') {
      this.#paste = undefined;
      return paste.bytes > this.#longest ? this.#refuse(paste.bytes) : this.#insert(displayText(paste.text));
    }
    paste.bytes += Buffer.byteLength(key.text ?? '');
    paste.text = paste.bytes > this.#longest ? '' : paste.text + (key.text ?? '');
    return undefined;
  }

  #replace(text: string, cursor: number): void {
    this.#text = text;
    this.#cursor = cursor;
  }

  #insert(text: string): TooLong | undefined {
    const whole = this.#text.slice(0, this.#cursor) + text + this.#text.slice(this.#cursor);
    if (text !== '' && (this.#refused > 0 || Buffer.byteLength(whole) > this.#longest)) {
      return this.#refuse(Buffer.byteLength(text));
    }
    this.#replace(whole, this.#cursor + text.length);
    return undefined;
  }

  /** Said once for all that is typed on end; Enter says the sum. */
  #refuse(bytes: number): TooLong | undefined {
    const isFirst = this.#refused === 0;
    this.#refused = (isFirst ? Buffer.byteLength(this.#text) : this.#refused) + bytes;
    return isFirst ? { bytes: this.#refused } : undefined;
  }

  #erase(from: number, to: number): void {
    this.#replace(this.#text.slice(0, from) + this.#text.slice(to), from);
  }

  #kill(from: number, to: number): void {
    if (from === to) return;
    this.#killed = this.#text.slice(from, to);
    this.#erase(from, to);
  }

  /** Length of the grapheme before the cursor. */
  #before(): number {
    // Enough for any grapheme; a whole long text would be cut up at every key.
    return graphemes(this.#text.slice(Math.max(0, this.#cursor - 64), this.#cursor)).at(-1)?.length ?? 0;
  }

  #after(): number {
    return graphemes(this.#text.slice(this.#cursor, this.#cursor + 64))[0]?.length ?? 0;
  }

  #lineStart(): number {
    return this.#cursor === 0 ? 0 : this.#text.lastIndexOf('\n', this.#cursor - 1) + 1;
  }

  #lineEnd(): number {
    const end = this.#text.indexOf('\n', this.#cursor);
    return end === -1 ? this.#text.length : end;
  }

  #wordStart(): number {
    return this.#cursor - (wordBefore.exec(this.#text.slice(0, this.#cursor))?.[0].length ?? this.#cursor);
  }

  #wordEnd(): number {
    const rest = this.#text.slice(this.#cursor);
    return this.#cursor + (wordAfter.exec(rest)?.[0].length ?? rest.length);
  }

  /** A line up within the text, or back in the history. */
  #up(): void {
    const start = this.#lineStart();
    if (start === 0) {
      this.#recall(this.#place - 1);
      return;
    }
    const column = this.#cursor - start;
    const previous = start === 1 ? 0 : this.#text.lastIndexOf('\n', start - 2) + 1;
    this.#moveTo(previous, Math.min(previous + column, start - 1));
  }

  #down(): void {
    const end = this.#lineEnd();
    if (end === this.#text.length) {
      this.#recall(this.#place + 1);
      return;
    }
    const column = this.#cursor - this.#lineStart();
    this.#cursor = end + 1;
    this.#moveTo(end + 1, Math.min(end + 1 + column, this.#lineEnd()));
  }

  /** To the last grapheme boundary at or before `to`, seen from the line's start. */
  #moveTo(lineStart: number, to: number): void {
    let cursor = lineStart;
    for (const grapheme of graphemes(this.#text.slice(lineStart, to + 64))) {
      if (cursor + grapheme.length > to) break;
      cursor += grapheme.length;
    }
    this.#cursor = cursor;
  }

  #recall(place: number): void {
    if (place < 0 || place > this.#history.length || place === this.#place) return;
    if (this.#place === this.#history.length) this.#draft = this.#text;
    this.#place = place;
    const text = this.#history[place] ?? this.#draft;
    this.#replace(text, text.length);
  }
}
