/** Operations of the driver on their way, with devices that are full, that lie, and that die. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LoopbackTransport, VirtioError, type VirtioRequest } from '@skytale/virtio';
import { createEngine } from '../engines/create-engine.ts';
import * as oracle from '../oracle.ts';
import { VirtioCryptoDevice, type VirtioCryptoOptions } from './device.ts';
import { VirtioCryptoDriver } from './driver.ts';

const key = Uint8Array.from({ length: 16 }, (_, i) => 0xa0 + i);
const iv = new Uint8Array(16).fill(9);
const cbc = { cipher: 'aes-cbc', key } as const;

async function setUp(options: VirtioCryptoOptions = {}, memorySize = 8 << 20) {
  const device = new VirtioCryptoDevice(await createEngine('openssl'), options);
  const transport = new LoopbackTransport(device, { memorySize });
  return { device, transport, driver: await VirtioCryptoDriver.open(transport) };
}

describe('operations of the virtio-crypto driver', () => {
  it('take their data at once, whether or not there is room for them now', async () => {
    const { driver } = await setUp({ queueSize: 4 }, 64 * 1024);
    await using _driver = driver;
    await using session = await driver.createSession(cbc);
    const data = new Uint8Array(1600);
    const [ownIv, output] = [iv.slice(), new Uint8Array(1600)];
    const answers: Promise<Uint8Array>[] = [];
    for (let i = 0; i < 60; i++) {
      // All by one array, of changing lengths, and changed as soon as the call is made.
      const length = 16 * (1 + ((i * 37) % 100));
      data.fill(i);
      ownIv.fill(i);
      const part = data.subarray(0, length);
      answers.push(session.encrypt(part, ownIv));
    }
    const into = session.encryptInto(data.fill(77), output, ownIv.fill(77));
    data.fill(0xff);
    ownIv.fill(0xff);
    for (const [i, answer] of (await Promise.all(answers)).entries()) {
      const length = 16 * (1 + ((i * 37) % 100));
      const expected = oracle.encrypt('aes-cbc', key, iv.slice().fill(i), new Uint8Array(length).fill(i));
      assert.deepEqual(answer, expected, `operation ${i}`);
    }
    assert.equal(await into, 1600);
    assert.deepEqual(
      output,
      oracle.encrypt('aes-cbc', key, iv.slice().fill(77), new Uint8Array(1600).fill(77)),
    );
  });

  it('tell headers of both directions and of other lengths apart', async () => {
    const { driver } = await setUp();
    await using _driver = driver;
    await using session = await driver.createSession({ aead: 'aes-gcm', key });
    const nonce = iv.subarray(0, 12);
    for (const [length, aad] of [
      [40, 0],
      [40, 7],
      [40, 7],
      [24, 7],
      [0, 3],
      [0, 0],
    ] as const) {
      const data = new Uint8Array(length).fill(length);
      const associatedData = new Uint8Array(aad).fill(aad);
      const sealed = await session.encrypt(data, nonce, associatedData);
      assert.deepEqual(sealed, oracle.seal('aes-gcm', key, 16, nonce, associatedData, data));
      assert.deepEqual(await session.decrypt(sealed, nonce, associatedData), data);
    }
  });

  it('leave no key in the memory that is shared with the device', async () => {
    const { driver, transport } = await setUp({ queueSize: 4 });
    await using _driver = driver;
    const data = new Uint8Array(32);
    await Promise.all(
      Array.from({ length: 20 }, () => driver.oneShot(cbc, { operation: 'encrypt', data, iv })),
    );
    assert.equal(Buffer.from(transport.memory.region.bytes).indexOf(key), -1);
  });

  it('do not believe what a device must not answer, and leave the output alone', async () => {
    const { driver, device } = await setUp();
    await using _driver = driver;
    await using session = await driver.createSession(cbc);
    const honest = device.handle;
    const answers: [string, (request: VirtioRequest) => void, string][] = [
      ['nothing', (request) => request.complete(0), 'CRYPTO_DEVICE_FAILED'],
      ['the result without a status', (request) => request.complete(32), 'CRYPTO_DEVICE_FAILED'],
      ['an unknown status', (request) => answer(request, 99), 'CRYPTO_DEVICE_FAILED'],
      ['a bad tag', (request) => answer(request, 2), 'CRYPTO_AUTHENTICATION_FAILED'],
    ];
    for (const [what, lie, code] of answers) {
      device.handle = (_queue, request) => lie(request);
      const output = new Uint8Array(32).fill(0xee);
      await assert.rejects(session.encryptInto(new Uint8Array(32), output, iv), { code }, what);
      await assert.rejects(session.encrypt(new Uint8Array(32), iv), { code }, what);
      assert.ok(
        output.every((byte) => byte === 0xee),
        what,
      );
    }
    device.handle = honest;
    const result = await session.encrypt(new Uint8Array(32), iv);
    assert.deepEqual(result, oracle.encrypt('aes-cbc', key, iv, new Uint8Array(32)));
  });

  it('fail when the device dies with some under way and some waiting', async () => {
    const { driver, device, transport } = await setUp({ queueSize: 4 });
    const session = await driver.createSession(cbc);
    device.handle = () => {};
    const answers = Array.from({ length: 20 }, () => session.encrypt(new Uint8Array(32), iv));
    await Promise.resolve();
    transport.state.break(new VirtioError('VIRTIO_DEVICE_FAILED', 'for the test'));
    const outcomes = await Promise.allSettled([...answers, session.encrypt(new Uint8Array(32), iv)]);
    for (const outcome of outcomes) {
      assert.equal(outcome.status === 'rejected' && outcome.reason.code, 'CRYPTO_DEVICE_FAILED');
    }
    await driver.close();
  });
});

/** As the standard's drivers expect it: the status is in the last byte. */
function answer(request: VirtioRequest, status: number): void {
  const { writable } = request;
  writable.copyFrom(writable.byteLength - 1, 1, Uint8Array.of(status));
  request.complete(writable.byteLength);
}
