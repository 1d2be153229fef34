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
  names.learn(two, 'bob');
  assert.equal(names.label(one), 'alice');
  assert.deepEqual(names.find('bob', [one, two]), [two]);
});
