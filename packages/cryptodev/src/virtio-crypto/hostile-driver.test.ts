/** A driver that lies: the device answers everything, and goes on. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LoopbackTransport, Segments } from '@skytale/virtio';
import fc from 'fast-check';
import { liveContexts } from '../engines/libcrypto.ts';
import { OpensslEngine } from '../engines/openssl.ts';
import * as oracle from '../oracle.ts';
import { batchingEngine } from '../testing/batching-engine.ts';
import { lateEngine, segmentsOf } from '../virtio-cryptodev/testing/raw-driver.ts';
import { VirtioCryptoDevice } from './device.ts';
import {
  encodeAeadData,
  encodeAeadSession,
  encodeChainSession,
  encodeCipherData,
  encodeCipherSession,
  encodeDigestSession,
} from './encode.ts';
import { AES_CBC, mark, RawDriver } from './testing/raw-driver.ts';
import {
  data as dataOffsets,
  direction,
  opcode,
  operation,
  service,
  sessionOperation,
  status,
  statusName,
} from './wire.ts';

const key = new Uint8Array(16).fill(1);
const iv = new Uint8Array(16).fill(2);
const isKnown = (value: number): boolean => !statusName(value).startsWith('status');
const featureSets = fc.constantFrom(0n, 1n, 0x3fn);

async function works(driver: RawDriver): Promise<void> {
  const id = await driver.cbc(key);
  const { status: outcome, result } = await driver.encrypt(id, iv, key);
  assert.equal(outcome, status.OK);
  assert.deepEqual(result, oracle.encrypt('aes-cbc', key, iv, key));
  assert.equal(await driver.destroyCipher(id), status.OK);
}

/** Mostly small numbers, which are the ones that mean something, and any. */
const word = fc.oneof(
  { arbitrary: fc.nat(5), weight: 4 },
  { arbitrary: fc.constantFrom(8, 12, 13, 16, 20, 24, 32, 64, 72, 100, 512), weight: 4 },
  { arbitrary: fc.integer({ min: 0, max: 2 ** 32 - 1 }), weight: 1 },
);
const payload = fc.uint8Array({ maxLength: 700 });

/** A header of random words with an opcode that is mostly one of the standard's. */
const header = fc
  .record({
    service: fc.nat(5),
    low: fc.nat(6),
    words: fc.array(word, { minLength: 31, maxLength: 31 }),
    length: fc.oneof({ arbitrary: fc.constant(72), weight: 5 }, fc.nat(124)),
  })
  .map(({ service: of, low, words, length }) => {
    const bytes = new Uint8Array(124);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, opcode(of as 0, low), true);
    for (const [i, value] of words.entries()) if (i > 0) view.setUint32(4 * i, value, true);
    return bytes.subarray(0, length);
  });

for (const [title, make] of Object.entries({
  sync: () => new OpensslEngine(),
  late: () => lateEngine(new OpensslEngine()),
  batching: () => batchingEngine(),
})) {
  describe(`virtio-crypto device and a hostile driver, ${title} engine`, () => {
    it('answers random requests on both kinds of queues, with the status where it belongs', async () => {
      const before = liveContexts();
      const request = fc.record({
        queue: fc.nat(1),
        header,
        payload,
        room: fc.oneof(fc.constant(16), fc.nat(700)),
        cuts: fc.array(fc.integer({ min: 1, max: 90 }), { maxLength: 4 }),
      });
      await fc.assert(
        fc.asyncProperty(featureSets, fc.array(request, { maxLength: 6 }), async (features, batch) => {
          const driver = new RawDriver({ engine: make(), features, maxSessions: 8, maxSize: 4096 });
          // Sessions of several services, whose ids the random words may meet.
          await driver.cbc(key);
          await driver.create(encodeDigestSession({ algo: 4, resultLength: 0 }, driver.isRevision1));
          await Promise.all(
            batch.map(async ({ queue, header: head, payload: body, room, cuts }) => {
              const writable = new Uint8Array(room).fill(mark);
              const readable = segmentsOf(Buffer.concat([head, body]), cuts);
              const written = await driver.send(queue, readable, segmentsOf(writable, cuts));
              assert.ok(written <= room);
              if (room === 0) return;
              const at = queue === 0 || written === room ? room - 1 : 0;
              // The answer to a control request that creates has its status in the middle.
              const created = queue === 1 && written === 16;
              const outcome = created ? new DataView(writable.buffer).getUint32(8, true) : writable[at]!;
              assert.ok(isKnown(outcome), `status ${outcome} of ${written} bytes in ${room}`);
            }),
          );
          driver.cuts = [];
          driver.device.reset();
          driver.device.activate(features);
          await works(driver);
          driver.device.close();
        }),
        { numRuns: 250 },
      );
      assert.equal(liveContexts(), before);
    });

    it('answers operations whose lengths lie, on sessions of all services', async () => {
      const driver = new RawDriver({ engine: make(), maxSize: 8192 });
      const digest = { algo: 4, resultLength: 32, authKeyLength: 16 };
      const cipher = { algo: AES_CBC, op: 1, keyLength: 16 };
      const chain = encodeChainSession({ order: 2, hashMode: 2, cipher, hash: digest }, false);
      const ids = [
        await driver.cbc(key),
        (await driver.create(encodeCipherSession({ algo: 13, op: 2, keyLength: 32 }, false), key, iv)).id,
        (await driver.create(chain, key, key)).id,
        (await driver.create(encodeDigestSession({ algo: 4, resultLength: 32 }, false))).id,
        (await driver.create(encodeDigestSession(digest, false), key)).id,
        (await driver.create(encodeAeadSession({ ...cipher, algo: 1, tagLength: 16 }, false), key)).id,
        (await driver.create(encodeAeadSession({ ...cipher, algo: 2, op: 2, tagLength: 4 }, false), key)).id,
      ];
      assert.ok(ids.every((id) => id !== 0n));
      const request = fc.record({ header, payload, id: fc.constantFrom(...ids), room: fc.nat(300) });
      await fc.assert(
        fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 4 }), async (batch) => {
          const answers = batch.map(({ header: head, payload: body, id, room }) => {
            const whole = new Uint8Array(Math.max(head.length, 72));
            whole.set(head);
            new DataView(whole.buffer).setBigUint64(dataOffsets.sessionId, id, true);
            return driver.operate([whole, body], room);
          });
          for (const { status: outcome, written } of await Promise.all(answers)) {
            assert.ok(isKnown(outcome) && written > 0);
          }
        }),
        { numRuns: 400 },
      );
      await works(driver);
    });
  });
}

describe('virtio-crypto device: malformed requests', () => {
  it('without a byte for the status nothing is done', async () => {
    const driver = new RawDriver();
    const create = encodeCipherSession({ algo: AES_CBC, op: 1, keyLength: 16 }, false);
    for (const queue of [0, 1]) {
      const readable = segmentsOf(Buffer.concat([create, key]));
      assert.equal(await driver.send(queue, readable, new Segments()), 0);
    }
    assert.equal(driver.device.statistics.sessions, 0);
    assert.equal(driver.device.statistics.errors, 2);
  });

  it('a head alone on the control queue is answered, whatever it is for', async () => {
    const device = new VirtioCryptoDevice(new OpensslEngine());
    await using transport = new LoopbackTransport(device);
    await transport.start();
    const control = transport.queues[1]!;
    for (const number of Object.values(service)) {
      for (const low of [sessionOperation.CREATE, sessionOperation.DESTROY, 4, 5]) {
        const header = new Uint8Array(16);
        new DataView(header.buffer).setUint32(0, opcode(number, low), true);
        for (const length of [1, 4, 16]) {
          assert.equal((await control.request(header.subarray(0, length), 0)).length, 0);
          const answer = await control.request(header.subarray(0, length), 16);
          assert.ok(answer.length === 16 || answer.length === 1, `${answer.length} bytes`);
        }
      }
    }
    assert.equal((await control.request([], 16)).length, 16, 'nor does it need a head');
    assert.equal(transport.brokenReason, undefined);
    assert.equal(device.statistics.sessions, 0);
  });

  it('tells of as many bytes as there are up to the status, whatever that is', async () => {
    const driver = new RawDriver({ features: 1n, maxSessions: 3 });
    const id = await driver.cbc(key);
    const { id: gcm } = await driver.create(
      encodeAeadSession({ algo: 1, op: direction.DECRYPT, keyLength: 16, tagLength: 16 }, true),
      key,
    );
    const lengths = { ivLength: 16, sourceLength: 32, destinationLength: 32 };
    const cipher = (of: bigint, more = {}) =>
      encodeCipherData({ id: of, operation: operation.ENCRYPT }, { ...lengths, ...more });
    const sealed = encodeAeadData(
      { id: gcm, operation: operation.DECRYPT },
      { ivLength: 12, sourceLength: 32, destinationLength: 32, aadLength: 0, tagLength: 16 },
      true,
    );
    const unknown = cipher(id);
    new DataView(unknown.buffer).setUint32(0, opcode(77, 0), true);
    const seen = new Map<number, number>();
    for (const parts of [
      [cipher(id), iv, new Uint8Array(32)],
      [cipher(id, { destinationLength: 16 }), iv, new Uint8Array(32)],
      [cipher(99n), iv, new Uint8Array(32)],
      [sealed, new Uint8Array(12), new Uint8Array(32)],
      [unknown, iv, new Uint8Array(32)],
      [new Uint8Array(5)],
    ]) {
      for (const room of [32, 100]) {
        const { status: outcome, written } = await driver.operate(parts, room);
        assert.equal(written, room + 1, statusName(outcome));
        seen.set(outcome, written);
      }
    }
    assert.deepEqual(
      [...seen.keys()].sort(),
      [status.OK, status.ERR, status.BADMSG, status.NOTSUPP, status.INVSESS].sort(),
    );
    await driver.cbc(key);
    const create = encodeCipherSession({ algo: AES_CBC, op: 1, keyLength: 16 }, true);
    assert.equal((await driver.create(create, key)).status, status.NOSPC, 'which checks that all is written');
  });

  it('a session that could not be told of is not made', async () => {
    const driver = new RawDriver();
    const create = encodeCipherSession({ algo: AES_CBC, op: 1, keyLength: 16 }, false);
    for (const room of [1, 8, 15]) {
      const writable = new Uint8Array(room).fill(mark);
      const readable = segmentsOf(Buffer.concat([create, key]));
      assert.equal(await driver.send(1, readable, segmentsOf(writable)), room);
      assert.equal(writable[room - 1], status.ERR);
    }
    assert.equal(driver.device.statistics.sessions, 0);
  });

  it('headers that are too short, keys that are missing or too long', async () => {
    for (const features of [0n, 1n]) {
      const driver = new RawDriver({ features });
      const create = (keyLength: number) =>
        encodeCipherSession({ algo: AES_CBC, op: 1, keyLength }, driver.isRevision1);
      const whole = Buffer.concat([create(16), key]);
      for (const length of [0, 1, 15, 16, 71, 72, 87]) {
        const writable = new Uint8Array(16).fill(mark);
        await driver.send(1, segmentsOf(whole.subarray(0, length)), segmentsOf(writable));
        assert.equal(writable[8], status.ERR, `${length} bytes`);
      }
      for (const keyLength of [0, 15, 17, 65, 0xffffffff]) {
        assert.equal((await driver.create(create(keyLength), new Uint8Array(100))).status, status.ERR);
      }
      assert.equal((await driver.create(create(16), key)).status, status.OK);
    }
  });

  it('what the standard has and this device has not: NOTSUPP', async () => {
    const driver = new RawDriver();
    const cipher = (algo: number, op = 1) => encodeCipherSession({ algo, op, keyLength: 16 }, false);
    assert.equal((await driver.create(cipher(1), key)).status, status.NOTSUPP, 'ARC4');
    assert.equal((await driver.create(cipher(AES_CBC, 3), key)).status, status.ERR, 'neither direction');
    const none = cipher(AES_CBC);
    none[64] = 0;
    assert.equal((await driver.create(none, key)).status, status.NOTSUPP, 'VIRTIO_CRYPTO_SYM_OP_NONE');
    const nested = encodeChainSession(
      {
        order: 1,
        hashMode: 3,
        cipher: { algo: AES_CBC, op: 1, keyLength: 16 },
        hash: { algo: 4, resultLength: 32, authKeyLength: 0 },
      },
      false,
    );
    assert.equal((await driver.create(nested, key)).status, status.NOTSUPP, 'nested hash');
    const sha3 = encodeDigestSession({ algo: 8, resultLength: 32 }, false);
    assert.equal((await driver.create(sha3)).status, status.NOTSUPP, 'SHA-3');
    const ipsec = new Uint8Array(72);
    ipsec[1] = 5;
    assert.equal((await driver.operate([ipsec], 16)).status, status.NOTSUPP, 'IPSEC');
    const unknown = new Uint8Array(72);
    unknown[0] = 9;
    assert.equal((await driver.create(unknown)).status, status.NOTSUPP);
  });

  it('an XTS key whose halves are equal is refused', async () => {
    const driver = new RawDriver();
    const create = encodeCipherSession({ algo: 13, op: 1, keyLength: 32 }, false);
    assert.equal((await driver.create(create, key, key)).status, status.ERR);
    assert.equal((await driver.create(create, key, iv)).status, status.OK);
  });

  it('lengths, IVs, directions and kinds that are not the session’s', async () => {
    const driver = new RawDriver();
    const id = await driver.cbc(key);
    const right = { ivLength: 16, sourceLength: 32, destinationLength: 32 };
    const body = new Uint8Array(32);
    const outcome = async (lengths: typeof right, low: number = operation.ENCRYPT, room = 32) =>
      (await driver.operate([encodeCipherData({ id, operation: low }, lengths), iv, body], room)).status;
    assert.equal(await outcome(right), status.OK);
    for (const lie of [
      { sourceLength: 16 },
      { destinationLength: 16 },
      { sourceLength: 31, destinationLength: 31 },
      { sourceLength: 48, destinationLength: 48 },
      { sourceLength: 2 ** 32 - 16, destinationLength: 2 ** 32 - 16 },
      { ivLength: 0 },
      { ivLength: 15 },
      { ivLength: 17 },
      { ivLength: 2 ** 32 - 1 },
    ]) {
      assert.equal(await outcome({ ...right, ...lie }), status.ERR, JSON.stringify(lie));
    }
    assert.equal(await outcome(right, operation.ENCRYPT, 31), status.ERR, 'no room for the status behind it');
    assert.equal(await outcome(right, operation.DECRYPT), status.ERR);
    assert.equal(await outcome(right, 2), status.ERR);
    for (const kind of [0, 2, 3, 0xff]) {
      const header = encodeCipherData({ id }, right);
      header[64] = kind;
      assert.equal((await driver.operate([header, iv, body], 32)).status, status.ERR, `kind ${kind}`);
    }
    for (const other of [0n, id + 1n, id | (1n << 32n), id | (1n << 31n), 2n ** 64n - 1n]) {
      assert.equal((await driver.encrypt(other, iv, body)).status, status.INVSESS);
    }
    assert.equal((await driver.encrypt(id, iv, new Uint8Array(0))).status, status.OK, 'no data is fine');
  });

  it('parts that overlap are only the driver’s loss', async () => {
    const driver = new RawDriver();
    const id = await driver.cbc(key);
    const memory = new Uint8Array(256);
    const lengths = { ivLength: 16, sourceLength: 64, destinationLength: 64 };
    for (const [start, statusAt] of [
      [90, 200],
      [0, 70],
      [100, 100],
    ] as const) {
      memory.set(encodeCipherData({ id }, lengths));
      const readable = new Segments();
      readable.push(memory, 0, 152);
      const writable = new Segments();
      writable.push(memory, start, 64);
      writable.push(memory, statusAt, 1);
      assert.equal(await driver.send(0, readable, writable), 65);
    }
    await works(driver);
  });
});
