/**
 * The last rows of the terminal, redrawn at will, with everything printed above them scrolling away as on
 * any terminal: the user's own scrollback, search and copying keep working.
 */
import { stripVTControlCharacters } from 'node:util';
import { terminalSize } from './terminal-size.ts';
import { widthOf } from './text-width.ts';

/** What the region shows. Each row fits in `columns - 1` cells, so that none wraps by itself. */
export type Picture = {
  readonly rows: readonly string[];
  readonly cursorRow: number;
  /** The part of the cursor's row before the cursor. It is printed again to place the cursor, so that the
   * cursor stands right even where the terminal and we differ on the width of a character. */
  readonly beforeCursor: string;
};

type Screen = { write(data: string): unknown; readonly columns: number };

const csi = '\x1b[';
const hideCursor = `${csi}?25l`;
const showCursor = `${csi}?25h`;
const clearBelow = `${csi}J`;

export class LiveRegion {
  readonly #screen: Screen;
  #drawn: Picture = { rows: [], cursorRow: 0, beforeCursor: '' };

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  /** Prints `above` (whole lines, each with its line break; or nothing) and draws the region anew below it. */
  draw(above: string, picture: Picture): void {
    const up = picture.rows.length - 1 - picture.cursorRow;
    this.#screen.write(
      hideCursor +
        this.#toTop() +
        clearBelow +
        above.replaceAll('\n', '\r\n') +
        picture.rows.join('\r\n') +
        (up > 0 ? `${csi}${up}A` : '') +
        `\r${picture.beforeCursor}${showCursor}`,
    );
    this.#drawn = picture;
  }

  /** Removes the region; what is printed next follows the text above it. */
  clear(above = ''): void {
    this.#screen.write(`${this.#toTop()}${clearBelow}${above.replaceAll('\n', '\r\n')}${showCursor}`);
    this.#drawn = { rows: [], cursorRow: 0, beforeCursor: '' };
  }

  /** Clears the whole screen; the next `draw` begins at its top. */
  clearScreen(): void {
    this.#screen.write(`${csi}2J${csi}H`);
    this.#drawn = { rows: [], cursorRow: 0, beforeCursor: '' };
  }

  /** To the region's first row. After the window became narrower the terminal has wrapped what was drawn. */
  #toTop(): string {
    const { columns } = terminalSize(this.#screen);
    const rowsOf = (text: string) =>
      Math.max(1, Math.ceil(widthOf(stripVTControlCharacters(text)) / columns));
    const above = this.#drawn.rows.slice(0, this.#drawn.cursorRow);
    const up = above.reduce((sum, row) => sum + rowsOf(row), 0) + rowsOf(this.#drawn.beforeCursor) - 1;
    return `\r${up > 0 ? `${csi}${up}A` : ''}`;
  }
}
