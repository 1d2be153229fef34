import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Company } from './company.ts';

it('the company is named as far as there is room, the rest is counted', () => {
  const names = new Map([
    ['a', 'alice'],
    ['b', 'bob'],
    ['c', 'carol'],
  ]);
  const company = new Company((member) => names.get(member)!);
  assert.equal(company.text(80), 'nobody else is here');
  company.list(['a', 'b']);
  assert.equal(company.text(80), 'with alice, bob');
  company.set('c', true);
  company.set('a', false);
  assert.equal(company.text(80), 'with bob, carol');
  assert.equal(company.text(6), 'with bob and 1 more');
  names.set('b', 'robert');
  company.relabel();
  assert.equal(company.text(80), 'with robert, carol');
  company.list([]);
  assert.equal(company.text(80), 'nobody else is here');
});

it('two thousand cost no more than two dozen, and nothing while nothing changes', () => {
  let labels = 0;
  const company = new Company((member) => {
    labels += 1;
    return member;
  });
  company.list(Array.from({ length: 2000 }, (_, i) => `member ${i}`));
  for (let key = 0; key < 100; key += 1) company.text(100);
  assert.ok(labels <= 12, `${labels} labels for 100 keys`);
  labels = 0;
  for (let i = 0; i < 1000; i += 1) {
    company.set(`newcomer ${i}`, true);
    company.text(100);
  }
  assert.ok(labels <= 12 * 1000, `${labels} labels for 1000 newcomers`);
});
