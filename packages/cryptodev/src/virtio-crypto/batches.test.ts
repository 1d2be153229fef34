/** Requests that come together and are carried out together: a driver sees nothing of that. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Segments } from '@skytale/virtio';
import fc from 'fast-check';
import { OpensslEngine } from '../engines/openssl.ts';
import * as oracle from '../oracle.ts';
import { batchingEngine, failsOnce } from '../testing/batching-engine.ts';
import { Arena, type ArenaOperation, arenaOperations } from '../testing/shared-arena.ts';
import {
  encodeCipherData,
  encodeCipherSession,
  encodeDigestData,
  encodeDigestSession,
  encodeStatelessCipher,
} from './encode.ts';
import { AES_CBC, RawDriver } from './testing/raw-driver.ts';
import { direction, operation, service, status } from './wire.ts';

const SHA_256 = 4;

const key = new Uint8Array(16).fill(7);
const iv = new Uint8Array(16).fill(9);

/** Some operations are too short to be worth it. */
const batching = fc.record({ capacity: fc.integer({ min: 1, max: 20 }), shortest: fc.constantFrom(0, 33) });

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
      fc.asyncProperty(steps, batching, async (sequence, options) => {
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
        const driver = new RawDriver({ engine: batchingEngine(options) });
        assert.deepEqual(await send(driver, true), one);
        driver.device.close();
      }),
      { numRuns: 200 },
    );
  });

  it('has each operation find what those before it left, in memory that they share', () =>
    fc.assert(
      fc.asyncProperty(arenaOperations, batching, async (operations, options) => {
        const send = async (driver: RawDriver, together: boolean) => {
          const arena = new Arena();
          const cbc = (op: number) => encodeCipherSession({ algo: AES_CBC, op, keyLength: 16 }, false);
          const { id: encrypt } = await driver.create(cbc(direction.ENCRYPT), key);
          const { id: decrypt } = await driver.create(cbc(direction.DECRYPT), key);
          const { id: hash } = await driver.create(
            encodeDigestSession({ algo: SHA_256, resultLength: 32 }, false),
          );
          const request = ({ kind, iv, source, destination, length }: ArenaOperation) => {
            const answer = new Uint8Array(kind === 'hash' ? 33 : 1).fill(0xee);
            if (kind === 'hash') {
              const lengths = { sourceLength: length, resultLength: 32 };
              const header = encodeDigestData(service.HASH, { id: hash, operation: 0 }, lengths, false);
              const sent = driver.send(0, arena.around(header, source, length), Segments.of(answer));
              return sent.then(() => answer);
            }
            const of =
              kind === 'encrypt'
                ? { id: encrypt, operation: operation.ENCRYPT }
                : { id: decrypt, operation: operation.DECRYPT };
            const lengths = { ivLength: 16, sourceLength: length, destinationLength: length };
            const readable = arena.around(Buffer.concat([encodeCipherData(of, lengths), iv]), source, length);
            const writable = arena.around(new Uint8Array(0), destination, length, answer);
            return driver.send(0, readable, writable).then(() => answer);
          };
          const answers = [];
          for (const next of operations) {
            const answer = request(next);
            if (!together) await answer;
            answers.push(answer);
          }
          return { answers: await Promise.all(answers), memory: arena.bytes };
        };
        const one = await send(new RawDriver({ engine: new OpensslEngine() }), false);
        const driver = new RawDriver({ engine: batchingEngine(options) });
        assert.deepEqual(await send(driver, true), one);
        assert.equal(driver.device.statistics.errors, 0);
      }),
      { numRuns: 200 },
    ));

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
