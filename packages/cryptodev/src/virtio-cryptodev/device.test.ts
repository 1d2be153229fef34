/** The device by raw requests: each rule of the document, by an engine that answers at once and by one that does not. */
import assert from 'node:assert/strict';
import { createCipheriv, createHash, createHmac, randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { OpensslEngine } from '../engines/openssl.ts';
import { batchingEngine } from '../testing/batching-engine.ts';
import { errno } from './errno.ts';
import { lateEngine, RawDriver, type RawRequest, segmentsOf } from './testing/raw-driver.ts';
import {
  COP_DECRYPT,
  COP_ENCRYPT,
  decodeConfig,
  decodeSessionInfo,
  emptyRequestHeader,
  encodeRequestHeader,
  flag,
  ioctl,
  requestType,
} from './wire.ts';

const AES_CBC = 11;
const NULL = 16;
const AES_CTR = 21;
const AES_XTS = 22;
const AES_ECB = 23;
const AES_OFB = 25;
const AES_CFB = 24;
const AES_GCM = 50;
const AES_CCM = 51;
const DES3_CBC = 2;
const SHA1_HMAC = 7;
const SHA256_HMAC = 18;
const SHA256 = 104;
const SHA1 = 14;

const key = Uint8Array.from({ length: 16 }, (_, i) => i);
const iv = Uint8Array.from({ length: 16 }, (_, i) => 0xf0 + i);
const nonce = iv.subarray(0, 12);
const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 7) & 0xff);
const same = (actual: Uint8Array, expected: Uint8Array): void => {
  assert.equal(Buffer.from(actual).toString('hex'), Buffer.from(expected).toString('hex'));
};
const nodeCipher = (
  name: string,
  withKey: Uint8Array,
  withIv: Uint8Array | null,
  data: Uint8Array,
): Buffer => {
  const cipher = createCipheriv(name, withKey, withIv).setAutoPadding(false);
  return Buffer.concat([cipher.update(data), cipher.final()]);
};
const sha256 = (...parts: Uint8Array[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};
const hmacSha1 = (...parts: Uint8Array[]): Buffer => {
  const mac = createHmac('sha1', key);
  for (const part of parts) mac.update(part);
  return mac.digest();
};

const engines = {
  'engine that answers at once': () => new OpensslEngine(),
  'engine that answers later': () => lateEngine(new OpensslEngine()),
  'engine that has batches': () => batchingEngine(),
};

for (const [title, engine] of Object.entries(engines)) {
  const open = (): Promise<RawDriver> => RawDriver.open({}, engine());

  describe(`virtio-cryptodev device, ${title}: handles and sessions`, () => {
    it('says in the configuration space what it offers', async () => {
      const { device } = await open();
      const config = decodeConfig(device.config);
      assert.equal(config.version, 1);
      assert.equal(config.queues, 1);
      assert.equal(config.engine, 'openssl');
      for (const number of [AES_CBC, NULL, AES_CTR, AES_XTS, AES_ECB, AES_GCM, AES_CCM]) {
        assert.ok(config.ciphers.includes(number), `cipher ${number}`);
      }
      for (const number of [SHA1_HMAC, SHA256_HMAC, SHA1, SHA256]) assert.ok(config.macs.includes(number));
      assert.equal(device.features, 0x7fn);
    });

    it('opens handles that are not 0 and differ, and closes them', async () => {
      const driver = await open();
      const second = (await driver.request({ type: requestType.open })).id;
      assert.notEqual(driver.handle, 0);
      assert.notEqual(second, driver.handle);
      assert.equal(driver.device.statistics.handles, 2);
      assert.equal((await driver.request({ type: requestType.close, handle: second })).status, 0);
      assert.equal((await driver.request({ type: requestType.close, handle: second })).status, errno.EBADF);
      assert.equal((await driver.request({ ioctl: ioctl.CIOCCRYPT, handle: second })).status, errno.EBADF);
      assert.equal(driver.device.statistics.handles, 1);
    });

    it('says what a session is like', async () => {
      const driver = await open();
      const create = async (request: RawRequest) =>
        (await driver.request({ ioctl: ioctl.CIOCGSESSION, ...request })).properties;
      const none = { blockSize: 0, ivSize: 0, digestSize: 0, tagSize: 0 };
      assert.deepEqual(await create({ cipher: AES_CBC, key }), { ...none, blockSize: 16, ivSize: 16 });
      assert.deepEqual(await create({ cipher: AES_ECB, key }), { ...none, blockSize: 16 });
      assert.deepEqual(await create({ cipher: NULL }), { ...none, blockSize: 1 });
      assert.deepEqual(await create({ cipher: AES_GCM, key }), {
        ...none,
        blockSize: 1,
        ivSize: 12,
        tagSize: 16,
      });
      assert.deepEqual(await create({ cipher: AES_CCM, key }), {
        ...none,
        blockSize: 1,
        ivSize: 16,
        tagSize: 16,
      });
      assert.deepEqual(await create({ mac: SHA256 }), { ...none, digestSize: 32 });
      assert.deepEqual(await create({ cipher: DES3_CBC, key: bytes(24), mac: SHA1_HMAC, macKey: key }), {
        ...none,
        blockSize: 8,
        ivSize: 8,
        digestSize: 20,
      });
    });

    const refused: Record<string, RawRequest> = {
      'both ids zero': {},
      'an unknown cipher': { cipher: 99, key },
      'a cipher number beyond the bitmap': { cipher: 0xffffffff, key },
      'an unknown mac': { mac: 99 },
      'a cipher given as a mac': { mac: AES_CBC },
      'a key of wrong length': { cipher: AES_CBC, key: bytes(15) },
      'no key': { cipher: AES_CBC },
      'a key of more than 64 bytes': { cipher: AES_CBC, key: bytes(65) },
      'a MAC key of more than 512 bytes': { mac: SHA1_HMAC, macKey: bytes(513) },
      'a key for NULL': { cipher: NULL, key },
      'equal halves of an XTS key': { cipher: AES_XTS, key: new Uint8Array(32).fill(7) },
      'GCM with a MAC': { cipher: AES_GCM, key, mac: SHA1_HMAC, macKey: key },
      'GCM with a MAC key': { cipher: AES_GCM, key, macKey: key },
    };
    for (const [what, request] of Object.entries(refused)) {
      it(`refuses a session: ${what}`, async () => {
        const driver = await open();
        const { status, id, written } = await driver.request({ ioctl: ioctl.CIOCGSESSION, ...request });
        assert.deepEqual({ status, id, written }, { status: errno.EINVAL, id: 0, written: 32 });
        assert.equal(driver.device.statistics.sessions, 0);
        assert.equal((await driver.request({ ioctl: ioctl.CIOCGSESSION, cipher: AES_CBC, key })).status, 0);
      });
    }

    it('takes a MAC with an empty key, and one of 512 bytes', async () => {
      const driver = await open();
      const empty = await driver.session({ mac: SHA1_HMAC });
      const { mac } = await driver.crypt(empty, { data: bytes(9), macLength: 20 });
      same(mac, createHmac('sha1', '').update(bytes(9)).digest());
      const long = await driver.session({ mac: SHA1_HMAC, macKey: bytes(512) });
      const other = await driver.crypt(long, { data: bytes(9), macLength: 20 });
      same(other.mac, createHmac('sha1', bytes(512)).update(bytes(9)).digest());
    });

    it('ignores keys that nothing uses', async () => {
      const driver = await open();
      for (const session of [
        { cipher: AES_CBC, key, macKey: new Uint8Array(5) },
        { mac: SHA256, macKey: new Uint8Array(5) },
        { mac: SHA256, key: new Uint8Array(5) },
      ]) {
        assert.notEqual(await driver.session(session), 0);
      }
    });

    it('ends sessions; an unknown one is no error', async () => {
      const driver = await open();
      const session = await driver.session({ cipher: AES_CBC, key });
      const end = async (id: number) =>
        (await driver.request({ ioctl: ioctl.CIOCFSESSION, session: id })).status;
      assert.equal(await end(session), 0);
      assert.equal(await end(session), 0);
      assert.equal(await end(12345), 0);
      assert.equal((await driver.crypt(session, { iv, data: bytes(16) })).status, errno.EINVAL);
      assert.equal(driver.device.statistics.sessions, 0);
    });

    it('answers EINVAL to unknown types and ioctls', async () => {
      const driver = await open();
      for (const type of [0, 5, 0xffff]) assert.equal((await driver.request({ type })).status, errno.EINVAL);
      // CRIOGET, CIOCKEY, CIOCASYMFEAT, CIOCASYNCCRYPT, CIOCASYNCFETCH are the driver's.
      for (const number of [0, 101, 105, 106, 108, 110, 111, 113, 0xffff]) {
        assert.equal((await driver.request({ ioctl: number })).status, errno.EINVAL, `ioctl ${number}`);
      }
    });

    it('names the algorithms of a session', async () => {
      const driver = await open();
      const info = async (session: number) => {
        const { status, data } = await driver.request({ ioctl: ioctl.CIOCGSESSINFO, session });
        assert.equal(status, 0);
        assert.equal(data.length, 264);
        return decodeSessionInfo(Uint8Array.from(data));
      };
      const both = await driver.session({ cipher: AES_CBC, key, mac: SHA256_HMAC, macKey: key });
      assert.deepEqual(await info(both), {
        cipherName: 'cbc(aes)',
        cipherDriverName: 'cbc-aes-openssl',
        hashName: 'hmac(sha256)',
        hashDriverName: 'hmac-sha256-openssl',
        alignMask: 0,
        flags: 1,
      });
      const half = await info(await driver.session({ mac: SHA256 }));
      assert.equal(half.cipherName, '');
      assert.equal(half.hashName, 'sha256');
      const { status } = await driver.request({ ioctl: ioctl.CIOCGSESSINFO, session: 1 });
      assert.equal(status, errno.EINVAL);
    });

    it('keeps the sessions of one handle from another', async () => {
      const driver = await open();
      const session = await driver.session({ cipher: AES_CBC, key, mac: SHA1 });
      const handle = (await driver.request({ type: requestType.open })).id;
      const request = { iv, data: bytes(16), macLength: 20 };
      assert.equal((await driver.crypt(session, { handle, ...request })).status, errno.EINVAL);
      assert.equal((await driver.request({ ioctl: ioctl.CIOCFSESSION, handle, session })).status, 0);
      assert.equal((await driver.crypt(session, request)).status, 0);
    });

    it('keeps within its limits', async () => {
      const limits = {
        maxHandles: 2,
        maxSessions: 2,
        maxTotalSessions: 3,
        maxDataLength: 64,
        maxAuthLength: 32,
      };
      const driver = await RawDriver.open(limits, engine());
      const create = async (handle = driver.handle) =>
        (await driver.request({ ioctl: ioctl.CIOCGSESSION, handle, cipher: AES_CBC, key })).status;
      const other = (await driver.request({ type: requestType.open })).id;
      assert.equal((await driver.request({ type: requestType.open })).status, errno.ENFILE);
      assert.deepEqual([await create(), await create(), await create()], [0, 0, errno.EMFILE]);
      assert.deepEqual([await create(other), await create(other)], [0, errno.ENOMEM]);
      await driver.request({ type: requestType.close, handle: other });
      driver.handle = (await driver.request({ type: requestType.open })).id;
      const cbc = await driver.session({ cipher: AES_CBC, key });
      assert.equal((await driver.crypt(cbc, { iv, data: bytes(64) })).status, 0);
      assert.equal((await driver.crypt(cbc, { iv, data: bytes(80) })).status, errno.EMSGSIZE);
      await driver.request({ ioctl: ioctl.CIOCFSESSION, session: cbc });
      const gcm = await driver.session({ cipher: AES_GCM, key });
      assert.equal((await driver.authcrypt(gcm, { iv: nonce, auth: bytes(32) })).status, 0);
      assert.equal((await driver.authcrypt(gcm, { iv: nonce, auth: bytes(33) })).status, errno.EINVAL);
    });

    it('counts sessions that are being made against the limits', async () => {
      for (const [limit, full] of [
        ['maxSessions', errno.EMFILE],
        ['maxTotalSessions', errno.ENOMEM],
      ] as const) {
        const driver = await RawDriver.open({ [limit]: 2 }, engine());
        const create = () => driver.request({ ioctl: ioctl.CIOCGSESSION, cipher: AES_CBC, key });
        const all = await Promise.all([create(), create(), create()]);
        assert.deepEqual(all.map(({ status }) => status).sort(), [0, 0, full]);
      }
    });

    it('does nothing that was not negotiated', async () => {
      const driver = await open();
      const cbc = await driver.session({ cipher: AES_CBC, key, mac: SHA1_HMAC, macKey: key });
      const ctr = await driver.session({ cipher: AES_CTR, key, mac: SHA1_HMAC, macKey: key });
      driver.device.activate(0n);
      const create = async (request: RawRequest) =>
        (await driver.request({ ioctl: ioctl.CIOCGSESSION, ...request })).status;
      assert.equal(await create({ cipher: AES_CBC, key }), 0);
      assert.equal(await create({ mac: SHA1 }), errno.EINVAL);
      assert.equal(await create({ mac: SHA1_HMAC }), errno.EINVAL);
      assert.equal(await create({ cipher: AES_GCM, key }), errno.EINVAL);
      const tls = { flags: flag.tls, data: bytes(5) };
      assert.equal((await driver.authcrypt(cbc, tls)).status, errno.EINVAL);
      const srtp = { flags: flag.srtp, auth: bytes(5), dataLength: 5, macLength: 20 };
      assert.equal((await driver.authcrypt(ctr, srtp)).status, errno.EINVAL);
      const copy = { ioctl: ioctl.CIOCCPHASH, session: cbc, argument: ctr };
      assert.equal((await driver.request(copy)).status, errno.EINVAL);
      const oneShot = {
        type: requestType.oneShot,
        ioctl: ioctl.CIOCCRYPT,
        cipher: AES_CBC,
        key,
        data: bytes(16),
      };
      assert.equal((await driver.request(oneShot)).status, errno.EINVAL);
    });

    it('forgets everything at reset, and what one device has no other knows', async () => {
      const driver = await open();
      const other = await open();
      const session = await driver.session({ cipher: AES_CBC, key });
      await other.session({ cipher: AES_CBC, key: bytes(32) });
      assert.equal((await other.crypt(session, { iv, data: bytes(16) })).status, 0);
      same(
        (await other.crypt(session, { iv, data: bytes(16) })).data,
        nodeCipher('aes-256-cbc', bytes(32), iv, bytes(16)),
      );
      const { handle } = driver;
      driver.device.reset();
      assert.deepEqual([driver.device.statistics.handles, driver.device.statistics.sessions], [0, 0]);
      assert.equal((await driver.crypt(session, { iv, data: bytes(16) })).status, errno.EBADF);
      driver.handle = (await driver.request({ type: requestType.open })).id;
      assert.notEqual(driver.handle, handle);
      assert.equal((await driver.crypt(session, { iv, data: bytes(16) })).status, errno.EINVAL);
      assert.equal((await other.crypt(session, { iv, data: bytes(16) })).status, 0);
    });
  });

  describe(`virtio-cryptodev device, ${title}: CIOCCRYPT with ciphers`, () => {
    const ciphers: [string, number, Uint8Array, number, string][] = [
      ['CBC', AES_CBC, key, 16, 'aes-128-cbc'],
      ['CTR', AES_CTR, key, 16, 'aes-128-ctr'],
      ['CFB', AES_CFB, key, 16, 'aes-128-cfb'],
      ['OFB', AES_OFB, key, 16, 'aes-128-ofb'],
      ['3DES', DES3_CBC, bytes(24), 8, 'des-ede3-cbc'],
      ['Camellia', 101, key, 16, 'camellia-128-cbc'],
    ];
    for (const [what, cipher, withKey, ivLength, nodeName] of ciphers) {
      const withIv = iv.subarray(0, ivLength);
      for (const cuts of [[], [1, 2, 3, 5, 40], [100]]) {
        it(`${what} chains the IV over pieces, both ways, in segments of [${cuts}]`, async () => {
          const driver = await open();
          driver.cuts = cuts;
          const plain = bytes(96);
          const expected = nodeCipher(nodeName, withKey, withIv, plain);
          for (const [op, from, to] of [
            [COP_ENCRYPT, plain, expected],
            [COP_DECRYPT, expected, plain],
          ] as const) {
            const session = await driver.session({ cipher, key: withKey });
            const first = await driver.crypt(session, { op, iv: withIv, data: from.subarray(0, 48) });
            const empty = await driver.crypt(session, { op });
            const second = await driver.crypt(session, { op, data: from.subarray(48, 80) });
            const third = await driver.crypt(session, { op, data: from.subarray(80) });
            assert.deepEqual([first.status, empty.status, second.status, third.status], [0, 0, 0, 0]);
            same(Buffer.concat([first.data, second.data, third.data]), to);
          }
        });

        it(`${what} gives back the IV of the next piece with WRITE_IV only, in segments of [${cuts}]`, async () => {
          const driver = await open();
          driver.cuts = cuts;
          const plain = bytes(96);
          const expected = nodeCipher(nodeName, withKey, withIv, plain);
          const session = await driver.session({ cipher, key: withKey });
          for (const [op, from, to] of [
            [COP_ENCRYPT, plain, expected],
            [COP_DECRYPT, expected, plain],
          ] as const) {
            const silent = await driver.crypt(session, { op, iv: withIv, data: from.subarray(0, 48) });
            assert.equal(silent.iv.length, 0);
            const data = from.subarray(0, 48);
            const first = await driver.crypt(session, { op, flags: flag.writeIv, iv: withIv, data });
            assert.equal(first.iv.length, ivLength);
            const other = await driver.session({ cipher, key: withKey });
            const second = await driver.crypt(other, { op, iv: first.iv.slice(), data: from.subarray(48) });
            same(Buffer.concat([first.data, second.data]), to);
          }
        });
      }
    }

    it('carries over in the counter of CTR, and begins a block for a rest', async () => {
      const driver = await open();
      const session = await driver.session({ cipher: AES_CTR, key });
      const last = new Uint8Array(16).fill(0xff);
      const { iv: wrapped } = await driver.crypt(session, { flags: flag.writeIv, iv: last, data: bytes(16) });
      same(wrapped, new Uint8Array(16));
      const { iv: begun } = await driver.crypt(session, { flags: flag.writeIv, data: bytes(17) });
      same(
        begun,
        Uint8Array.from({ length: 16 }, (_, i) => (i === 15 ? 2 : 0)),
      );
    });

    it('starts from an IV of zeros', async () => {
      const driver = await open();
      const session = await driver.session({ cipher: AES_CBC, key });
      const { data } = await driver.crypt(session, { data: bytes(32) });
      same(data, nodeCipher('aes-128-cbc', key, new Uint8Array(16), bytes(32)));
    });

    it('ECB and NULL have no IV', async () => {
      const driver = await open();
      const ecb = await driver.session({ cipher: AES_ECB, key });
      const { data, iv: after, status } = await driver.crypt(ecb, { flags: flag.writeIv, data: bytes(32) });
      assert.equal(status, 0);
      same(data, nodeCipher('aes-128-ecb', key, null, bytes(32)));
      assert.equal(after.length, 0);
      assert.equal((await driver.crypt(ecb, { iv, data: bytes(32) })).status, errno.EINVAL);
      const copy = await driver.session({ cipher: NULL });
      same((await driver.crypt(copy, { data: bytes(33) })).data, bytes(33));
    });

    it('XTS', async () => {
      const driver = await open();
      const session = await driver.session({ cipher: AES_XTS, key: bytes(32) });
      const { data } = await driver.crypt(session, { iv, data: bytes(8192) });
      same(data, nodeCipher('aes-128-xts', bytes(32), iv, bytes(8192)));
      assert.equal((await driver.crypt(session, { iv, data: bytes(17) })).status, errno.EINVAL);
    });

    it('in place is exact, the next IV included', async () => {
      const driver = await open();
      for (const cipher of [AES_CBC, AES_CTR, AES_OFB, AES_CFB, NULL]) {
        const apart = await driver.session({ cipher, key: cipher === NULL ? new Uint8Array(0) : key });
        const together = await driver.session({ cipher, key: cipher === NULL ? new Uint8Array(0) : key });
        for (const op of [COP_ENCRYPT, COP_DECRYPT]) {
          const expected = await driver.crypt(apart, { op, data: bytes(64) });
          const again = await driver.crypt(apart, { op, data: bytes(64) });
          same(await cryptInPlace(driver, together, op, bytes(64)), expected.data);
          same(await cryptInPlace(driver, together, op, bytes(64)), again.data);
        }
      }
    });

    it('refuses what the reference refuses', async () => {
      const driver = await open();
      const session = await driver.session({ cipher: AES_CBC, key });
      const status = async (id: number, request: RawRequest) => (await driver.crypt(id, request)).status;
      assert.equal(await status(session, { op: 2, iv, data: bytes(16) }), errno.EINVAL);
      assert.equal(await status(session + 1, { iv, data: bytes(16) }), errno.EINVAL);
      assert.equal(await status(0, { iv, data: bytes(16) }), errno.EINVAL);
      assert.equal(await status(session, { iv, data: bytes(15) }), errno.EINVAL);
      assert.equal(await status(session, { iv: iv.subarray(0, 15), data: bytes(16) }), errno.EINVAL);
      assert.equal(await status(session, { iv: bytes(17), data: bytes(16) }), errno.EINVAL);
      const gcm = await driver.session({ cipher: AES_GCM, key });
      assert.equal(await status(gcm, { iv: nonce, data: bytes(16) }), errno.EINVAL);
      assert.equal(await status(session, { iv, data: bytes(16), flags: 0xff00 | flag.noZc }), 0);
    });

    it('a refused operation does not touch the stored IV', async () => {
      const driver = await open();
      const session = await driver.session({ cipher: AES_CBC, key });
      const expected = nodeCipher('aes-128-cbc', key, iv, bytes(32));
      await driver.crypt(session, { iv, data: bytes(16) });
      const refused: RawRequest[] = [
        { iv: bytes(16), data: bytes(15) },
        { op: 9 },
        { iv: bytes(16), data: bytes(16), room: 8 },
      ];
      for (const request of refused) assert.notEqual((await driver.crypt(session, request)).status, 0);
      same((await driver.crypt(session, { data: bytes(32).subarray(16) })).data, expected.subarray(16));
    });

    it('keeps the order within a session', async () => {
      const driver = await open();
      const session = await driver.session({ cipher: AES_CBC, key });
      const plain = bytes(16 * 20);
      const pieces = await Promise.all(
        Array.from({ length: 20 }, (_, i) =>
          driver.crypt(session, { ...(i === 0 && { iv }), data: plain.subarray(16 * i, 16 * i + 16) }),
        ),
      );
      same(Buffer.concat(pieces.map(({ data }) => data)), nodeCipher('aes-128-cbc', key, iv, plain));
    });

    it('ends a session, or its handle, after what was asked before', async () => {
      const driver = await open();
      const first = await driver.session({ cipher: AES_CBC, key });
      const before = driver.crypt(first, { iv, data: bytes(16) });
      const ended = driver.request({ ioctl: ioctl.CIOCFSESSION, session: first });
      const after = driver.crypt(first, { iv, data: bytes(16) });
      assert.deepEqual(
        [(await before).status, (await ended).status, (await after).status],
        [0, 0, errno.EINVAL],
      );
      const second = await driver.session({ cipher: AES_CBC, key });
      const operation = driver.crypt(second, { iv, data: bytes(16) });
      const closed = driver.request({ type: requestType.close });
      assert.deepEqual([(await operation).status, (await closed).status], [0, 0]);
    });
  });

  describe(`virtio-cryptodev device, ${title}: CIOCCRYPT with hashes`, () => {
    const { update, final, reset, noZc, writeIv } = flag;

    it('hashes in one part, also nothing', async () => {
      const driver = await open();
      const session = await driver.session({ mac: SHA256 });
      same((await driver.crypt(session, { data: bytes(100), macLength: 32 })).mac, sha256(bytes(100)));
      same((await driver.crypt(session, { macLength: 32 })).mac, sha256());
    });

    it('hashes in many parts', async () => {
      const driver = await open();
      const session = await driver.session({ mac: SHA256 });
      const first = await driver.crypt(session, { flags: update | reset, data: bytes(10) });
      assert.deepEqual([first.status, first.macLength, first.written], [0, 0, 32]);
      await driver.crypt(session, { flags: update, data: bytes(20) });
      const last = await driver.crypt(session, { flags: final, data: bytes(30), macLength: 32 });
      same(last.mac, sha256(bytes(10), bytes(20), bytes(30)));
    });

    it('resets with no flags or with RESET only', async () => {
      const driver = await open();
      const session = await driver.session({ mac: SHA256 });
      for (const [flags, continues] of [
        [0, false],
        [reset, false],
        [reset | noZc, false],
        [noZc, true],
        [writeIv, true],
        [final, true],
        [0x8000, true],
      ] as const) {
        await driver.crypt(session, { flags: update | reset, data: bytes(10) });
        const { mac } = await driver.crypt(session, { flags, data: bytes(20), macLength: 32 });
        same(mac, continues ? sha256(bytes(10), bytes(20)) : sha256(bytes(20)));
      }
    });

    it('finishes with FINAL, without UPDATE, or with nothing more', async () => {
      const driver = await open();
      const session = await driver.session({ mac: SHA256 });
      const start = () => driver.crypt(session, { flags: update | reset, data: bytes(10) });
      await start();
      same(
        (await driver.crypt(session, { flags: update | final, data: bytes(3), macLength: 32 })).mac,
        sha256(bytes(10), bytes(3)),
      );
      await start();
      same(
        (await driver.crypt(session, { flags: noZc, data: bytes(3), macLength: 32 })).mac,
        sha256(bytes(10), bytes(3)),
      );
      await start();
      same((await driver.crypt(session, { flags: update, macLength: 32 })).mac, sha256(bytes(10)));
      // After a digest the state is fresh.
      same(
        (await driver.crypt(session, { flags: final, data: bytes(5), macLength: 32 })).mac,
        sha256(bytes(5)),
      );
    });

    it('fills the rest of mac with zeros, and counts it as written', async () => {
      const driver = await open();
      const session = await driver.session({ mac: SHA1 });
      const done = await driver.crypt(session, { data: bytes(5), macLength: 64 });
      assert.deepEqual([done.status, done.macLength, done.written], [0, 20, 96]);
      const begun = await driver.crypt(session, { flags: update | reset, data: bytes(5), macLength: 64 });
      assert.deepEqual([begun.macLength, begun.written], [0, 96]);
    });

    it('without room for a digest that is due: EFAULT', async () => {
      const driver = await open();
      const hash = await driver.session({ mac: SHA256 });
      for (const macLength of [0, 31]) {
        const { status, written } = await driver.crypt(hash, { data: bytes(5), macLength });
        assert.deepEqual([status, written], [errno.EFAULT, 32]);
      }
      const both = await driver.session({ cipher: AES_CBC, key, mac: SHA256 });
      const { status, data, written } = await driver.crypt(both, { iv, data: bytes(16) });
      assert.deepEqual([status, written], [errno.EFAULT, 48]);
      same(data, nodeCipher('aes-128-cbc', key, iv, bytes(16)));
    });

    it('a session without a cipher does not decrypt', async () => {
      const driver = await open();
      const session = await driver.session({ mac: SHA256 });
      assert.equal(
        (await driver.crypt(session, { op: COP_DECRYPT, data: bytes(5), macLength: 32 })).status,
        errno.EINVAL,
      );
    });

    it('with a cipher the MAC is that of the plaintext, in both directions', async () => {
      const driver = await open();
      const session = await driver.session({ cipher: AES_CBC, key, mac: SHA1_HMAC, macKey: key });
      const sealed = await driver.crypt(session, { iv, data: bytes(64), macLength: 20 });
      same(sealed.data, nodeCipher('aes-128-cbc', key, iv, bytes(64)));
      same(sealed.mac, hmacSha1(bytes(64)));
      const opened = await driver.crypt(session, {
        op: COP_DECRYPT,
        iv,
        data: sealed.data.slice(),
        macLength: 20,
      });
      same(opened.data, bytes(64));
      same(opened.mac, sealed.mac);
      assert.equal(
        (await driver.crypt(session, { iv, data: bytes(15), macLength: 20 })).status,
        errno.EINVAL,
      );
    });

    it('CIOCCPHASH copies a state, keyed or not', async () => {
      const driver = await open();
      const copy = async (session: number, argument: number) =>
        (await driver.request({ ioctl: ioctl.CIOCCPHASH, session, argument })).status;
      for (const [mac, length, digest] of [
        [SHA256, 32, sha256],
        [SHA1_HMAC, 20, hmacSha1],
      ] as const) {
        const request = mac === SHA256 ? { mac } : { mac, macKey: key };
        const source = await driver.session(request);
        const target = await driver.session(request);
        await driver.crypt(source, { flags: update | reset, data: bytes(10) });
        await driver.crypt(target, { flags: update | reset, data: bytes(99) });
        assert.equal(await copy(target, source), 0);
        const finish = (session: number, data: Uint8Array) =>
          driver.crypt(session, { flags: final, data, macLength: length });
        same((await finish(target, bytes(1))).mac, digest(bytes(10), bytes(1)));
        same((await finish(source, bytes(2))).mac, digest(bytes(10), bytes(2)));
        // Used up: fresh again. And a reset discards a copy.
        same((await finish(target, bytes(3))).mac, digest(bytes(3)));
        await driver.crypt(source, { flags: update | reset, data: bytes(10) });
        assert.equal(await copy(target, source), 0);
        same((await driver.crypt(target, { data: bytes(4), macLength: length })).mac, digest(bytes(4)));
      }
    });

    it('CIOCCPHASH refuses', async () => {
      const driver = await open();
      const copy = async (session: number, argument: number) =>
        (await driver.request({ ioctl: ioctl.CIOCCPHASH, session, argument })).status;
      const hash = await driver.session({ mac: SHA256 });
      const other = await driver.session({ mac: SHA1 });
      const cipher = await driver.session({ cipher: AES_CBC, key });
      assert.equal(await copy(hash, hash), errno.EDEADLK);
      assert.equal(await copy(0, 0), errno.EDEADLK);
      assert.equal(await copy(hash, 1), errno.ENOENT);
      assert.equal(await copy(1, hash), errno.ENOENT);
      assert.equal(await copy(hash, cipher), errno.EINVAL);
      assert.equal(await copy(cipher, hash), errno.EINVAL);
      assert.equal(await copy(hash, other), errno.EINVAL);
    });

    it('CIOCCPHASH takes its turn among the operations of both sessions', async () => {
      const driver = await open();
      const source = await driver.session({ mac: SHA256 });
      const target = await driver.session({ mac: SHA256 });
      const all = await Promise.all([
        driver.crypt(source, { flags: update | reset, data: bytes(10) }),
        driver.request({ ioctl: ioctl.CIOCCPHASH, session: target, argument: source }),
        driver.crypt(source, { flags: update, data: bytes(20) }),
        driver.crypt(target, { flags: final, data: bytes(1), macLength: 32 }),
        driver.crypt(source, { flags: final, data: bytes(2), macLength: 32 }),
      ]);
      same(all[3].mac, sha256(bytes(10), bytes(1)));
      same(all[4].mac, sha256(bytes(10), bytes(20), bytes(2)));
    });
  });

  describe(`virtio-cryptodev device, ${title}: one-shot requests`, () => {
    const oneShot = (driver: RawDriver, request: RawRequest) =>
      driver.request({ type: requestType.oneShot, handle: 0, ...request });

    it('are session, operation and end of session', async () => {
      const driver = await open();
      const cbc = await oneShot(driver, {
        ioctl: ioctl.CIOCCRYPT,
        cipher: AES_CBC,
        key,
        iv,
        data: bytes(32),
      });
      same(cbc.data, nodeCipher('aes-128-cbc', key, iv, bytes(32)));
      const mac = await oneShot(driver, {
        ioctl: ioctl.CIOCCRYPT,
        mac: SHA1_HMAC,
        macKey: key,
        data: bytes(5),
        macLength: 20,
      });
      same(mac.mac, hmacSha1(bytes(5)));
      const gcm = { ioctl: ioctl.CIOCAUTHCRYPT, cipher: AES_GCM, key, iv: nonce, auth: bytes(3) };
      const sealed = await oneShot(driver, { ...gcm, data: bytes(5) });
      const opened = await oneShot(driver, { ...gcm, op: COP_DECRYPT, data: sealed.data.slice() });
      same(opened.data, bytes(5));
      assert.equal(driver.device.statistics.sessions, 0);
    });

    it('fail like the session and like the operation', async () => {
      const driver = await open();
      const status = async (request: RawRequest) => (await oneShot(driver, request)).status;
      assert.equal(
        await status({ ioctl: ioctl.CIOCCRYPT, cipher: AES_CBC, key: bytes(3), data: bytes(16) }),
        errno.EINVAL,
      );
      assert.equal(
        await status({ ioctl: ioctl.CIOCCRYPT, cipher: AES_CBC, key, data: bytes(15) }),
        errno.EINVAL,
      );
      assert.equal(await status({ ioctl: ioctl.CIOCGSESSION, cipher: AES_CBC, key }), errno.EINVAL);
      assert.equal(
        await status({
          ioctl: ioctl.CIOCAUTHCRYPT,
          cipher: AES_GCM,
          key,
          iv: nonce,
          op: COP_DECRYPT,
          data: randomBytes(20),
        }),
        errno.EBADMSG,
      );
    });
  });
}

/** Source and destination are one memory. */
async function cryptInPlace(
  driver: RawDriver,
  session: number,
  op: number,
  data: Uint8Array,
): Promise<Uint8Array> {
  const head = new Uint8Array(48);
  encodeRequestHeader(new Uint32Array(head.buffer), {
    ...emptyRequestHeader(),
    type: requestType.ioctl,
    ioctl: ioctl.CIOCCRYPT,
    handle: driver.handle,
    session,
    op,
    dataLength: data.length,
  });
  const shared = Uint8Array.from(data);
  const readable = segmentsOf(head);
  readable.push(shared, 0, shared.length);
  const writable = segmentsOf(new Uint8Array(32));
  writable.push(shared, 0, shared.length);
  assert.equal(await driver.send(readable, writable), 32 + data.length);
  return shared;
}
