import { statSync } from 'node:fs';

/** Device and inode of the files that this process holds. */
const held = new Set<string>();

/**
 * Takes a file for one part of this process, by whatever path it is reached: the system's locks tell processes apart, not
 * parts of one. The file must be there.
 * @returns `undefined` if another part has it
 * @throws the system's error
 */
export function holdFile(path: string): Disposable | undefined {
  const { dev, ino } = statSync(path, { bigint: true });
  const name = `${dev}:${ino}`;
  if (held.has(name)) return undefined;
  held.add(name);
  return { [Symbol.dispose]: () => void held.delete(name) };
}
