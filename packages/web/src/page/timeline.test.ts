import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Item, Message, Notice } from '../engine.ts';
import { MOST_HELD, Timeline } from './timeline.ts';

const message = (seq: number | undefined, n?: number): Message => ({
  kind: 'message',
  seq,
  n,
  from: 'alice',
  member: 'a'.repeat(64),
  text: `text ${seq ?? `waiting ${n}`}`,
  at: 0,
  own: n !== undefined,
});
const notice = (seq: number, at: number): Notice => ({
  kind: 'notice',
  seq,
  what: { kind: 'introduced', member: 'b'.repeat(64), name: 'bob' },
  at,
});

/** A room with its store: `say` adds to both, as an engine does. */
function roomOf(count: number, noticesAt: (seq: number) => number = () => 0) {
  const stored: Item[] = [];
  const groupOf = (seq: number): Item[] => [
    message(seq),
    ...Array.from({ length: noticesAt(seq) }, (_, at) => notice(seq, at)),
  ];
  for (let seq = 1; seq <= count; seq += 1) stored.push(...groupOf(seq));
  const history = async (before: number, limit: number) =>
    stored.filter((item) => (item.seq ?? 0) < before).slice(-limit);
  const timeline = new Timeline(history, stored.slice(-60), () => {});
  let last = count;
  return {
    stored,
    timeline,
    say(times = 1) {
      for (let time = 0; time < times; time += 1) {
        last += 1;
        const items = groupOf(last);
        stored.push(...items);
        timeline.add(...items);
      }
    },
  };
}

const seqs = (timeline: Timeline) => timeline.entries.map(({ item }) => item.seq);

/** All that MUST hold: in order, each once, no hole, bounded. */
function check(timeline: Timeline, stored: readonly Item[]): void {
  const items = timeline.entries.map(({ item }) => item).filter(({ seq }) => seq !== undefined);
  const from = stored.findIndex((item) => JSON.stringify(item) === JSON.stringify(items[0]));
  assert.deepEqual(items, items.length === 0 ? [] : stored.slice(from, from + items.length));
  assert.ok(items.length <= MOST_HELD + 101, `${items.length} held`);
  if (timeline.atEnd) assert.deepEqual(items.at(-1), stored.at(-1));
}

describe('the window onto a history', () => {
  it('goes to the beginning and back, never holds all, and misses nothing', async () => {
    const { timeline, stored } = roomOf(3000);
    const seen = new Set<number | undefined>();
    while (!timeline.atStart) {
      await timeline.older();
      check(timeline, stored);
      for (const seq of seqs(timeline)) seen.add(seq);
    }
    assert.equal(seen.size, 3000);
    assert.equal(seqs(timeline)[0], 1);
    seen.clear();
    while (!timeline.atEnd) {
      await timeline.newer();
      check(timeline, stored);
      for (const seq of seqs(timeline)) seen.add(seq);
    }
    assert.ok(seen.size > 3000 - MOST_HELD);
  });

  it('does not move while one reads what is old, and comes back to the end when asked', async () => {
    const { timeline, stored, say } = roomOf(1000);
    for (let count = 0; count < 6; count += 1) await timeline.older();
    const before = seqs(timeline);
    say(30);
    assert.deepEqual(seqs(timeline), before);
    assert.equal(timeline.last, 1030);
    await timeline.toEnd();
    assert.equal(seqs(timeline).at(-1), 1030);
    check(timeline, stored);
  });

  it('has one’s own that wait behind all, and keeps their place on the page when they are sent', () => {
    const { timeline } = roomOf(3);
    timeline.add(message(undefined, 1), message(undefined, 2), message(undefined, 2));
    timeline.add(message(4));
    assert.deepEqual(seqs(timeline), [1, 2, 3, 4, undefined, undefined]);
    const { id } = timeline.entries.at(-2)!;
    timeline.sent(1, 5);
    timeline.sent(1, 5);
    timeline.add(message(5, 1));
    assert.deepEqual(seqs(timeline), [1, 2, 3, 4, 5, undefined]);
    assert.equal(timeline.entries.at(-2)!.id, id);
    timeline.add(message(6, 2));
    timeline.sent(2, 6);
    assert.deepEqual(seqs(timeline), [1, 2, 3, 4, 5, 6]);
    timeline.add(message(undefined, 2), message(undefined, 3));
    timeline.dropWaiting(3);
    assert.deepEqual(seqs(timeline), [1, 2, 3, 4, 5, 6]);
  });

  it('is right whatever happens at the same time', async () => {
    const step = fc.constantFrom('older', 'newer', 'toEnd', 'say', 'sayMany', 'again', 'together');
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 600 }),
        fc.constantFrom(0, 1, 3, 100),
        fc.array(step, { maxLength: 25 }),
        async (count, many, steps) => {
          const { timeline, stored, say } = roomOf(count, (seq) => (seq % 50 === 0 ? many : 0));
          const under: Promise<void>[] = [];
          for (const what of steps) {
            if (what === 'say') say();
            else if (what === 'sayMany') say(MOST_HELD + 50);
            else if (what === 'again') timeline.add(...stored.slice(-3));
            else if (what === 'together') under.push(timeline.older());
            else await timeline[what]();
            if (what !== 'together') check(timeline, stored);
          }
          await Promise.all(under);
          check(timeline, stored);
        },
      ),
      { numRuns: 60 },
    );
  });
});
