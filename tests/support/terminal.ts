/** A real terminal for a program to run in: tmux, on a server of its own. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { TemporaryDirectory } from './directory.ts';

const patienceMs = 20_000;

export class Terminal implements Disposable {
  readonly #directory = new TemporaryDirectory();
  readonly #socket = this.#directory.join('tmux');

  /** Opens a terminal with a shell that shows `$ `. */
  constructor(columns = 80, rows = 24) {
    this.#tmux(
      ...['-f', '/dev/null', 'new-session', '-d', '-x', String(columns), '-y', String(rows)],
      ...['env', 'PS1=$ ', 'LC_ALL=C.UTF-8', 'sh'],
    );
  }

  #tmux(...args: string[]): string {
    return execFileSync('tmux', ['-u', '-S', this.#socket, ...args], {
      encoding: 'utf8',
      env: cleanEnvironment(),
    });
  }

  /** Types text as it is. */
  type(text: string): void {
    this.#tmux('send-keys', '-l', '--', text);
  }

  /** Presses keys by tmux's names: Enter, Up, C-c, BSpace … */
  press(...keys: string[]): void {
    this.#tmux('send-keys', ...keys);
  }

  /** Pastes as a terminal does, with the marks of a bracketed paste if the program asked for them. */
  paste(text: string): void {
    // A command of tmux has at most 16 KiB.
    const file = `${this.#socket}.paste`;
    writeFileSync(file, text);
    this.#tmux('load-buffer', file);
    this.#tmux('paste-buffer', '-p');
  }

  /** Forgets what has scrolled off the screen. */
  clearHistory(): void {
    this.#tmux('clear-history');
  }

  resize(columns: number, rows: number): void {
    this.#tmux('resize-window', '-x', String(columns), '-y', String(rows));
  }

  /** The screen and what has scrolled off it, as text. */
  text(): string {
    return this.#tmux('capture-pane', '-p', '-J', '-S', '-');
  }

  /** The screen alone, with colours as escape sequences if asked for. */
  screen(colours = false): string {
    return this.#tmux('capture-pane', '-p', ...(colours ? ['-e'] : []));
  }

  /** Column and row of the cursor, from 0, and whether it can be seen. */
  cursor(): { column: number; row: number; visible: boolean } {
    const [column, row, visible] = this.#tmux(
      'display-message',
      '-p',
      '#{cursor_x} #{cursor_y} #{cursor_flag}',
    )
      .split(' ')
      .map(Number);
    return { column: column!, row: row!, visible: visible === 1 };
  }

  /** Waits until the text of screen and scrollback matches; fails with the screen as it is. */
  async shows(pattern: RegExp): Promise<string> {
    return this.#waitFor(
      () => this.text(),
      (text) => pattern.test(text),
      `to show ${pattern}`,
    );
  }

  async screenShows(pattern: RegExp): Promise<string> {
    return this.#waitFor(
      () => this.screen(),
      (text) => pattern.test(text),
      `to show ${pattern} on the screen`,
    );
  }

  async screenLacks(pattern: RegExp): Promise<string> {
    return this.#waitFor(
      () => this.screen(),
      (text) => !pattern.test(text),
      `not to show ${pattern}`,
    );
  }

  async #waitFor(look: () => string, isRight: (text: string) => boolean, what: string): Promise<string> {
    const deadline = performance.now() + patienceMs;
    for (;;) {
      const text = look();
      if (isRight(text)) return text;
      if (performance.now() > deadline) throw new Error(`waited in vain for the terminal ${what}:\n${text}`);
      await wait(50); // tmux has no event for what a pane shows.
    }
  }

  [Symbol.dispose](): void {
    this.#tmux('kill-server');
    this.#directory[Symbol.dispose]();
  }
}

/** Inside another tmux it must not be found; and none of the user's settings. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(TMUX|SKYTALE_|XDG_|NO_COLOR|FORCE_COLOR)/.test(name)),
  );
}
