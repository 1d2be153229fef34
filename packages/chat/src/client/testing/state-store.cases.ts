/** What every store of states must do; for each of them, opened by what a test hands in. It runs in a browser too. */
import type { SavedState, StateChange, StateStore } from '../state-store.ts';

/** How a test is run and says what is wrong: Node's way is `node-case-tools.ts`. */
export interface CaseTools {
  suite(name: string, body: () => void): void;
  test(name: string, body: () => Promise<void>): void;
  /** Fails unless both are deeply the same. */
  same(actual: unknown, expected: unknown, message?: string): void;
  /** Fails unless it is rejected with an error whose code begins with `code`. */
  refused(promise: Promise<unknown>, code: string): Promise<void>;
}

export interface StoreHarness extends AsyncDisposable {
  /** Opens a state for `bob`, as `ClientEnvironment.openStore`. */
  open(newSeed?: () => Uint8Array): Promise<StateStore>;
  /**
   * Opens it in a process of its own, if there are such, has that begin these commits one after the other without waiting, and kills it
   * in the middle.
   * @returns how many of them had resolved
   */
  killDuring(commits: readonly (readonly StateChange[])[]): Promise<number>;
}

const bytes = (value: number, length = 32) => new Uint8Array(length).fill(value);
export const seedOf = (value: number) => () => bytes(value);

export const draft = (number: number): StateChange => ({
  kind: 'draft',
  draft: number,
  id: bytes(number, 16),
  record: bytes(number, 40),
});
export const sealed = (number: number, n = number): StateChange => ({
  kind: 'sealed',
  draft: number,
  sealed: { n, envelope: bytes(n, 300) },
});
const settled = (n: number, forget = 0): StateChange => ({ kind: 'settled', n, forget });
const message = (key: number, { handedOver = true, length = 50 } = {}): StateChange => ({
  ...{ kind: 'message', key, record: bytes(key, length), handedOver },
});
const keysOf = (messages: readonly { readonly key: number }[]) => messages.map(({ key }) => key);

/** A state without its seed. */
function rest({ seed: _, ...state }: SavedState) {
  return state;
}

export function storeCases(tools: CaseTools, name: string, openHarness: () => Promise<StoreHarness>): void {
  const { suite, test, same, refused } = tools;
  suite(`a state in ${name}`, () => {
    test('begins empty, with the seed that it was given', async () => {
      await using harness = await openHarness();
      const store = await harness.open(seedOf(7));
      const state = await store.load();
      same(state.seed, bytes(7));
      same(rest(state), {
        place: { seq: 0, hash: undefined, complete: true },
        senders: [],
        handedOver: 0,
        messages: [],
        lastKey: 0,
        forgotten: 0,
        lastDraft: 0,
        settled: 0,
        outbox: [],
        kept: [],
        setAside: [],
        hidden: [],
        cipher: undefined,
      });
      await store.close();
      await store.close();
    });

    test('remembers all that was committed', async () => {
      await using harness = await openHarness();
      const first = await harness.open(seedOf(7));
      const alice = { member: bytes(1), n: 4, name: 'alice', mayJump: true, drafts: bytes(5, 32) };
      const place = { seq: 8, hash: bytes(9), complete: false };
      await first.commit(
        [
          { kind: 'place', seq: 2, hash: undefined, complete: true },
          { kind: 'sender', sender: { ...alice, n: 3 } },
          { kind: 'sender', sender: alice },
          { kind: 'place', ...place },
          message(6, { handedOver: false }),
          message(7),
          message(8),
          { kind: 'confirmed', key: 7 },
          { kind: 'cipher', state: bytes(3, 10) },
          ...[5, 6, 6].map((value): StateChange => ({ kind: 'hidden', member: bytes(value), hidden: true })),
          { kind: 'hidden', member: bytes(5), hidden: false },
        ],
        'strict',
      );
      await first.commit([draft(1), draft(2), draft(3), draft(4), sealed(1), sealed(2)], 'strict');
      await first.commit([settled(1), { kind: 'redrafted', draft: 2, record: bytes(99, 3) }], 'relaxed');
      await first.commit([{ kind: 'setAside', draft: 4 }], 'strict');
      await first.close();

      const second = await harness.open(seedOf(8));
      const state = await second.load();
      same(state.seed, bytes(7));
      same(rest(state), {
        place,
        senders: [alice],
        handedOver: 0,
        messages: [{ key: 8, record: bytes(8, 50) }],
        lastKey: 8,
        forgotten: 0,
        lastDraft: 4,
        settled: 1,
        outbox: [
          { draft: 2, id: bytes(2, 16), record: bytes(99, 3), sealed: { n: 2, envelope: bytes(2, 300) } },
          { draft: 3, id: bytes(3, 16), record: bytes(3, 40), sealed: undefined },
        ],
        kept: [{ draft: 1, id: bytes(1, 16), n: 1 }],
        setAside: [{ draft: 4, id: bytes(4, 16), record: bytes(4, 40), sealed: undefined }],
        hidden: [bytes(6)],
        cipher: bytes(3, 10),
      });
      await second.commit([{ kind: 'discarded', draft: 4 }], 'strict');
      same((await second.load()).setAside, []);
      await second.close();
    });

    test('gives back what is sealed, acknowledged or not, until it is forgotten', async () => {
      await using harness = await openHarness();
      const store = await harness.open();
      const numbers = [1, 2, 3, 4];
      await store.commit(
        [...numbers.map((n) => draft(n)), ...numbers.map((n) => sealed(n, 5 - n))],
        'strict',
      );
      await store.commit([settled(3)], 'strict');
      const after = async (n: number) =>
        (await store.sealedAfter(n)).map((row) => [row.draft, row.sealed?.n]);
      same(await after(1), [
        [3, 2],
        [2, 3],
        [1, 4],
      ]);
      await store.commit([settled(4, 2), { kind: 'sealed', draft: 1, sealed: undefined }], 'strict');
      same(await after(0), [[2, 3]]);
      await store.close();
    });

    test('keeps messages, confirmed or not, and gives them back from either end', async () => {
      await using harness = await openHarness();
      const store = await harness.open();
      await store.commit([message(2), message(3, { handedOver: false }), message(7), message(9)], 'strict');
      await store.commit([{ kind: 'confirmed', key: 7 }], 'relaxed');
      same(keysOf(await store.history(9, 10)), [2, 3, 7]);
      same(await store.history(Number.MAX_SAFE_INTEGER, 2), [
        { key: 7, record: bytes(7, 50) },
        { key: 9, record: bytes(9, 50) },
      ]);
      same(keysOf(await store.history(2, 10)), []);
      same(keysOf(await store.history(9, 0)), []);
      same(keysOf(await store.historyAfter(0, 2)), [2, 3]);
      same(keysOf(await store.historyAfter(3, 10)), [7, 9]);
      same(keysOf(await store.historyAfter(9, 10)), []);
      same(keysOf((await store.load()).messages), [9]);
      await store.close();
    });

    test('marks a message as handed over that it kept already, and takes another record for it', async () => {
      await using harness = await openHarness();
      const store = await harness.open();
      await store.commit([message(4, { handedOver: false })], 'strict');
      same(keysOf((await store.load()).messages), []);
      await store.commit([message(4, { length: 9 })], 'strict');
      await store.commit([message(4, { length: 10, handedOver: false })], 'strict');
      same((await store.load()).messages, [{ key: 4, record: bytes(4, 10) }]);
      same(keysOf(await store.history(9, 9)), [4]);
      await store.close();
    });

    test('forgets messages up to a key, but none that is not confirmed, and remembers that', async () => {
      await using harness = await openHarness();
      const store = await harness.open();
      await store.commit(
        [1, 2, 3, 4].map((key) => message(key, { handedOver: key === 2 })),
        'strict',
      );
      await store.commit([{ kind: 'forgotten', key: 3 }], 'strict');
      same(keysOf(await store.history(9, 9)), [2, 4]);
      await store.commit([{ kind: 'forgotten', key: 1 }], 'strict');
      await store.close();
      const again = await harness.open();
      const { forgotten, lastKey, messages } = await again.load();
      same([forgotten, lastKey, keysOf(messages)], [3, 4, [2]]);
      await again.commit(
        [
          { kind: 'confirmed', key: 4 },
          { kind: 'forgotten', key: 4 },
        ],
        'strict',
      );
      same(keysOf(await again.history(9, 9)), []);
      same((await again.load()).lastKey, 4);
      await again.close();
    });

    test('trims what it keeps to a number of messages, or of bytes', async () => {
      for (const [bound, left, forgotten] of [
        [{ messages: 3, bytes: 1000 }, [3, 4, 5], 2],
        [{ messages: 9, bytes: 100 }, [4, 5], 3],
        [{ messages: 9, bytes: 99 }, [5], 4],
        [{ messages: 0, bytes: 0 }, [], 5],
        [{ messages: 5, bytes: 250 }, [1, 2, 3, 4, 5], 0],
      ] as const) {
        await using harness = await openHarness();
        const store = await harness.open();
        const all = [1, 2, 3, 4, 5].map((key) => message(key, { handedOver: false }));
        await store.commit([...all, { kind: 'trimmed', ...bound }], 'strict');
        const what = JSON.stringify(bound);
        same(keysOf(await store.history(9, 9)), left, what);
        same((await store.load()).forgotten, forgotten, what);
        await store.commit([{ kind: 'trimmed', ...bound }], 'strict');
        same(keysOf(await store.history(9, 9)), left, what);
        await store.close();
      }
    });

    test('has all of the first commits and nothing of the others when it is killed in the middle', async () => {
      await using harness = await openHarness();
      const commits = Array.from({ length: 40 }, (_, index): StateChange[] => {
        const key = index + 1;
        const place = { kind: 'place', seq: key, hash: undefined, complete: true } as const;
        return [draft(key), message(key, { length: 5000 }), sealed(key), place];
      });
      const resolved = await harness.killDuring(commits);
      const store = await harness.open();
      const { place, lastDraft, lastKey, messages, outbox } = await store.load();
      const { seq } = place;
      same(seq >= resolved, true, `${seq} of ${resolved}`);
      const all = Array.from({ length: seq }, (_, index) => index + 1);
      same([lastDraft, lastKey, keysOf(messages), outbox.map(({ draft }) => draft)], [seq, seq, all, all]);
      same(keysOf(await store.history(99, 99)), all);
      await store.close();
    });

    test('takes commits in order, whether one waits between them or not', async () => {
      await using harness = await openHarness();
      const store = await harness.open();
      const place = (seq: number): StateChange => ({ kind: 'place', seq, hash: undefined, complete: true });
      await Promise.all([1, 2, 3].map((seq) => store.commit([place(seq)], seq === 2 ? 'relaxed' : 'strict')));
      same((await store.load()).place.seq, 3);
      await store.close();
    });

    test('takes all of a commit or nothing, and after one that it refused none', async () => {
      await using harness = await openHarness();
      const store = await harness.open(seedOf(7));
      await store.commit([draft(1)], 'strict');
      await refused(store.commit([draft(2), draft(1)], 'strict'), 'CHAT_STATE_');
      await refused(store.commit([draft(3)], 'strict'), 'CHAT_STATE_');
      await store.close();
      const again = await harness.open();
      const state = await again.load();
      same([state.lastDraft, state.outbox.length], [1, 1]);
      await again.close();
    });

    test('does not take what belongs to a draft that is not there, nor two under one number', async () => {
      for (const bad of [
        [sealed(9)],
        [{ kind: 'redrafted', draft: 9, record: bytes(1) }],
        [{ kind: 'setAside', draft: 9 }],
        [draft(1), draft(2), sealed(1, 5), sealed(2, 5)],
      ] as const satisfies StateChange[][]) {
        await using harness = await openHarness();
        const store = await harness.open();
        await refused(store.commit(bad, 'strict'), 'CHAT_STATE_');
        await store.close();
      }
    });

    test('belongs to one at a time: the next has another, with another seed', async () => {
      await using harness = await openHarness();
      const one = await harness.open(seedOf(1));
      const other = await harness.open(seedOf(2));
      same(one.path === other.path, false);
      same((await other.load()).seed, bytes(2));
      await one.close();
      const third = await harness.open(seedOf(3));
      same(third.path, one.path);
      same((await third.load()).seed, bytes(1));
      await other.close();
      await third.close();
    });

    test('is gone when it was wiped: who comes next is new', async () => {
      await using harness = await openHarness();
      const store = await harness.open(seedOf(1));
      await store.commit([message(1), draft(1)], 'strict');
      await store.wipe();
      await refused(store.commit([draft(2)], 'strict'), 'CHAT_STATE_');
      await store.close();
      const next = await harness.open(seedOf(2));
      const { seed, lastDraft, lastKey } = await next.load();
      same([seed, lastDraft, lastKey], [bytes(2), 0, 0]);
      await next.close();
    });

    test('with unsent messages is taken first', async () => {
      await using harness = await openHarness();
      const [one, other] = [await harness.open(), await harness.open()];
      await one.commit([draft(1), sealed(1), settled(1)], 'strict');
      await other.commit([draft(1)], 'strict');
      await one.close();
      await other.close();
      const next = await harness.open();
      same(next.path, other.path);
      await next.close();
    });
  });
}
