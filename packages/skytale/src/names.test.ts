import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Names } from './names.ts';

const one = '11'.repeat(32);
const two = '22'.repeat(32);

it('names tell apart two members who use the same one', () => {
  const names = new Names();
  assert.equal(names.label(one), 'somebody 111111');
  names.learn(one, 'alice');
  assert.equal(names.label(one), 'alice');
  names.learn(two, 'al\u200bice');
  assert.equal(names.label(one), 'alice~111111');
  assert.equal(names.label(two), 'alice~222222');
  assert.deepEqual(names.find('Alice', [one, two]), [one, two]);
  assert.deepEqual(names.find('alice~222222', [one, two]), [two]);
  assert.deepEqual(names.find('2222', [one, two]), [two]);
  for (const lookAlike of ['Alice', '\u0430lice', 'ali\u2800ce', 'AIice']) {
    names.learn(two, lookAlike);
    assert.equal(names.label(one), 'alice~111111', lookAlike);
  }
  names.learn(two, 'bob');
  assert.equal(names.label(one), 'alice');
  assert.deepEqual(names.find('bob', [one, two]), [two]);
});

it('a name cannot pass for a label of another member', () => {
  const names = new Names();
  for (const name of ['alice~111111', 'somebody 111111', 'bob (you)', '\u2800']) {
    names.learn(two, name);
    assert.match(names.label(two), /~222222$/);
  }
});

it('labels cost the same however many members there are', (t) => {
  const names = new Names();
  const members = Array.from({ length: 1000 }, (_, i) => i.toString(16).padStart(64, '0'));
  const normalize = t.mock.method(String.prototype, 'normalize');
  for (const member of members) names.learn(member, 'the same');
  assert.ok(normalize.mock.callCount() <= 10 * members.length);
  const before = normalize.mock.callCount();
  assert.equal(names.label(members[999]!), `the same~${members[999]!.slice(0, 6)}`);
  assert.equal(normalize.mock.callCount(), before);
});
