import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Newcomers } from './newcomers.ts';

it('announces who came once, when the name is known or did not come', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const announced: string[] = [];
  const newcomers = new Newcomers((member) => announced.push(member));
  newcomers.came('alice');
  newcomers.came('alice');
  newcomers.came('bob');
  assert.deepEqual(announced, []);
  newcomers.settle('alice');
  assert.deepEqual(announced, ['alice']);
  newcomers.settle('alice');
  newcomers.settle('carol');
  t.mock.timers.tick(1000);
  assert.deepEqual(announced, ['alice', 'bob']);
  newcomers.came('bob');
  newcomers[Symbol.dispose]();
  t.mock.timers.tick(1000);
  assert.deepEqual(announced, ['alice', 'bob']);
});
