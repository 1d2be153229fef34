import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RetryAllowance } from './retry-allowance.ts';

describe('an allowance of retries', () => {
  it('is spent at once, and then earned one by one', () => {
    const allowance = new RetryAllowance(3, 100);
    assert.deepEqual(
      [0, 0, 0, 0, 0].map((now) => allowance.take(now)),
      [0, 0, 0, 100, 200],
    );
    assert.equal(allowance.take(250), 50);
    assert.equal(allowance.take(400), 0);
  });

  it('does not grow beyond its size', () => {
    const allowance = new RetryAllowance(2, 100);
    assert.deepEqual(
      [1e9, 1e9, 1e9].map((now) => allowance.take(now)),
      [0, 0, 100],
    );
  });
});
