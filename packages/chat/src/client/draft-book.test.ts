import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DraftBook } from './draft-book.ts';

const step = fc.record({ kind: fc.constantFrom('new', 'add', 'seal', 'settle', 'setAside'), at: fc.nat(20) });

describe('a book of drafts', () => {
  it('knows the first that is pending, in whatever order they come and go', () => {
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const book = new DraftBook({ lastDraft: 0, settled: 0, kept: [] });
        const fresh: ReturnType<typeof book.newEntry>[] = [];
        for (const { kind, at } of steps) {
          const pending = [...book.pending];
          const entry = pending[at % (pending.length || 1)];
          if (kind === 'new') fresh.push(book.newEntry({ kind: 'name', name: 'bob', at: 0 }));
          if (kind === 'add') for (const one of fresh.splice(at % (fresh.length || 1), 1)) book.add(one);
          if (kind === 'settle') book.settle(Math.min(book.lastN, book.settled + at));
          if (entry === undefined) continue;
          if (kind === 'setAside' && entry.sealed === undefined) book.setAside(entry);
          if (kind === 'seal' && entry.sealed === undefined)
            book.seal(entry, { n: book.lastN + 1, envelope: new Uint8Array(0) });
          const drafts = Array.from(book.pending, ({ draft }) => draft);
          assert.equal(book.firstDraft, Math.min(Number.POSITIVE_INFINITY, ...drafts));
        }
      }),
    );
  });
});
