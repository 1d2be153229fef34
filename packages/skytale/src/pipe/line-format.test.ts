import assert from 'node:assert/strict';
import { it } from 'node:test';
import { jsonFormat, textFormat } from './line-format.ts';

const member = 'ab'.repeat(32);
const message = {
  ...{ key: 7, seq: 7, at: new Date(0), member, from: 'al\u2800ice\x1b', text: 'a\nb\u202e\x9b', own: false },
  ...{ again: true, old: false },
};
const ofJson = (line: string): unknown => {
  assert.match(line, /^[^\p{Cc}\p{Bidi_Control}]+\n$/u);
  return JSON.parse(line);
};

it('the JSON of each event is one harmless line with a type, and null where there is nothing', () => {
  assert.deepEqual(ofJson(jsonFormat.message(message)), {
    ...{ type: 'message', seq: 7, at: '1970-01-01T00:00:00.000Z', member, from: 'al ice\ufffd' },
    ...{ text: 'a\nb\u202e\x9b', own: false, again: true },
  });
  assert.deepEqual(ofJson(jsonFormat.unsupported({ seq: 8, member, name: 'bob', kind: 'poll\x1b[2J' })), {
    ...{ type: 'unsupported', seq: 8, member, from: 'bob', kind: 'poll\x1b[2J' },
  });
  assert.deepEqual(ofJson(jsonFormat.stored({ seq: 9, n: 3, line: undefined })), {
    ...{ type: 'stored', seq: 9, n: 3, line: null },
  });
  assert.deepEqual(
    ofJson(jsonFormat.warning({ code: 'REFUSED', text: 'No.', seq: undefined, member: undefined })),
    { type: 'warning', code: 'REFUSED', text: 'No.', seq: null, member: null },
  );
  assert.deepEqual(ofJson(jsonFormat.offline('CHAT_HUNG_UP', 'It hung up.')), {
    ...{ type: 'offline', code: 'CHAT_HUNG_UP', text: 'It hung up.' },
  });
});

it('the text is that of the others, and nothing else', () => {
  assert.equal(textFormat.message(message), 'a\\nb\\u202e\\x9b\n');
  assert.equal(textFormat.message({ ...message, own: true }), '');
  assert.equal(textFormat.warning({ code: 'REFUSED', text: 'No.', seq: undefined, member: undefined }), '');
});
