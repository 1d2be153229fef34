import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LookWindow } from './look-window.ts';

/** A thread whose work comes after so many milliseconds; a look takes 1 µs and to be woken 20. */
function setUp(processors = 2) {
  let now = 0;
  let looked = 0;
  let slept = 0;
  const window = new LookWindow(processors, () => now);
  const waitFor = (milliseconds: number): { looked: number; slept: number } => {
    const due = now + milliseconds;
    looked = slept = 0;
    window.wait(
      () => {
        now += 0.001;
        looked += 1;
        return now >= due;
      },
      () => {
        slept += 1;
        now = Math.max(now, due) + 0.02;
      },
    );
    return { looked, slept };
  };
  return { window, waitFor };
}

test('A thread that has short waits learns to look, and is not put to sleep any more', () => {
  const { window, waitFor } = setUp();
  assert.equal(window.isOpen, false);
  assert.deepEqual(waitFor(0.03), { looked: 0, slept: 1 });
  assert.equal(window.isOpen, true);
  for (let i = 0; i < 5; i++) waitFor(0.03);
  const { looked, slept } = waitFor(0.03);
  assert.equal(slept, 0);
  assert.ok(looked >= 29 && looked <= 31, `${looked} looks`);
});

test('A thread that has long waits looks no longer', () => {
  const { window, waitFor } = setUp();
  for (let i = 0; i < 10; i++) waitFor(0.05);
  assert.equal(window.isOpen, true);
  for (let i = 0; i < 6; i++) waitFor(5);
  assert.equal(window.isOpen, false);
  assert.deepEqual(waitFor(5), { looked: 0, slept: 1 });
});

test('It looks for a tenth of a millisecond at most, whatever it has learned', () => {
  const { waitFor } = setUp();
  for (let i = 0; i < 20; i++) waitFor(0.01);
  for (let i = 0; i < 20; i++) waitFor(0.075);
  const { looked, slept } = waitFor(1000);
  assert.equal(slept, 1);
  assert.ok(looked <= 101, `${looked} looks`);
});

test('On a single processor it does not look, which would keep from running who brings the work', () => {
  const { waitFor } = setUp(1);
  for (let i = 0; i < 10; i++) assert.deepEqual(waitFor(0.01), { looked: 0, slept: 1 });
});
