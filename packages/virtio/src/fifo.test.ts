import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Fifo } from './fifo.ts';

describe('Fifo', () => {
  it('is an array of which the first is taken', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('push', 'shift', 'peek', 'drain'), { size: 'medium' }),
        (steps) => {
          const fifo = new Fifo<number>();
          let model: number[] = [];
          for (const [i, step] of steps.entries()) {
            if (step === 'push') {
              fifo.push(i);
              model.push(i);
            } else if (step === 'shift') assert.equal(fifo.shift(), model.shift());
            else if (step === 'peek') assert.equal(fifo.peek(), model[0]);
            else {
              assert.deepEqual(fifo.drain(), model);
              model = [];
            }
            assert.equal(fifo.length, model.length);
          }
        },
      ),
    );
  });
});
