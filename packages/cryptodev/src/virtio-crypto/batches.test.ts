/** Requests that come together and are carried out together: a driver sees nothing of that. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { OpensslEngine } from '../engines/openssl.ts';
import * as oracle from '../oracle.ts';
import { batchingEngine, failsOnce } from '../testing/batching-engine.ts';
import { encodeStatelessCipher } from './encode.ts';
import { AES_CBC, RawDriver } from './testing/raw-driver.ts';
import { direction, operation, status } from './wire.ts';

const key = new Uint8Array(16).fill(7);
const iv = new Uint8Array(16).fill(9);

describe('virtio-crypto device and batches', () => {
  it('answers what comes together as what comes one by one', () => {
    const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
    const steps = fc.array(
      fc.record({
        which: fc.nat(2),
        iv: fc.oneof({ weight: 9, arbitrary: bytes(16) }, bytes(8)),
        data: fc.oneof({ weight: 9, arbitrary: fc.nat(6).chain((blocks) => bytes(16 * blocks)) }, bytes(20)),
      }),
      { minLength: 1, maxLength: 40 },
    );
    return fc.assert(
      fc.asyncProperty(steps, fc.integer({ min: 1, max: 20 }), async (sequence, capacity) => {
        const send = async (driver: RawDriver, together: boolean) => {
          // The third is one that there is not.
          const ids = [await driver.cbc(key), await driver.cbc(new Uint8Array(32).fill(3)), 99n];
          const answers = [];
          for (const { which, iv, data } of sequence) {
            const answer = driver.encrypt(ids[which]!, iv, data);
            if (!together) await answer;
            answers.push(answer);
          }
          return Promise.all(answers);
        };
        const one = await send(new RawDriver({ engine: new OpensslEngine() }), false);
        const driver = new RawDriver({ engine: batchingEngine({ capacity }) });
        assert.deepEqual(await send(driver, true), one);
        driver.device.close();
      }),
      { numRuns: 200 },
    );
  });

  it('fails all requests of a batch that fails, and none after it', async () => {
    const driver = new RawDriver({ engine: batchingEngine({ capacity: 2, beforeRun: failsOnce() }) });
    const id = await driver.cbc(key);
    const answers = await Promise.all([0, 1, 2].map(() => driver.encrypt(id, iv, key)));
    assert.deepEqual(
      answers.map((answer) => answer.status),
      [status.ERR, status.ERR, status.OK],
    );
    assert.deepEqual(answers[2]!.result, oracle.encrypt('aes-cbc', key, iv, key));
    assert.equal(driver.device.statistics.errors, 2);
  });

  it('answers what is in a batch when the device is reset', async () => {
    const driver = new RawDriver({ engine: batchingEngine({ capacity: 8 }) });
    const answer = driver.encrypt(await driver.cbc(key), iv, key);
    driver.device.reset();
    assert.equal((await answer).status, status.OK);
    assert.equal(driver.device.statistics.sessions, 0);
  });

  it('puts no stateless request in a batch: its session ends with it', async () => {
    const engine = batchingEngine({ capacity: 8, beforeRun: () => assert.fail('there is a batch') });
    const features = new RawDriver().device.features;
    const driver = new RawDriver({ engine, features });
    const spec = { algo: AES_CBC, op: direction.ENCRYPT, keyLength: 16 };
    const lengths = { ivLength: 16, sourceLength: 16, destinationLength: 16 };
    const header = encodeStatelessCipher(spec, lengths, operation.ENCRYPT);
    const answer = await driver.operate([header, key, iv, key], 16);
    assert.equal(answer.status, status.OK);
    assert.deepEqual(answer.result, oracle.encrypt('aes-cbc', key, iv, key));
  });
});
