/** Which processors this thread runs on. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/**
 * Keeps the main thread off a processor that another program polls on; the scheduler may put both there and let
 * each wait for the other's time slice. Threads that exist already, and programs, stay as they are.
 * @returns what ends that
 */
export function avoidProcessor(number: number): Disposable {
  const allowed = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]!;
  const others = expand(allowed).filter((processor) => processor !== number);
  if (others.length > 0) setAffinity(others.join(','));
  return { [Symbol.dispose]: () => setAffinity(allowed) };
}

/** `0-2,5` names 0, 1, 2 and 5. */
function expand(list: string): number[] {
  return list.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number);
    return Array.from({ length: last! - first! + 1 }, (_, i) => first! + i);
  });
}

function setAffinity(list: string): void {
  execFileSync('taskset', ['--cpu-list', '--pid', list, `${process.pid}`], { stdio: 'ignore' });
}
