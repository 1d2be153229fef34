import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import { assertNoComplaints, ConsoleLog, kernelComplaints } from './console-log.ts';

const complaints = [
  'WARNING: CPU: 1 PID: 107 at crypto/testmgr.c:5907 alg_test.cold+0x7c/0xf5',
  'WARNING: possible circular locking dependency detected',
  'BUG: unable to handle page fault for address: 0000000000001000',
  'BUG: KASAN: slab-use-after-free in release+0x10/0x20',
  'kernel BUG at mm/slub.c:435!',
  'Oops: 0000 [#1] PREEMPT SMP',
  'INFO: task cat:123 blocked for more than 120 seconds.',
  'rcu: INFO: rcu_preempt self-detected stall on CPU',
  'general protection fault, probably for non-canonical address',
  'refcount_t: underflow; use-after-free.',
  'kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)',
];
const ordinary = [
  'mtrr: your CPUs had inconsistent MTRRdefType settings',
  'debug: BUGs are few',
  'random: crng init done',
];
const stamped = (lines: string[]) => lines.map((line) => `[    1.234567] ${line}\n`).join('');

describe('complaints of the kernel', () => {
  it('are found among ordinary messages', () => {
    assert.deepEqual(kernelComplaints(stamped(ordinary)), []);
    for (const complaint of complaints)
      assert.equal(kernelComplaints(stamped([...ordinary, complaint])).length, 1, complaint);
  });

  it('are not those that were expected', () => {
    assert.doesNotThrow(() => assertNoComplaints(stamped([complaints[0]!]), [/alg_test/]));
    assert.throws(() => assertNoComplaints(stamped(complaints), [/alg_test/]), /possible circular locking/);
  });
});

describe('the console', () => {
  it('keeps the text, and tells of a panic once its message is whole', () => {
    const source = new PassThrough();
    const panics: string[] = [];
    const log = new ConsoleLog(source, (why) => panics.push(why));
    source.write('one\r\n---[ end Kernel panic - not syncing: sys');
    source.write('rq triggered crash');
    assert.deepEqual(panics, []);
    source.write(' ]---\r\n');
    assert.deepEqual(panics, ['not syncing: sysrq triggered crash']);
    assert.equal(log.text.split('\n')[0], 'one');
  });
});
