/** Looks through the memory of another process, as somebody with its core dump would (Linux, same user). */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

const chunkBytes = 4 * 1024 * 1024;

/**
 * Which of the needles are in the memory, as bytes, as UTF-16 (JavaScript's long strings) or in hexadecimal.
 * @param needles by name; each at least 8 bytes, so that chance does not find it
 */
export function findInMemory(pid: number, needles: Readonly<Record<string, Uint8Array>>): Set<string> {
  const forms = Object.entries(needles).flatMap(([name, bytes]) =>
    formsOf(bytes).map((form) => ({ name, form })),
  );
  const overlap = Math.max(...forms.map(({ form }) => form.length));
  const found = new Set<string>();
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  const chunk = Buffer.alloc(chunkBytes + overlap);
  try {
    for (const { start, end } of readableRanges(pid)) {
      for (let at = start; at < end; at += chunkBytes) {
        const length = read(memory, chunk, at, Math.min(chunk.length, end - at));
        const view = chunk.subarray(0, length);
        for (const { name, form } of forms) if (!found.has(name) && view.includes(form)) found.add(name);
      }
    }
  } finally {
    closeSync(memory);
  }
  return found;
}

export function formsOf(bytes: Uint8Array): Buffer[] {
  const plain = Buffer.from(bytes);
  return [plain, Buffer.from(plain.toString('utf8'), 'utf16le'), Buffer.from(plain.toString('hex'))];
}

function readableRanges(pid: number): { start: number; end: number }[] {
  return readFileSync(`/proc/${pid}/maps`, 'utf8')
    .split('\n')
    .map((line) => /^([0-9a-f]+)-([0-9a-f]+) (r)\S+ \S+ \S+ \S+\s*(\[v.*)?/.exec(line))
    .filter((match) => match !== null && match[4] === undefined)
    .map((match) => ({ start: Number.parseInt(match![1]!, 16), end: Number.parseInt(match![2]!, 16) }));
}

/** Bytes read; 0 where the kernel does not let us (guard pages, what was unmapped meanwhile). */
function read(fd: number, into: Buffer, position: number, length: number): number {
  try {
    return readSync(fd, into, 0, length, position);
  } catch {
    return 0;
  }
}
