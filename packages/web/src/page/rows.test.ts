import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Item, Notice } from '../engine.ts';
import { rowsOf } from './rows.ts';

const [bob, pest] = ['b'.repeat(64), 'c'.repeat(64)];
const now = Date.UTC(2026, 1, 3);
const notice = (what: Notice['what']): Item => ({ kind: 'notice', seq: 1, what, at: now });

describe('the rows of the log', () => {
  it('say of those who are hidden nothing but what must not happen', () => {
    const items = [
      ...(['came', 'left', 'introduced', 'unsupported'] as const).flatMap((kind) => [
        notice({ kind, member: pest, name: 'pest' }),
        notice({ kind, member: bob, name: 'bob' }),
      ]),
      notice({ kind: 'warning', code: 'FORGED', text: 'Forged.', member: pest }),
    ];
    const rows = rowsOf(
      items.map((item, id) => ({ id, item })),
      { readUpTo: 0, isHidden: (member) => member === pest, now },
    );
    assert.deepEqual(
      rows.flatMap((row) => (row.kind === 'notice' ? [[row.notice.what.kind, row.notice.what.member]] : [])),
      [
        ['came', bob],
        ['left', bob],
        ['introduced', bob],
        ['unsupported', bob],
        ['warning', pest],
      ],
    );
    assert.equal(rows.length, 6);
  });
});
