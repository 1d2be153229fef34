/** Compares the page that a server delivers with the one that is installed here. */
import { createHash } from 'node:crypto';

/** What is wrong with one file. */
export type Difference = { readonly path: string; readonly what: string };

/** Of one file, in bytes: what is longer than any of ours is none of ours. */
const MAX_FILE_BYTES = 4 * 1024 * 1024;
/** For one file, in milliseconds. */
const FETCH_TIMEOUT_MS = 30_000;

/** The page as people open it, besides as `/`. */
const someRoom = '/r/AAAAAAAAAAAAAAAAAAAAAA';

/**
 * @param origin such as `https://chat.example.org`
 * @param hashes SHA-256 of each file, by its path
 * @returns what differs; nothing if all is the same
 */
export async function verifyPage(
  origin: string,
  hashes: ReadonlyMap<string, string>,
): Promise<readonly Difference[]> {
  const wanted = [...hashes, [someRoom, hashes.get('/') ?? ''] as const];
  const differences: Difference[] = [];
  for (const [path, hash] of wanted) {
    const what = await differenceOf(`${origin}${path}`, hash);
    if (what !== undefined) differences.push({ path, what });
  }
  return differences;
}

async function differenceOf(url: string, hash: string): Promise<string | undefined> {
  try {
    const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) });
    if (!response.ok) {
      await response.body?.cancel();
      return `is not there (status ${response.status})`;
    }
    const sum = createHash('sha256');
    let length = 0;
    for await (const piece of response.body ?? []) {
      length += piece.length;
      if (length > MAX_FILE_BYTES) return 'is too long';
      sum.update(piece);
    }
    return sum.digest('hex') === hash ? undefined : 'is another';
  } catch (error) {
    const { cause, message } = error as Error;
    return `cannot be fetched (${cause instanceof Error ? cause.message : message})`;
  }
}
