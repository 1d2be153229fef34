import assert from 'node:assert/strict';
import { it, type TestContext } from 'node:test';
import { activityTimer } from './activity-timer.ts';

function setUp(t: TestContext, { isIdle = true } = {}) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const onIdle = t.mock.fn(() => isIdle);
  return { timer: activityTimer(100, onIdle), calls: () => onIdle.mock.callCount() };
}

it('tells once, when nothing was noted for the time', (t) => {
  const { timer, calls } = setUp(t);
  t.mock.timers.tick(1000);
  assert.equal(calls(), 0); // nothing has begun yet
  timer.note();
  t.mock.timers.tick(99);
  timer.note();
  t.mock.timers.tick(100);
  assert.equal(calls(), 0);
  t.mock.timers.tick(1000);
  assert.equal(calls(), 1);
  timer.note();
  t.mock.timers.tick(100);
  assert.equal(calls(), 2);
});

it('asks again while the answer is no', (t) => {
  const { timer, calls } = setUp(t, { isIdle: false });
  timer.note();
  for (let i = 0; i < 3; i++) t.mock.timers.tick(100);
  assert.equal(calls(), 3);
  timer.stop();
  t.mock.timers.tick(1000);
  assert.equal(calls(), 3);
});

it('never tells with Infinity', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const timer = activityTimer(Infinity, () => assert.fail());
  timer.note();
  t.mock.timers.tick(2 ** 31 - 1);
});
