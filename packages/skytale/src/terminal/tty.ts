/** The terminal in raw mode: keys as they are pressed; put back as it was, however the program ends. */
import { writeSync } from 'node:fs';
import { emitKeypressEvents } from 'node:readline';
import type { Key } from './line-editor.ts';

const csi = '\x1b[';
const enterModes = `${csi}?2004h`; // bracketed paste
const leaveModes = `${csi}?2004l${csi}?25h${csi}0m`; // and a visible cursor, and no colour

export class Tty implements Disposable {
  readonly input: NodeJS.ReadStream;
  readonly output: NodeJS.WriteStream;
  readonly #onKey: (text: string | undefined, key: Omit<Key, 'text'>) => void;
  readonly #onResize: () => void;
  readonly #onContinue: () => void;
  readonly #restore = () => {
    // Straight to the descriptor: at exit there is no time for a stream.
    try {
      if (this.input.isRaw) this.input.setRawMode(false);
      writeSync(this.output.fd, leaveModes);
    } catch {
      // The terminal has gone.
    }
  };

  constructor(
    input: NodeJS.ReadStream,
    output: NodeJS.WriteStream,
    handlers: { key: (key: Key) => void; redraw: () => void; gone: () => void },
  ) {
    this.input = input;
    this.output = output;
    this.#onKey = (text, key) => handlers.key({ ...key, text });
    this.#onResize = handlers.redraw;
    this.#onContinue = () => {
      this.#enter();
      handlers.redraw();
    };
    emitKeypressEvents(input);
    input.on('keypress', this.#onKey).on('end', handlers.gone).on('error', handlers.gone);
    output.on('resize', this.#onResize);
    process.on('exit', this.#restore);
    this.#enter();
    input.resume();
  }

  #enter(): void {
    this.input.setRawMode(true);
    this.output.write(enterModes);
  }

  /** Stops the program as a shell does on Ctrl-Z; it redraws when it is continued. */
  suspend(): void {
    this.#restore();
    process.once('SIGCONT', this.#onContinue);
    process.kill(0, 'SIGTSTP'); // The whole group, as the terminal itself would.
  }

  [Symbol.dispose](): void {
    this.input.off('keypress', this.#onKey).pause();
    this.output.off('resize', this.#onResize);
    process.off('exit', this.#restore).off('SIGCONT', this.#onContinue);
    this.#restore();
  }
}
