/** A driver that lies: the device answers everything, and goes on. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Segments } from '@skytale/virtio';
import fc from 'fast-check';
import { OpensslEngine } from '../engines/openssl.ts';
import { batchingEngine } from '../testing/batching-engine.ts';
import { errno, errnoName } from './errno.ts';
import { lateEngine, RawDriver, type RawRequest, segmentsOf } from './testing/raw-driver.ts';
import { ioctl, requestHeaderLength, requestType, responseHeaderLength } from './wire.ts';

const key = new Uint8Array(16).fill(1);
const known = (status: number): boolean => status === 0 || !errnoName(status).startsWith('errno');
const AES_CBC = 11;
const SHA256_HMAC = 18;

async function works(driver: RawDriver): Promise<void> {
  const { id: handle } = await driver.request({ type: requestType.open });
  const session = (await driver.request({ ioctl: ioctl.CIOCGSESSION, handle, cipher: AES_CBC, key })).id;
  const { status } = await driver.crypt(session, { handle, data: new Uint8Array(16) });
  assert.equal(status, 0);
  assert.equal((await driver.request({ type: requestType.close, handle })).status, 0);
}

/** Values that mean something, and any. */
const field = (meaningful: readonly number[], max: number) =>
  fc.oneof(fc.constantFrom(...meaningful), fc.integer({ min: 0, max }));
const length16 = field([0, 1, 12, 16, 20, 32, 64, 512, 0xffff], 0xffff);
const part = (sizes: readonly number[]) =>
  fc.constantFrom(...sizes).chain((size) => fc.uint8Array({ minLength: size, maxLength: size }));

/** Requests that come close: true parts, and now and then a field that lies about them. */
const closeRequest = (handle: number, sessions: readonly number[]): fc.Arbitrary<RawRequest> =>
  fc.record(
    {
      type: field([1, 3, 3, 3, 4], 0xffff),
      ioctl: field(Object.values(ioctl), 0xffff),
      handle: fc.oneof(
        { arbitrary: fc.constant(handle), weight: 9 },
        fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      ),
      session: field(sessions, 2 ** 32 - 1),
      op: field([0, 1], 0xffff),
      flags: fc.integer({ min: 0, max: 0xffff }),
      cipher: field([0, 11, 16, 21, 22, 50, 51, 112], 130),
      mac: field([0, 7, 14, 18, 104], 130),
      macLength: length16,
      tagLength: length16,
      argument: field([0, 1, 12, 256, ...sessions], 2 ** 32 - 1),
      key: part([0, 16, 24, 32, 64]),
      macKey: part([0, 16]),
      iv: part([0, 8, 12, 16]),
      auth: part([0, 1, 13, 64]),
      data: part([0, 1, 16, 64, 100]),
      room: fc.constantFrom(0, 1, 16, 64, 512),
      dataLength: field([0, 16, 64], 2 ** 32 - 1),
      authLength: field([0, 16, 64], 2 ** 32 - 1),
      ivLength: length16,
      keyLength: length16,
      macKeyLength: length16,
    },
    { requiredKeys: ['type', 'ioctl', 'handle', 'session'] },
  );

for (const [title, engine] of Object.entries({
  sync: new OpensslEngine(),
  late: lateEngine(new OpensslEngine()),
  batching: batchingEngine(),
})) {
  describe(`virtio-cryptodev device and a hostile driver, ${title} engine`, () => {
    it('answers random bytes', async () => {
      const driver = await RawDriver.open({}, engine);
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.nat(200), async (readable, room) => {
          const writable = new Uint8Array(room);
          const written = await driver.send(segmentsOf(readable, [7, 50]), segmentsOf(writable, [9, 40]));
          if (room < responseHeaderLength) assert.equal(written, 0);
          else {
            assert.ok(written >= responseHeaderLength && written <= room);
            assert.ok(known(new DataView(writable.buffer).getUint32(0, true)));
          }
        }),
        { numRuns: 300 },
      );
      await works(driver);
    });

    it('answers requests that come close, and stays usable', async () => {
      const limits = { maxHandles: 8, maxSessions: 16, maxDataLength: 4096 };
      const driver = await RawDriver.open(limits, engine);
      const sessions = [
        await driver.session({ cipher: 11, key }),
        await driver.session({ cipher: 21, key, mac: SHA256_HMAC, macKey: key }),
        await driver.session({ cipher: 11, key, mac: SHA256_HMAC, macKey: key }),
        await driver.session({ cipher: 50, key }),
        await driver.session({ cipher: 51, key }),
        await driver.session({ mac: 104 }),
      ];
      const requests = fc.array(closeRequest(driver.handle, sessions), { minLength: 1, maxLength: 5 });
      await fc.assert(
        fc.asyncProperty(requests, async (batch) => {
          const answers = await Promise.all(batch.map((request) => driver.request(request)));
          for (const [i, { status, written, data }] of answers.entries()) {
            assert.ok(known(status), `status ${status}`);
            assert.ok(written >= responseHeaderLength);
            assert.ok(data.length <= (batch[i]!.room ?? 100_000));
            assert.notEqual(status, errno.EIO);
          }
        }),
        { numRuns: 1000 },
      );
      await driver.request({ type: requestType.close });
      driver.device.reset();
      await works(driver);
    });
  });
}

describe('virtio-cryptodev device: malformed requests (6.12)', () => {
  it('without room for a response nothing is done', async () => {
    const driver = await RawDriver.open();
    const open = new Uint8Array(requestHeaderLength);
    open[0] = requestType.open;
    for (const room of [0, 1, responseHeaderLength - 1]) {
      const writable = new Uint8Array(room).fill(0xee);
      assert.equal(await driver.send(segmentsOf(open), segmentsOf(writable)), 0);
      assert.ok(writable.every((byte) => byte === 0xee));
    }
    assert.equal(driver.device.statistics.handles, 1);
    assert.equal(await driver.send(segmentsOf(open), segmentsOf(new Uint8Array(32))), 32);
    assert.equal(driver.device.statistics.handles, 2);
  });

  it('too short for a header: EPROTO', async () => {
    const driver = await RawDriver.open();
    for (const length of [0, 1, requestHeaderLength - 1]) {
      const writable = new Uint8Array(32);
      assert.equal(await driver.send(segmentsOf(new Uint8Array(length)), segmentsOf(writable)), 32);
      assert.equal(new DataView(writable.buffer).getUint32(0, true), errno.EPROTO);
    }
  });

  it('lengths that lie: EPROTO', async () => {
    const driver = await RawDriver.open();
    const session = await driver.session({ cipher: AES_CBC, key });
    const data = new Uint8Array(32);
    const lies: RawRequest[] = [
      { dataLength: 31 },
      { dataLength: 33 },
      { dataLength: 16 * 1024 * 1024 },
      { ivLength: 1 },
      { keyLength: 1 },
      { macKeyLength: 0xffff },
      { authLength: 0xffffffff },
      { key: new Uint8Array(16) },
      { auth: new Uint8Array(16) },
      { room: 31 },
      { room: 0 },
    ];
    for (const lie of lies) {
      assert.equal((await driver.crypt(session, { data, ...lie })).status, errno.EPROTO, JSON.stringify(lie));
    }
    assert.equal(
      (await driver.crypt(session, { data, dataLength: 16 * 1024 * 1024 + 1 })).status,
      errno.EMSGSIZE,
    );
    assert.equal((await driver.crypt(session, { data, dataLength: 0xffffffff })).status, errno.EMSGSIZE);
    const idle = { data, ioctl: ioctl.CIOCFSESSION };
    assert.equal((await driver.crypt(session, idle)).status, errno.EPROTO);
    assert.equal((await driver.crypt(session, { data, room: 32 })).status, 0);
  });

  it('a destination that overlaps the source or the response is only the driver’s loss', async () => {
    const driver = await RawDriver.open();
    const session = await driver.session({ cipher: AES_CBC, key });
    const probe = await driver.crypt(session, { data: new Uint8Array(64) });
    assert.equal(probe.status, 0);
    const memory = new Uint8Array(256);
    const head = Uint8Array.from([3, 0, 104, 0, ...le32(driver.handle), ...le32(session), 0, 0, 0, 0, 64]);
    memory.set(head);
    const range = (...ranges: [number, number][]): Segments => {
      const segments = new Segments();
      for (const [offset, length] of ranges) segments.push(memory, offset, length);
      return segments;
    };
    // Source 48…112; the response in it, the destination shifted by one block and over the header.
    await driver.send(range([0, 112]), range([48, 32], [64, 64]));
    memory.set(head);
    await driver.send(range([0, 112]), range([0, 32], [1, 64]));
    await works(driver);
  });
});

function le32(value: number): number[] {
  return [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, value >>> 24];
}
