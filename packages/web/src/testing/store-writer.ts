/** Commits that are killed in the middle. */
import type { StateChange, StateStore } from '@skytale/chat/client';

/** Begins commits so that they do not all share the first transaction: the second half when one of the first has resolved. */
export async function commitAll(
  store: StateStore,
  commits: readonly (readonly StateChange[])[],
  onResolved: () => void,
): Promise<void> {
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const all = commits.map(async (commit, index) => {
    if (index > commits.length / 2) await begun;
    await store.commit(commit, 'strict');
    onResolved();
    begin();
  });
  await Promise.all(all);
}

/** Message `n` of those that are written one after the other, until nothing is written any more. */
export function commitOf(n: number): StateChange[] {
  const record = new Uint8Array(2000).fill(n & 0xff);
  return [
    { kind: 'message', key: n, record, handedOver: false },
    { kind: 'place', seq: n, hash: undefined, complete: true },
  ];
}
