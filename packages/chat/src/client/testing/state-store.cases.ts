/** What every store of states must do; for each of them, opened by what a test hands in. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ChatError } from '../chat-error.ts';
import type { SavedState, StateChange, StateStore } from '../state-store.ts';

export interface StoreHarness extends AsyncDisposable {
  /** Opens a state for `bob`, as `ClientEnvironment.openStore`. */
  open(newSeed?: () => Uint8Array): Promise<StateStore>;
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

/** A state without its seed. */
function rest({ seed: _, ...state }: SavedState) {
  return state;
}

export function storeCases(name: string, openHarness: () => Promise<StoreHarness>): void {
  describe(`a state in ${name}`, () => {
    it('begins empty, with the seed that it was given', async () => {
      await using harness = await openHarness();
      const store = await harness.open(seedOf(7));
      const state = await store.load();
      assert.deepEqual(state.seed, bytes(7));
      assert.deepEqual(rest(state), {
        place: { seq: 0, hash: undefined, complete: true },
        senders: [],
        handedOver: 0,
        messages: [],
        lastDraft: 0,
        settled: 0,
        outbox: [],
        kept: [],
        setAside: [],
        cipher: undefined,
      });
      await store.close();
      await store.close();
    });

    it('remembers all that was committed', async () => {
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
          { kind: 'message', seq: 7, record: bytes(7, 50) },
          { kind: 'message', seq: 8, record: bytes(8, 50) },
          { kind: 'confirmed', seq: 7 },
          { kind: 'cipher', state: bytes(3, 10) },
        ],
        'strict',
      );
      await first.commit([draft(1), draft(2), draft(3), draft(4), sealed(1), sealed(2)], 'strict');
      await first.commit([settled(1), { kind: 'redrafted', draft: 2, record: bytes(99, 3) }], 'relaxed');
      await first.commit([{ kind: 'setAside', draft: 4 }], 'strict');
      await first.close();

      const second = await harness.open(seedOf(8));
      const state = await second.load();
      assert.deepEqual(state.seed, bytes(7));
      assert.deepEqual(rest(state), {
        place,
        senders: [alice],
        handedOver: 0,
        messages: [{ seq: 8, record: bytes(8, 50) }],
        lastDraft: 4,
        settled: 1,
        outbox: [
          { draft: 2, id: bytes(2, 16), record: bytes(99, 3), sealed: { n: 2, envelope: bytes(2, 300) } },
          { draft: 3, id: bytes(3, 16), record: bytes(3, 40), sealed: undefined },
        ],
        kept: [{ draft: 1, id: bytes(1, 16), n: 1 }],
        setAside: [{ draft: 4, id: bytes(4, 16), record: bytes(4, 40), sealed: undefined }],
        cipher: bytes(3, 10),
      });
      await second.commit([{ kind: 'discarded', draft: 4 }], 'strict');
      assert.deepEqual((await second.load()).setAside, []);
      await second.close();
    });

    it('gives back what is sealed, acknowledged or not, until it is forgotten', async () => {
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
      assert.deepEqual(await after(1), [
        [3, 2],
        [2, 3],
        [1, 4],
      ]);
      await store.commit([settled(4, 2), { kind: 'sealed', draft: 1, sealed: undefined }], 'strict');
      assert.deepEqual(await after(0), [[2, 3]]);
      await store.close();
    });

    it('takes commits in order, whether one waits between them or not', async () => {
      await using harness = await openHarness();
      const store = await harness.open();
      const place = (seq: number): StateChange => ({ kind: 'place', seq, hash: undefined, complete: true });
      await Promise.all([1, 2, 3].map((seq) => store.commit([place(seq)], seq === 2 ? 'relaxed' : 'strict')));
      assert.equal((await store.load()).place.seq, 3);
      await store.close();
    });

    it('takes all of a commit or nothing, and after one that it refused none', async () => {
      await using harness = await openHarness();
      const store = await harness.open(seedOf(7));
      await store.commit([draft(1)], 'strict');
      const isRefused = (error: ChatError) => error.code.startsWith('CHAT_STATE_');
      await assert.rejects(store.commit([draft(2), draft(1)], 'strict'), isRefused);
      await assert.rejects(store.commit([draft(3)], 'strict'), isRefused);
      await store.close();
      const again = await harness.open();
      const state = await again.load();
      assert.deepEqual([state.lastDraft, state.outbox.length], [1, 1]);
      await again.close();
    });

    it('does not take what belongs to a draft that is not there, nor two under one number', async () => {
      for (const bad of [
        [sealed(9)],
        [{ kind: 'redrafted', draft: 9, record: bytes(1) }],
        [{ kind: 'setAside', draft: 9 }],
        [draft(1), draft(2), sealed(1, 5), sealed(2, 5)],
      ] as const satisfies StateChange[][]) {
        await using harness = await openHarness();
        const store = await harness.open();
        await assert.rejects(store.commit(bad, 'strict'));
        await store.close();
      }
    });

    it('belongs to one at a time: the next has another, with another seed', async () => {
      await using harness = await openHarness();
      const one = await harness.open(seedOf(1));
      const other = await harness.open(seedOf(2));
      assert.notEqual(one.path, other.path);
      assert.deepEqual((await other.load()).seed, bytes(2));
      await one.close();
      const third = await harness.open(seedOf(3));
      assert.equal(third.path, one.path);
      assert.deepEqual((await third.load()).seed, bytes(1));
      await other.close();
      await third.close();
    });

    it('with unsent messages is taken first', async () => {
      await using harness = await openHarness();
      const [one, other] = [await harness.open(), await harness.open()];
      await one.commit([draft(1), sealed(1), settled(1)], 'strict');
      await other.commit([draft(1)], 'strict');
      await one.close();
      await other.close();
      const next = await harness.open();
      assert.equal(next.path, other.path);
      await next.close();
    });
  });
}
