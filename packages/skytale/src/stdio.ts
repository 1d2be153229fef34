/** Standard output for other programs: whole writes, back-pressure, and a reader that may leave. */
import { displayLine } from './safe-text.ts';

/** Resolves when the text is in the kernel's hands; so nothing queues up in here for a slow reader. */
export function writeOut(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => (error ? reject(error) : resolve()));
  });
}

/** Calls back when the reader of standard output has gone (as `head` does); it is no error of ours. */
export function whenReaderLeaves(callback: () => void): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    callback();
  });
}

/** Ends the program, as done, when the reader of standard output has gone, where no command looks after that itself. */
export function endWhenReaderLeaves(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (process.stdout.listenerCount('error') > 1) return;
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
}

/** One line for the user on standard error, made harmless: what others say may be in it. */
export function note(line: string): void {
  process.stderr.write(`${displayLine(line)}\n`);
}
