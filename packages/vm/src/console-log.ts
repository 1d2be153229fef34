/** What the guest's kernel says on its console. */
import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { VmError } from './vm-error.ts';

/** What Linux writes when something is wrong in the kernel itself. */
const complaints = [
  /\bWARNING: (?!.*taint)/,
  /\bBUG: /,
  /kernel BUG at/,
  /\bOops\b/,
  /general protection fault/,
  /Kernel panic/,
  /\bUBSAN: /,
  /\bINFO: (task|possible|trying to register|suspicious|lockdep|rcu)/,
  /\bINFO: .*(stall|hung)/,
  /kmemleak: \d+ new suspected/,
  /refcount_t: /,
  /DMA-API: /,
];

/** The lines of a kernel log that complain, other than those that match one of `expected`. */
export function kernelComplaints(log: string, expected: readonly RegExp[] = []): string[] {
  return log
    .split('\n')
    .filter((line) => complaints.some((pattern) => pattern.test(line)))
    .filter((line) => !expected.some((pattern) => pattern.test(line)));
}

/** Throws `kernel-log` with what follows the first complaint. */
export function assertNoComplaints(log: string, expected: readonly RegExp[] = []): void {
  const [first] = kernelComplaints(log, expected);
  if (first === undefined) return;
  const lines = log.split('\n');
  const from = lines.indexOf(first);
  throw new VmError(
    'kernel-log',
    `the guest's kernel complained:\n${lines.slice(from, from + 30).join('\n')}`,
  );
}

/** Characters that are kept; what came before is dropped. */
const capacity = 4 * 1024 * 1024;

export class ConsoleLog {
  #text = '';

  /** `onPanic` is called when the kernel has stopped for good, with why. */
  constructor(source: Readable, onPanic: (why: string) => void) {
    const decoder = new StringDecoder();
    source.on('error', () => {}); // it ends with QEMU, which is noticed elsewhere
    source.on('data', (chunk: Buffer) => {
      const from = this.#text.lastIndexOf('\n') + 1;
      this.#text += decoder.write(chunk).replaceAll('\r', '');
      const panic = /end Kernel panic - (.*?) *\]---/.exec(this.#text.slice(from));
      this.#text = this.#text.slice(-capacity);
      if (panic !== null) onPanic(panic[1]!);
    });
  }

  /** All that was written since the guest was launched, up to 4 MiB. */
  get text(): string {
    return this.#text;
  }
}
