import assert from 'node:assert/strict';
import { it, type TestContext } from 'node:test';
import { type Awaited, Patience } from './patience.ts';

function patience(t: TestContext, isOurFault?: () => boolean) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const ended: Awaited[] = [];
  return { ended, patience: new Patience(1000, (what) => ended.push(what), isOurFault) };
}

it('patience ends for each thing by itself: connections that come and go do not bring what was said', (t) => {
  const { ended, patience: waiting } = patience(t);
  waiting.begin('connection');
  waiting.begin('history');
  for (let i = 0; i < 3; i += 1) {
    t.mock.timers.tick(300);
    waiting.end('connection');
    waiting.begin('connection');
    waiting.begin('history');
  }
  t.mock.timers.tick(100);
  assert.deepEqual(ended, ['history']);
});

it('patience begins anew with each progress, and ends with what was waited for', (t) => {
  const { ended, patience: waiting } = patience(t);
  waiting.progress('storage');
  waiting.begin('storage');
  for (let i = 0; i < 5; i += 1) {
    t.mock.timers.tick(900);
    waiting.progress('storage');
  }
  waiting.end('storage');
  t.mock.timers.tick(5000);
  assert.deepEqual(ended, []);
});

it('patience does not end while it is not the server that is waited for, nor after it was disposed', (t) => {
  let stuck = true;
  const { ended, patience: waiting } = patience(t, () => stuck);
  waiting.begin('history');
  t.mock.timers.tick(5000);
  assert.deepEqual(ended, []);
  stuck = false;
  t.mock.timers.tick(1000);
  assert.deepEqual(ended, ['history']);
  waiting.begin('connection');
  waiting[Symbol.dispose]();
  t.mock.timers.tick(5000);
  assert.deepEqual(ended, ['history']);
});
