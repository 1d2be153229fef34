/** The terminal in raw mode: keys as they are pressed; put back as it was, however the program ends. */
import { writeSync } from 'node:fs';
import { emitKeypressEvents } from 'node:readline';
import type { Key } from './line-editor.ts';

const csi = '\x1b[';
const enterModes = `${csi}?2004h`; // bracketed paste
const leaveModes = `${csi}?2004l${csi}?25h${csi}0m`; // and a visible cursor, and no colour

export class Tty implements Disposable {
  readonly #onKey: (text: string | undefined, key: Omit<Key, 'text'>) => void;
  readonly #onResize: () => void;
  readonly #onContinue: () => void;
  readonly #restore = () => {
    // Straight to the descriptor: at exit there is no time for a stream.
    try {
      if (process.stdin.isRaw) process.stdin.setRawMode(false);
      writeSync(process.stdout.fd, leaveModes);
    } catch {
      // The terminal has gone.
    }
  };

  constructor(handlers: { key: (key: Key) => void; redraw: () => void; gone: () => void }) {
    this.#onKey = (text, key) => handlers.key({ ...key, text });
    this.#onResize = handlers.redraw;
    this.#onContinue = () => {
      this.#enter();
      handlers.redraw();
    };
    emitKeypressEvents(process.stdin);
    process.stdin.on('keypress', this.#onKey).on('end', handlers.gone).on('error', handlers.gone);
    process.stdout.on('resize', this.#onResize);
    process.on('exit', this.#restore);
    this.#enter();
    process.stdin.resume();
  }

  #enter(): void {
    process.stdin.setRawMode(true);
    process.stdout.write(enterModes);
  }

  /** Stops the program as a shell does on Ctrl-Z; it redraws when it is continued. */
  suspend(): void {
    this.#restore();
    process.once('SIGCONT', this.#onContinue);
    process.kill(0, 'SIGTSTP'); // The whole group, as the terminal itself would.
  }

  [Symbol.dispose](): void {
    process.stdin.off('keypress', this.#onKey).pause();
    process.stdout.off('resize', this.#onResize);
    process.off('exit', this.#restore).off('SIGCONT', this.#onContinue);
    this.#restore();
  }
}
