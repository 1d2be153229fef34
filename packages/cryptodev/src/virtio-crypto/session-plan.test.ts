import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { copyOfPlan, type SessionPlan } from './session-plan.ts';

describe('the copy of a session plan', () => {
  it('has its keys outside of the heap, whose collector moves what is small and leaves copies behind', () => {
    const key = new Uint8Array(32).fill(7);
    const plans: SessionPlan[] = [
      { kind: 'cipher', cipher: 'aes-cbc', direction: 'encrypt', key },
      { kind: 'mac', hash: 'sha-256', mac: 'hmac-sha-256', key, resultLength: 32 },
    ];
    for (const plan of plans) {
      // What is freed meanwhile, of others, counts against it.
      const before = process.memoryUsage().arrayBuffers;
      const copies = Array.from({ length: 10_000 }, () => copyOfPlan(plan));
      const outside = process.memoryUsage().arrayBuffers - before;
      assert.ok(outside > 5000 * key.length, `${outside} bytes of ${copies.length * key.length}`);
      assert.ok(copies.every((copy) => 'key' in copy && copy.key[31] === 7));
    }
  });
});
