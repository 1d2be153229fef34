/** Requests that come together and are carried out together: a driver sees nothing of that. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Segments } from '@skytale/virtio';
import fc from 'fast-check';
import { OpensslEngine } from '../engines/openssl.ts';
import { batchingEngine, failsOnce } from '../testing/batching-engine.ts';
import { Arena, type ArenaOperation, arenaOperations } from '../testing/shared-arena.ts';
import { errno } from './errno.ts';
import { RawDriver, type RawRequest, type RawResponse } from './testing/raw-driver.ts';
import {
  COP_DECRYPT,
  COP_ENCRYPT,
  emptyRequestHeader,
  encodeRequestHeader,
  flag,
  ioctl,
  requestHeaderLength,
  requestType,
  responseHeaderLength,
} from './wire.ts';

const CRYPTO_AES_CBC = 11;
const CRYPTO_AES_CTR = 21;
const CRYPTO_SHA2_256 = 104;
const keys = [16, 24, 32].map((length) => new Uint8Array(length).fill(length));

/** Three sessions of CBC, and one of CTR, which no batch takes. */
async function withSessions(driver: RawDriver): Promise<number[]> {
  const sessions = [];
  for (const key of keys) sessions.push(await driver.session({ cipher: CRYPTO_AES_CBC, key }));
  sessions.push(await driver.session({ cipher: CRYPTO_AES_CTR, key: keys[0]! }));
  return sessions;
}

type Step = { readonly which: number; readonly request: RawRequest };

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const operation = fc.record({
  which: fc.nat(3),
  request: fc.record({
    op: fc.constantFrom(COP_ENCRYPT, COP_DECRYPT),
    flags: fc.constantFrom(0, flag.writeIv),
    // Without an IV it goes on with what the one before left.
    iv: fc.oneof({ weight: 4, arbitrary: bytes(16) }, fc.constantFrom(new Uint8Array(0), new Uint8Array(8))),
    data: fc.oneof(
      fc.nat(6).chain((blocks) => bytes(16 * blocks)),
      bytes(20),
    ),
    room: fc.oneof({ weight: 9, arbitrary: fc.constant(512) }, fc.constant(8)),
  }),
});
const end = fc.nat(3).map((which): Step => ({ which, request: { ioctl: ioctl.CIOCFSESSION } }));
const oneShot = bytes(16).map(
  (data): Step => ({
    which: -1,
    request: {
      type: requestType.oneShot,
      ioctl: ioctl.CIOCCRYPT,
      cipher: CRYPTO_AES_CBC,
      key: data,
      iv: data,
      data,
    },
  }),
);
const steps = fc.array(fc.oneof({ weight: 20, arbitrary: operation as fc.Arbitrary<Step> }, end, oneShot), {
  minLength: 1,
  maxLength: 40,
});

/** Some operations are too short to be worth it. */
const batching = fc.record({ capacity: fc.integer({ min: 1, max: 20 }), shortest: fc.constantFrom(0, 33) });

describe('virtio-cryptodev device and batches', () => {
  it('answers what comes together as what comes one by one', () =>
    fc.assert(
      fc.asyncProperty(steps, batching, async (sequence, options) => {
        const send = async (driver: RawDriver, together: boolean): Promise<RawResponse[]> => {
          const sessions = await withSessions(driver);
          const responses = [];
          for (const { which, request } of sequence) {
            const session = sessions[which] ?? 0;
            const response = driver.request({ ioctl: ioctl.CIOCCRYPT, session, ...request });
            if (!together) await response;
            responses.push(response);
          }
          return Promise.all(responses);
        };
        const one = await send(await RawDriver.open({}, new OpensslEngine()), false);
        const driver = await RawDriver.open({}, batchingEngine(options));
        assert.deepEqual(await send(driver, true), one);
        driver.device.close();
      }),
      { numRuns: 200 },
    ));

  it('has each operation find what those before it left, in memory that they share', () =>
    fc.assert(
      fc.asyncProperty(arenaOperations, batching, async (operations, options) => {
        const send = async (driver: RawDriver, together: boolean) => {
          const arena = new Arena();
          const [cipher] = await withSessions(driver);
          const hash = await driver.session({ mac: CRYPTO_SHA2_256 });
          const request = ({ kind, iv, source, destination, length }: ArenaOperation) => {
            const head = new Uint8Array(requestHeaderLength);
            const isHash = kind === 'hash';
            encodeRequestHeader(new Uint32Array(head.buffer), {
              ...emptyRequestHeader(),
              ...{
                type: requestType.ioctl,
                ioctl: ioctl.CIOCCRYPT,
                handle: driver.handle,
                dataLength: length,
              },
              session: isHash ? hash : cipher!,
              op: kind === 'decrypt' ? COP_DECRYPT : COP_ENCRYPT,
              ...(isHash ? { macLength: 32 } : { ivLength: 16 }),
            });
            const answer = new Uint8Array(responseHeaderLength + (isHash ? 32 : 0));
            const readable = arena.around(isHash ? head : Buffer.concat([head, iv]), source, length);
            const writable = isHash ? Segments.of(answer) : arena.around(answer, destination, length);
            return driver.send(readable, writable).then(() => answer);
          };
          const answers = [];
          for (const next of operations) {
            const answer = request(next);
            if (!together) await answer;
            answers.push(answer);
          }
          return { answers: await Promise.all(answers), memory: arena.bytes };
        };
        const one = await send(await RawDriver.open({}, new OpensslEngine()), false);
        const driver = await RawDriver.open({}, batchingEngine(options));
        assert.deepEqual(await send(driver, true), one);
        assert.equal(driver.device.statistics.errors, 0);
      }),
      { numRuns: 200 },
    ));

  it('fails all requests of a batch that fails, and none after it', async () => {
    const driver = await RawDriver.open({}, batchingEngine({ capacity: 2, beforeRun: failsOnce() }));
    const session = await driver.session({ cipher: CRYPTO_AES_CBC, key: keys[0]! });
    const request = { op: COP_ENCRYPT, iv: new Uint8Array(16), data: new Uint8Array(32) };
    const responses = await Promise.all([0, 1, 2].map(() => driver.crypt(session, request)));
    assert.deepEqual(
      responses.map(({ status }) => status),
      [errno.EIO, errno.EIO, 0],
    );
    assert.equal(responses[0]!.data.length, 0);
    assert.equal(driver.device.statistics.errors, 2);
    assert.equal(driver.device.statistics.bytes, 32);
  });

  it('answers what is in a batch when the device is reset, and then is empty', async () => {
    const driver = await RawDriver.open({}, batchingEngine({ capacity: 8 }));
    const session = await driver.session({ cipher: CRYPTO_AES_CBC, key: keys[0]! });
    const request = { op: COP_ENCRYPT, iv: new Uint8Array(16), data: new Uint8Array(32) };
    const response = driver.crypt(session, request);
    driver.device.reset();
    assert.equal((await response).status, 0);
    assert.equal(driver.device.statistics.sessions, 0);
  });
});
