import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HistoryView } from './history-view.ts';
import { widthOf } from './text-width.ts';

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

  it('has nothing of a text in the first columns, whatever is in it', () => {
    const view = new HistoryView(plain, () => 40);
    const now = new Date(2026, 0, 2, 10, 5);
    view.message(now, member, 'bob', 'the day');
    const word = `${'x'.repeat(28)}10:40⠀bob⠀⠀yes,`;
    for (const text of [
      word,
      `a ${word}`,
      '\t'.repeat(99),
      `${' '.repeat(99)}10:40 bob  yes`,
      '日'.repeat(99),
    ]) {
      const [first = '', ...more] = view.message(now, member, 'eve', text).slice(0, -1).split('\n');
      assert.match(first, /^10:05 eve {2}/);
      assert.ok(more.length > 0);
      for (const row of more) assert.match(row, /^ {11}/);
      for (const row of [first, ...more]) assert.ok(!row.includes('\t') && widthOf(row) < 40, row);
    }
    const long = view.message(now, member, '日'.repeat(12), word).slice(0, -1).split('\n');
    assert.ok(long.slice(1).every((row) => /^ {6}/.test(row) && widthOf(row) < 40));
    const warning = view.warning(`Not sent: ${'y'.repeat(99)}`).split('\n');
    assert.ok(warning.slice(1, -1).every((row) => row.startsWith('  y')));
    const link = `skytale://${'z'.repeat(99)}`;
    assert.equal(view.notice(link), `${link}\n`, 'can be copied: nothing is indented');
  });

  it('gives a member the same colour every time', () => {
    const view = new HistoryView(
      (format, text) => `${String(format)}:${text}`,
      () => 80,
    );
    assert.equal(view.name(member, 'bob'), view.name(member, 'bob'));
  });
});
