import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HistoryView } from './history-view.ts';

const plain = (_format: unknown, text: string) => text;
const member = 'ab'.repeat(32);

describe('history view', () => {
  it('shows the day where it changes, and the time of each message', () => {
    const view = new HistoryView(plain, () => 80);
    const day = (date: number, hour: number) => new Date(2026, 0, date, hour, 5);
    assert.match(
      view.message(day(2, 9), member, 'bob', 'one'),
      /^── Friday,? 2 January 2026 ──\n09:05 bob {2}one\n$/,
    );
    assert.equal(view.message(day(2, 10), member, 'bob', 'two'), '10:05 bob  two\n');
    assert.match(view.message(day(3, 0), member, 'bob', 'three'), /^── Saturday.*\n00:05 bob {2}three\n$/);
  });

  it('indents what goes on, and makes it harmless', () => {
    const view = new HistoryView(plain, () => 34);
    const now = new Date();
    assert.match(
      view.message(now, member, 'bob', 'one two three four five six\nseven\x1b[2J'),
      /^\d\d:\d\d bob {2}one two three four\n {11}five six\n {11}seven\\x1b\[2J\n$/,
    );
    assert.equal(view.warning('bad\x07'), '⚠ bad\\x07\n');
    assert.equal(view.notice('Room x at ws://h:1/\x9b2J\u202e'), 'Room x at ws://h:1/\\x9b2J\n');
  });

  it('gives a member the same colour every time', () => {
    const view = new HistoryView(
      (format, text) => `${String(format)}:${text}`,
      () => 80,
    );
    assert.equal(view.name(member, 'bob'), view.name(member, 'bob'));
  });
});
