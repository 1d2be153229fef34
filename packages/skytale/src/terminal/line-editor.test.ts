import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Key, LineEditor } from './line-editor.ts';
import { graphemes } from './text-width.ts';

/** @returns what was asked of the program meanwhile */
const type = (editor: LineEditor, text: string) =>
  Array.from(text, (character) => editor.press({ text: character })).filter((asked) => asked !== undefined);
const press = (editor: LineEditor, ...names: string[]) => {
  for (const name of names) {
    const [modifier, key] = name.split('-');
    editor.press(
      key === undefined ? { name } : { name: key, ctrl: modifier === 'ctrl', meta: modifier === 'meta' },
    );
  }
};
const paste = (editor: LineEditor, text: string) => {
  editor.press({ name: 'paste-start' });
  for (const c of text) editor.press({ text: c, name: c === '\r' ? 'return' : c === '\n' ? 'enter' : 'x' });
  return editor.press({ name: 'paste-end' });
};
/** The text with `|` where the cursor is. */
const show = (editor: LineEditor) =>
  `${editor.text.slice(0, editor.cursor)}|${editor.text.slice(editor.cursor)}`;
const after = (text: string, ...keys: string[]) => {
  const editor = new LineEditor(1000);
  type(editor, text);
  press(editor, ...keys);
  return show(editor);
};

describe('line editor', () => {
  it('moves and erases by what a person calls a character', () => {
    assert.equal(after('a👨‍👩‍👧é', 'left', 'left', 'backspace'), '|👨‍👩‍👧é');
    assert.equal(after('a👨‍👩‍👧é', 'left', 'backspace'), 'a|é');
    assert.equal(after('日本', 'home', 'delete'), '|本');
    assert.equal(after('ab', 'left', 'ctrl-d'), 'a|');
  });

  it('has the keys of a shell', () => {
    assert.equal(after('one two', 'ctrl-a'), '|one two');
    assert.equal(after('one two', 'ctrl-a', 'ctrl-e'), 'one two|');
    assert.equal(after('one two', 'ctrl-w'), 'one |');
    assert.equal(after('one two', 'ctrl-left', 'ctrl-k'), 'one |');
    assert.equal(after('one two', 'ctrl-left', 'ctrl-u'), '|two');
    assert.equal(after('one two', 'ctrl-w', 'home', 'ctrl-y'), 'two|one ');
    assert.equal(after('one two', 'home', 'meta-f', 'meta-d'), 'one|');
    assert.equal(after('a', 'ctrl-b', 'ctrl-b', 'ctrl-f', 'ctrl-f'), 'a|');
    assert.equal(after('  ', 'ctrl-w', 'ctrl-w'), '|');
  });

  it('recalls what was sent, and the draft', () => {
    const editor = new LineEditor(1000);
    type(editor, 'first');
    assert.equal(editor.press({ name: 'return' }), 'submit');
    assert.equal(editor.take(), 'first');
    type(editor, 'draft');
    press(editor, 'up');
    assert.equal(show(editor), 'first|');
    press(editor, 'up', 'down');
    assert.equal(show(editor), 'draft|');
  });

  it('takes a paste of many lines as text, its control characters made visible', () => {
    const editor = new LineEditor(1000);
    paste(editor, 'one\r\ntwo\rthree\x1b\t!');
    assert.equal(editor.text, 'one\ntwo\nthree\\x1b\t!');
    press(editor, 'home', 'up', 'up', 'end');
    assert.equal(show(editor), 'one|\ntwo\nthree\\x1b\t!');
    press(editor, 'down', 'down', 'ctrl-k');
    assert.equal(show(editor), 'one\ntwo\nthr|');
    press(editor, 'meta-return');
    assert.equal(show(editor), 'one\ntwo\nthr\n|');
  });

  it('asks the program to leave, suspend, clear', () => {
    const editor = new LineEditor(1000);
    assert.equal(editor.press({ name: 'c', ctrl: true }), 'interrupt');
    assert.equal(editor.press({ name: 'd', ctrl: true }), 'end');
    assert.equal(editor.press({ name: 'z', ctrl: true }), 'suspend');
    assert.equal(editor.press({ name: 'l', ctrl: true }), 'clear-screen');
  });

  it('takes no part of a paste that is too long, and says so', () => {
    const editor = new LineEditor(10);
    type(editor, 'draft');
    assert.deepEqual(paste(editor, 'x'.repeat(100)), { bytes: 105 });
    assert.equal(show(editor), 'draft|');
    assert.deepEqual(editor.press({ name: 'return' }), { bytes: 105 }, 'the Enter that came with it');
    assert.equal(paste(editor, 'éé'), undefined);
    assert.equal(show(editor), 'draftéé|');
    assert.deepEqual(paste(editor, '\x1b'), { bytes: 13 }, 'by what it becomes');
    assert.equal(paste(editor, ''), undefined);
    assert.equal(editor.press({ name: 'return' }), 'submit');
  });

  it('takes nothing typed beyond its limit, says so once, and again at Enter', () => {
    const editor = new LineEditor(10);
    assert.deepEqual(type(editor, '12345678éabc'), [{ bytes: 11 }]);
    assert.equal(show(editor), '12345678é|');
    assert.deepEqual(editor.press({ name: 'return' }), { bytes: 13 });
    press(editor, 'backspace');
    assert.deepEqual(type(editor, '9'), []);
    assert.deepEqual(type(editor, 'é0'), [{ bytes: 11 }], 'no hole in what was typed');
    press(editor, 'left', 'ctrl-k');
    assert.equal(editor.press({ name: 'y', ctrl: true }), undefined);
    assert.equal(show(editor), '123456789|');
    assert.equal(editor.press({ name: 'return', meta: true }), undefined);
    assert.deepEqual(editor.press({ name: 'return', meta: true }), { bytes: 11 });
    press(editor, 'left', 'ctrl-u');
    assert.equal(editor.press({ name: 'y', ctrl: true }), undefined);
    assert.deepEqual(editor.press({ name: 'y', ctrl: true }), { bytes: 19 });
    assert.deepEqual(editor.press({ name: 'return' }), { bytes: 19 });
    assert.equal(editor.press({ name: 'return' }), 'submit');
    assert.equal(editor.take(), '123456789\n');
  });

  it('keeps the cursor between graphemes whatever is pressed', () => {
    const names = ['left', 'right', 'up', 'down', 'home', 'end', 'backspace', 'delete', 'ctrl-w', 'ctrl-k'];
    const texts = ['a', 'é', '👩', '\u200d', '👧', '\u0301', '🇬', '🇷', '日', ' '];
    const keys = fc.oneof(
      fc.constantFrom(...names).map((name): Key | string => name),
      fc.constantFrom(...texts).map((text): Key | string => ({ text })),
      fc.constant<Key | string>('meta-return'),
      fc.constant<Key | string>('ctrl-y'),
    );
    fc.assert(
      fc.property(fc.array(keys, { maxLength: 40 }), (pressed) => {
        const editor = new LineEditor(1000);
        for (const key of pressed) typeof key === 'string' ? press(editor, key) : editor.press(key);
        const { text, cursor } = editor;
        assert.ok(cursor >= 0 && cursor <= text.length);
        assert.equal(graphemes(text.slice(0, cursor)).join('') + text.slice(cursor), text);
        assert.doesNotMatch(text.slice(cursor), /^[\udc00-\udfff]/);
      }),
    );
  });
});
