/** Sessions of QEMU's vhost-user messages, in each form that they have had. */
import assert from 'node:assert/strict';
import * as crypto from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import * as oracle from '../oracle.ts';
import { encodeAkcipherData, encodeChainData } from './encode.ts';
import { RawDriver } from './testing/raw-driver.ts';
import { chainOrder, direction, hashMode, operation, status, symOp } from './wire.ts';

const key = Uint8Array.from({ length: 16 }, (_, i) => i + 1);
const iv = new Uint8Array(16).fill(9);
const data = new Uint8Array(48).fill(5);

/** Where `info` is, what else there is to set, and where the id comes. */
const forms = {
  'QEMU 11': { length: 1072, info: 8, opcode: 0, id: 1064 },
  'QEMU 7.2': { length: 632, info: 8, opcode: undefined, id: 0 },
  'DPDK 22.11': { length: 632, info: 12, opcode: 8, id: 0 },
} as const;
type Form = (typeof forms)[keyof typeof forms];

function cipherMessage(form: Form, fields: { algo?: number; keyLength?: number; opType?: number } = {}) {
  const message = new Uint8Array(form.length);
  const view = new DataView(message.buffer);
  if (form.opcode !== undefined) view.setUint32(form.opcode, 2, true);
  view.setUint32(form.info, fields.algo ?? 3, true);
  view.setUint32(form.info + 4, fields.keyLength ?? 16, true);
  message[form.info + 24] = fields.opType ?? symOp.CIPHER;
  message[form.info + 25] = direction.ENCRYPT;
  // QEMU's pointers, which mean nothing here.
  if (form.info === 8) view.setBigUint64(40, 0x7fff_1234_5678n, true);
  message.set(key, 56);
  return { message, id: () => view.getBigInt64(form.id, true) };
}

describe('virtio-crypto sessions by vhost-user messages', () => {
  for (const [name, form] of Object.entries(forms)) {
    it(`${name}: creates, serves and closes a cipher session, without a control queue`, async () => {
      const driver = new RawDriver({ controlQueue: false, dataQueues: 2 });
      assert.equal(driver.device.queueSizes.length, 2);
      const { message, id } = cipherMessage(form);
      driver.device.createSession(message);
      assert.ok(id() > 0n);
      assert.ok(
        message.subarray(56, 72).every((byte) => byte === 0),
        'the key does not travel back',
      );
      const { status: outcome, result } = await driver.encrypt(id(), iv, data);
      assert.equal(outcome, status.OK);
      assert.deepEqual(result, oracle.encrypt('aes-cbc', key, iv, data));
      assert.throws(() => driver.device.closeSession(id() + (1n << 32n)), RangeError);
      driver.device.closeSession(id());
      assert.equal((await driver.encrypt(id(), iv, data)).status, status.INVSESS);
      assert.throws(() => driver.device.closeSession(id()), RangeError);
      assert.throws(() => driver.device.closeSession(-1n), RangeError);
    });

    it(`${name}: creates a chain`, async () => {
      const driver = new RawDriver({ controlQueue: false });
      const { message, id } = cipherMessage(form, { opType: symOp.ALGORITHM_CHAINING });
      const view = new DataView(message.buffer);
      view.setUint32(form.info + 8, 2, true);
      view.setUint32(form.info + 12, 20, true);
      view.setUint32(form.info + 16, 7, true);
      message.set([hashMode.AUTH, chainOrder.CIPHER_THEN_HASH], form.info + 26);
      const authKey = new Uint8Array(7).fill(3);
      message.set(authKey, 120);
      driver.device.createSession(message);
      const header = encodeChainData(
        { id: id(), operation: operation.ENCRYPT },
        {
          ...{ ivLength: 16, sourceLength: 48, destinationLength: 48, aadLength: 0, resultLength: 20 },
          ...{ cipherStart: 0, cipherLength: 48, hashStart: 0, hashLength: 48 },
        },
      );
      const { status: outcome, result } = await driver.operate([header, iv, data], 68);
      assert.equal(outcome, status.OK);
      const expected = oracle.encrypt('aes-cbc', key, iv, data);
      assert.deepEqual(result, Uint8Array.of(...expected, ...oracle.digest('sha-1', authKey, expected)));
    });

    it(`${name}: answers with a negative id what cannot be`, () => {
      const driver = new RawDriver({ controlQueue: false, maxSessions: 1 });
      for (const fields of [
        { algo: 99 },
        { algo: 0 },
        { keyLength: 15 },
        { keyLength: 65 },
        { keyLength: 2 ** 32 - 1 },
      ]) {
        const { message, id } = cipherMessage(form, fields);
        driver.device.createSession(message);
        assert.ok(id() < 0n, JSON.stringify(fields));
      }
      for (const opType of [0, 2, 3]) {
        const { message, id } = cipherMessage(form, { opType });
        driver.device.createSession(message);
        assert.ok(id() < 0n, `kind ${opType}`);
      }
      assert.equal(driver.device.statistics.sessions, 0);
      const first = cipherMessage(form);
      driver.device.createSession(first.message);
      assert.ok(first.id() > 0n);
      const second = cipherMessage(form);
      driver.device.createSession(second.message);
      assert.ok(second.id() < 0n, 'beyond the limit');
    });
  }

  it('QEMU 11: creates a session of AKCIPHER', async () => {
    const driver = new RawDriver({ controlQueue: false });
    const { publicKey, privateKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 1024 });
    const der = publicKey.export({ type: 'pkcs1', format: 'der' });
    const message = new Uint8Array(1072);
    const view = new DataView(message.buffer);
    const words = { 0: 0x404, 8: 1, 12: 1, 16: der.length, 32: 1, 36: 6 };
    for (const [offset, value] of Object.entries(words)) view.setUint32(Number(offset), value, true);
    message.set(der, 40);
    driver.device.createSession(message);
    const id = view.getBigInt64(1064, true);
    assert.ok(id > 0n);
    assert.ok(message.subarray(40, 40 + der.length).every((byte) => byte === 0));
    const digest = crypto.createHash('sha256').update('x').digest();
    const signature = crypto.sign('sha256', Buffer.from('x'), privateKey);
    const lengths = { sourceLength: signature.length, destinationLength: digest.length };
    const header = encodeAkcipherData({ id, operation: operation.VERIFY }, lengths, false);
    assert.equal((await driver.operate([header, signature, digest], 0)).status, status.OK);
  });

  it('takes whatever message it is given', () => {
    const driver = new RawDriver({ controlQueue: false, maxSessions: 4 });
    const length = fc.constantFrom(632, 1072, 0, 7, 633);
    const bytes = length.chain((size) => fc.uint8Array({ minLength: size, maxLength: size, size: 'max' }));
    const small = bytes.map((random) => random.map((byte) => byte % 4));
    fc.assert(
      fc.property(fc.oneof(bytes, small), (message) => {
        driver.device.createSession(message);
      }),
      { numRuns: 300 },
    );
    driver.device.reset();
    const { message, id } = cipherMessage(forms['QEMU 7.2']);
    driver.device.createSession(message);
    assert.ok(id() > 0n);
  });
});
