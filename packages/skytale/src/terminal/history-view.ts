/**
 * How the history of a room looks: lines of text that are printed once and then belong to the terminal. All of it is made
 * harmless here, whoever wrote it.
 */
import type { MemberId } from '@skytale/chat';
import { displayText } from '../safe-text.ts';
import type { Style } from '../style.ts';
import { breakAnywhere, tabWidth, widthOf, wrapWords } from './text-width.ts';

// Readable on dark and light; red and yellow are kept for warnings.
const nameColours = [
  'cyan',
  'green',
  'magenta',
  'blue',
  'cyanBright',
  'greenBright',
  'magentaBright',
  'blueBright',
] as const;

const dayFormat = new Intl.DateTimeFormat('en-GB', { dateStyle: 'full' });
const timeFormat = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });

/** Cells of a time, `12:34`. */
const timeWidth = 5;
/** Cells that a text has beside its name at the least; with less it begins below. */
const leastWidth = 20;

export class HistoryView {
  readonly #style: Style;
  readonly #columns: () => number;
  #day = dayFormat.format();

  /** @param columns of the terminal, now */
  constructor(style: Style, columns: () => number) {
    this.#style = style;
    this.#columns = columns;
  }

  /** A name in the colour that this member always has. */
  name(member: MemberId, label: string): string {
    const colour = nameColours[Number.parseInt(member.slice(0, 8), 16) % nameColours.length] ?? 'cyan';
    return this.#style([colour, 'bold'], label);
  }

  /** A message; before it the day, where that is another than the last message's. */
  message(at: Date, member: MemberId, label: string, text: string): string {
    const day = dayFormat.format(at);
    const separator = day === this.#day ? '' : this.divider(day);
    this.#day = day;
    const head = `${this.#style('dim', timeFormat.format(at))} ${this.name(member, label)}`;
    const beside = timeWidth + 1 + widthOf(label) + 2;
    const isBeside = this.#columns() - 1 - beside >= leastWidth;
    const indent = isBeside ? beside : timeWidth + 1;
    const gap = isBeside ? '  ' : `\n${' '.repeat(indent)}`;
    return `${separator}${head}${gap}${this.#wrap(displayText(text), indent)}\n`;
  }

  /** A line between one part and the next. */
  divider(text: string): string {
    return this.notice(`── ${text} ──`);
  }

  /** Something that happened, or the answer to a command. */
  notice(text: string): string {
    return `${this.#style('dim', this.#wrap(displayText(text), 0))}\n`;
  }

  /** Something that must not happen. */
  warning(text: string): string {
    return `${this.#style(['red', 'bold'], `⚠ ${this.#wrap(displayText(text), 2)}`)}\n`;
  }

  /**
   * Where rows are indented, words that are longer than a row are broken here, and tabs are spaces: the terminal would go
   * on in its first column, where a text could look like another's message.
   */
  #wrap(text: string, indent: number): string {
    const cells = Math.max(1, this.#columns() - 1 - indent);
    const words = text
      .replaceAll('\t', ' '.repeat(tabWidth))
      .split('\n')
      .flatMap((line) => wrapWords(line, cells));
    const rows = indent === 0 ? words : words.flatMap((row) => breakAnywhere(row, cells));
    return rows.join(`\n${' '.repeat(indent)}`);
  }
}
