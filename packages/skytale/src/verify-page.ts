/** Compares the page that a server delivers with the one that is installed here. */
import { createHash } from 'node:crypto';

/** What is wrong with one file. */
export type Difference = {
  readonly path: string;
  readonly what: string;
  /** Whether the server answered; of one that did not, nothing is known about its page. */
  readonly answered: boolean;
};

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
    const difference = await differenceOf(`${origin}${path}`, hash);
    if (difference !== undefined) differences.push({ path, ...difference });
  }
  return differences;
}

async function differenceOf(url: string, hash: string): Promise<Omit<Difference, 'path'> | undefined> {
  try {
    const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) });
    if (!response.ok) {
      await response.body?.cancel();
      return { what: `is not there (status ${response.status})`, answered: true };
    }
    const sum = createHash('sha256');
    let length = 0;
    for await (const piece of response.body ?? []) {
      length += piece.length;
      if (length > MAX_FILE_BYTES) return { what: 'is too long', answered: true };
      sum.update(piece);
    }
    return sum.digest('hex') === hash ? undefined : { what: 'is another', answered: true };
  } catch (error) {
    const { cause, message } = error as Error;
    return {
      what: `cannot be fetched (${cause instanceof Error ? cause.message : message})`,
      answered: false,
    };
  }
}
