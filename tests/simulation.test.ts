/** Some hundred runs of the simulator, of which the guards make sure that they are not runs in which nothing happens. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { nodeCrypto } from '../packages/chat/src/node-crypto.ts';
import { type Happened, simulate } from '../packages/chat/src/simulation/simulation.ts';
import { openEngineDevice } from '../packages/cryptodev/src/index.ts';

const SEEDS = 300;

const device = await openEngineDevice('node');
after(() => device.close());

test(`${SEEDS} simulated rooms lose nothing, double nothing, and have one order`, async () => {
  const crypto = nodeCrypto({ threadPool: false });
  const total = new Map<keyof Happened, number>();
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const { wrong, operations, happened } = await simulate(seed, { crypto, device });
    assert.deepEqual(wrong, [], `npm run simulate -- --seed ${seed}\n${operations.join('\n')}`);
    for (const [what, times] of Object.entries(happened) as [keyof Happened, number][]) {
      total.set(what, (total.get(what) ?? 0) + times);
    }
  }
  for (const [what, times] of total) assert.notEqual(times, 0, `in ${SEEDS} runs there was no ${what}`);
});
