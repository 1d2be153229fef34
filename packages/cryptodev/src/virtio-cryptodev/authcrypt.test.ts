/** CIOCAUTHCRYPT by raw requests: AEAD, TLS and SRTP type. */
import assert from 'node:assert/strict';
import { type CipherGCMTypes, createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import { type HashName, hashes } from '../algorithms.ts';
import type { Engine, EngineDigest } from '../engine.ts';
import { OpensslEngine } from '../engines/openssl.ts';
import { errno } from './errno.ts';
import { lateEngine, RawDriver, type RawRequest, type RawResponse } from './testing/raw-driver.ts';
import { COP_DECRYPT, COP_ENCRYPT, flag } from './wire.ts';

const [AES_CBC, NULL, AES_CTR, AES_GCM, AES_CCM, CHACHA20_POLY1305] = [11, 16, 21, 50, 51, 112];
const [SHA1_HMAC, SHA512_HMAC, SHA256] = [7, 20, 104];

const key = Uint8Array.from({ length: 16 }, (_, i) => i);
const macKey = Uint8Array.from({ length: 20 }, (_, i) => 50 + i);
const iv = Uint8Array.from({ length: 16 }, (_, i) => 0xf0 + i);
const nonce = iv.subarray(0, 12);
const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 7) & 0xff);
const same = (actual: Uint8Array, expected: Uint8Array): void => {
  assert.equal(Buffer.from(actual).toString('hex'), Buffer.from(expected).toString('hex'));
};
const allZero = (data: Uint8Array): boolean => data.every((byte) => byte === 0);
const hmac = (...parts: Uint8Array[]): Buffer => {
  const mac = createHmac('sha1', macKey);
  for (const part of parts) mac.update(part);
  return mac.digest();
};
const cbc = (data: Uint8Array, decrypt = false): Buffer => {
  const make = decrypt ? createDecipheriv : createCipheriv;
  const cipher = make('aes-128-cbc', key, iv).setAutoPadding(false);
  return Buffer.concat([cipher.update(data), cipher.final()]);
};
const flipped = (data: Uint8Array, at: number): Uint8Array => {
  const copy = Uint8Array.from(data);
  copy[at]! ^= 1;
  return copy;
};
const gcm = (data: Uint8Array, auth: Uint8Array, authTagLength = 16): Buffer => {
  const cipher = createCipheriv('aes-128-gcm' as CipherGCMTypes, key, nonce, { authTagLength });
  cipher.setAAD(auth);
  return Buffer.concat([cipher.update(data), cipher.final(), cipher.getAuthTag()]);
};

/** An engine that counts what its MACs do: how often they are called, and how many blocks they compress. */
function countingEngine() {
  const engine = new OpensslEngine();
  const count = { calls: 0, blocks: 0 };
  const counted = (inner: EngineDigest, blockSize: number): EngineDigest => {
    let taken = 0;
    const restart = (blocks: number) => {
      count.calls += 1;
      count.blocks += blocks;
      taken = 0;
    };
    return {
      update: (data) => {
        count.calls += 1;
        taken += data.byteLength;
        return inner.update(data);
      },
      digest: (output) => {
        restart(Math.ceil((taken + 1 + blockSize / 8) / blockSize));
        return inner.digest(output);
      },
      reset: () => {
        restart(Math.floor(taken / blockSize));
        return inner.reset();
      },
      copy: () => assert.fail('nobody asks for it'),
      close: () => inner.close(),
    };
  };
  const makeMac = engine.createMac.bind(engine);
  const createMac: Engine['createMac'] = (mac, macKey) =>
    counted(makeMac(mac, macKey), hashes[mac.replace('hmac-', '') as HashName].blockSize);
  return {
    engine: Object.assign(engine as Engine, { createMac }),
    /** What it takes to do this. */
    async during(action: () => Promise<RawResponse>) {
      Object.assign(count, { calls: 0, blocks: 0 });
      const { status } = await action();
      return { status, ...count };
    },
  };
}

const engines = {
  'engine that answers at once': () => new OpensslEngine(),
  'engine that answers later': () => lateEngine(new OpensslEngine()),
};

for (const [title, engine] of Object.entries(engines)) {
  const open = (): Promise<RawDriver> => RawDriver.open({}, engine());

  describe(`CIOCAUTHCRYPT of AEAD type, ${title}`, () => {
    it('GCM puts the tag behind the ciphertext, and takes it from there', async () => {
      const driver = await open();
      const session = await driver.session({ cipher: AES_GCM, key });
      for (const cuts of [[], [1, 7, 30]]) {
        driver.cuts = cuts;
        for (const length of [0, 1, 33, 100]) {
          const sealed = await driver.authcrypt(session, { iv: nonce, auth: bytes(9), data: bytes(length) });
          assert.deepEqual([sealed.status, sealed.macLength, sealed.written], [0, 16, 32 + length + 16]);
          same(sealed.data, gcm(bytes(length), bytes(9)));
          const request = { op: COP_DECRYPT, iv: nonce, auth: bytes(9), data: sealed.data.slice() };
          const opened = await driver.authcrypt(session, request);
          assert.deepEqual([opened.status, opened.macLength, opened.written], [0, 16, 32 + length]);
          same(opened.data, bytes(length));
        }
      }
    });

    it('GCM takes associated data in several descriptors, and no other data', async () => {
      const driver = await open();
      const session = await driver.session({ cipher: AES_GCM, key });
      for (const cuts of [[], [48, 12, 3], [70], [1, 7, 30]]) {
        driver.cuts = cuts;
        const sealed = await driver.authcrypt(session, { iv: nonce, auth: bytes(20) });
        assert.deepEqual([sealed.status, sealed.macLength, sealed.written], [0, 16, 32 + 16]);
        same(sealed.data, gcm(new Uint8Array(0), bytes(20)));
        const request = { op: COP_DECRYPT, iv: nonce, auth: bytes(20), data: sealed.data.slice() };
        assert.deepEqual((await driver.authcrypt(session, request)).status, 0);
        const wrong = { ...request, auth: flipped(bytes(20), 19) };
        assert.deepEqual((await driver.authcrypt(session, wrong)).status, errno.EBADMSG);
      }
    });

    it('ChaCha20-Poly1305', async () => {
      const driver = await open();
      const session = await driver.session({ cipher: CHACHA20_POLY1305, key: bytes(32) });
      const { data } = await driver.authcrypt(session, { iv: nonce, auth: bytes(9), data: bytes(50) });
      const cipher = createCipheriv('chacha20-poly1305', bytes(32), nonce, { authTagLength: 16 });
      cipher.setAAD(bytes(9), { plaintextLength: 50 });
      same(data, Buffer.concat([cipher.update(bytes(50)), cipher.final(), cipher.getAuthTag()]));
    });

    it('CCM has the length of its nonce in the first byte of the IV', async () => {
      const driver = await open();
      const session = await driver.session({ cipher: AES_CCM, key });
      for (const lengthOfLength of [2, 3, 8]) {
        const ccmIv = Uint8Array.from(iv);
        ccmIv[0] = lengthOfLength - 1;
        const { data } = await driver.authcrypt(session, { iv: ccmIv, auth: bytes(9), data: bytes(50) });
        const ccmNonce = ccmIv.subarray(1, 16 - lengthOfLength);
        const cipher = createCipheriv('aes-128-ccm', key, ccmNonce, { authTagLength: 16 });
        cipher.setAAD(bytes(9), { plaintextLength: 50 });
        same(data, Buffer.concat([cipher.update(bytes(50)), cipher.final(), cipher.getAuthTag()]));
      }
      for (const first of [0, 8, 255]) {
        const ccmIv = Uint8Array.from(iv);
        ccmIv[0] = first;
        assert.equal((await driver.authcrypt(session, { iv: ccmIv, data: bytes(5) })).status, errno.EINVAL);
      }
      const short = Uint8Array.from(iv);
      short[0] = 1;
      assert.equal((await driver.authcrypt(session, { iv: short, data: new Uint8Array(65535) })).status, 0);
      assert.equal(
        (await driver.authcrypt(session, { iv: short, data: new Uint8Array(65536) })).status,
        errno.EINVAL,
      );
    });

    it('the tag length sticks', async () => {
      const driver = await open();
      const session = await driver.session({ cipher: AES_GCM, key });
      const seal = (tagLength: number) =>
        driver.authcrypt(session, { iv: nonce, auth: bytes(9), data: bytes(20), tagLength });
      assert.equal((await seal(0)).macLength, 16);
      assert.equal((await seal(17)).status, errno.EINVAL);
      assert.equal((await seal(16)).macLength, 16);
      same((await seal(12)).data, gcm(bytes(20), bytes(9), 12));
      assert.equal((await seal(0)).macLength, 12);
      assert.equal((await seal(16)).status, errno.EINVAL);
      same((await seal(0)).data, gcm(bytes(20), bytes(9), 12));
      assert.equal((await seal(3)).status, errno.EINVAL);
      const request = { op: COP_DECRYPT, iv: nonce, auth: bytes(9) };
      const opened = await driver.authcrypt(session, { ...request, data: gcm(bytes(20), bytes(9), 12) });
      same(opened.data, bytes(20));
    });

    it('the tag length sticks also if the tag was wrong, and not if the operation was', async () => {
      const driver = await open();
      const session = await driver.session({ cipher: AES_GCM, key });
      const request = { iv: nonce, auth: bytes(9), data: bytes(20) };
      const seal = () => driver.authcrypt(session, request);
      assert.equal(
        (await driver.authcrypt(session, { ...request, op: 2, tagLength: 12 })).status,
        errno.EINVAL,
      );
      assert.equal((await driver.authcrypt(session, { ...request, iv, tagLength: 12 })).status, errno.EINVAL);
      assert.equal((await seal()).macLength, 16);
      const opened = await driver.authcrypt(session, { ...request, op: COP_DECRYPT, tagLength: 12 });
      assert.equal(opened.status, errno.EBADMSG);
      assert.equal((await seal()).macLength, 12);
    });

    it('gives a copy of the tag where there is room for one', async () => {
      const driver = await open();
      const session = await driver.session({ cipher: AES_GCM, key });
      for (const macLength of [16, 20]) {
        const sealed = await driver.authcrypt(session, { iv: nonce, data: bytes(5), macLength });
        assert.deepEqual([sealed.macLength, sealed.written], [16, 32 + macLength + 5 + 16]);
        same(sealed.mac, sealed.data.subarray(5));
      }
    });

    it('leaves only zeros of what is not authentic', async () => {
      const driver = await open();
      const session = await driver.session({ cipher: AES_GCM, key });
      const data = gcm(bytes(40), bytes(9));
      const request = { op: COP_DECRYPT, iv: nonce, auth: bytes(9), data };
      const wrong: RawRequest[] = [
        { data: flipped(data, 0) },
        { data: flipped(data, 55) },
        { auth: bytes(8) },
        { iv: bytes(12) },
      ];
      for (const change of wrong) {
        const { status, destination, written } = await driver.authcrypt(session, { ...request, ...change });
        assert.deepEqual([status, written], [errno.EBADMSG, 32]);
        assert.ok(allZero(destination.subarray(0, 40)));
      }
      assert.equal((await driver.authcrypt(session, request)).status, 0);
    });

    it('refuses', async () => {
      const driver = await open();
      const session = await driver.session({ cipher: AES_GCM, key });
      const status = async (id: number, request: RawRequest) => (await driver.authcrypt(id, request)).status;
      assert.equal(
        await status(session, { data: bytes(5) }),
        errno.EINVAL,
        'no IV: a nonce is never used again',
      );
      assert.equal(await status(session, { iv, data: bytes(5) }), errno.EINVAL);
      assert.equal(await status(session, { op: 2, iv: nonce, data: bytes(5) }), errno.EINVAL);
      assert.equal(await status(session, { op: COP_DECRYPT, iv: nonce, data: bytes(15) }), errno.EINVAL);
      assert.equal(await status(session + 1, { iv: nonce, data: bytes(15) }), errno.EINVAL);
      assert.equal(await status(session, { iv: nonce, auth: new Uint8Array(65537) }), errno.EINVAL);
      assert.equal(await status(await driver.session({ mac: SHA1_HMAC }), { data: bytes(5) }), errno.EINVAL);
      for (const cipher of [AES_CBC, AES_CTR]) {
        const plain = await driver.session({ cipher, key });
        assert.equal(await status(plain, { iv, data: bytes(16) }), errno.EINVAL);
      }
    });

    it('gives back the IV it used with WRITE_IV', async () => {
      const driver = await open();
      const session = await driver.session({ cipher: AES_GCM, key });
      same((await driver.authcrypt(session, { flags: flag.writeIv, iv: nonce, data: bytes(3) })).iv, nonce);
    });
  });

  describe(`CIOCAUTHCRYPT of TLS type, ${title}`, () => {
    const record = (text: Uint8Array, auth: Uint8Array, tagLength = 20, padding?: number): Buffer => {
      const unpadded = text.length + tagLength;
      const length = padding ?? 16 - (unpadded % 16);
      return Buffer.concat([text, hmac(auth, text).subarray(0, tagLength), Buffer.alloc(length, length - 1)]);
    };
    const withMac = (driver: RawDriver) => driver.session({ cipher: AES_CBC, key, mac: SHA1_HMAC, macKey });
    const decrypt = { op: COP_DECRYPT, flags: flag.tls, iv, auth: bytes(13) };

    it('is MAC, padding, encryption', async () => {
      const driver = await open();
      const session = await withMac(driver);
      for (const cuts of [[], [1, 7, 30]]) {
        driver.cuts = cuts;
        for (const length of [0, 1, 11, 12, 28, 300]) {
          const sealed = await driver.authcrypt(session, {
            flags: flag.tls,
            iv,
            auth: bytes(13),
            data: bytes(length),
          });
          assert.equal(sealed.macLength, 20);
          same(sealed.data, cbc(record(bytes(length), bytes(13))));
          const opened = await driver.authcrypt(session, { ...decrypt, data: sealed.data.slice() });
          assert.deepEqual([opened.status, opened.macLength], [0, 20]);
          same(opened.data, bytes(length));
        }
      }
    });

    it('takes more padding than it needs, up to 256 bytes', async () => {
      const driver = await open();
      const session = await withMac(driver);
      const { data } = await driver.authcrypt(session, {
        ...decrypt,
        data: cbc(record(bytes(12), bytes(13), 20, 256)),
      });
      same(data, bytes(12));
    });

    it('truncates the tag', async () => {
      const driver = await open();
      const session = await withMac(driver);
      const tagLength = 10;
      const sealed = await driver.authcrypt(session, {
        flags: flag.tls,
        iv,
        auth: bytes(13),
        data: bytes(30),
        tagLength,
      });
      same(sealed.data, cbc(record(bytes(30), bytes(13), tagLength)));
      const opened = await driver.authcrypt(session, { ...decrypt, data: sealed.data.slice(), tagLength });
      same(opened.data, bytes(30));
      assert.equal(
        (await driver.authcrypt(session, { ...decrypt, data: bytes(32), tagLength: 21 })).status,
        errno.EINVAL,
      );
    });

    it('says EBADMSG of every change, and leaves only zeros', async () => {
      const driver = await open();
      const session = await withMac(driver);
      const good = record(bytes(12), bytes(13), 20, 32);
      const bad: Record<string, Uint8Array> = {
        text: flipped(good, 0),
        tag: flipped(good, 20),
        padding: flipped(good, 40),
        'length of the padding': flipped(good, 63),
        'padding longer than the record': new Uint8Array(48).fill(0xff),
        'no room for a tag': new Uint8Array(16).fill(15),
      };
      for (const [what, plain] of Object.entries(bad)) {
        const answer = await driver.authcrypt(session, { ...decrypt, data: cbc(plain) });
        assert.deepEqual([answer.status, answer.written], [errno.EBADMSG, 32], what);
        assert.ok(allZero(answer.destination.subarray(0, plain.length)), what);
      }
      assert.equal(
        (await driver.authcrypt(session, { ...decrypt, auth: bytes(12), data: cbc(good) })).status,
        errno.EBADMSG,
      );
      assert.equal((await driver.authcrypt(session, { ...decrypt, data: cbc(good) })).status, 0);
    });

    it('has the hash do as much whatever the padding is, right or wrong', async () => {
      const counted = countingEngine();
      const driver = await RawDriver.open({}, counted.engine);
      for (const mac of [SHA1_HMAC, SHA512_HMAC]) {
        const session = await driver.session({ cipher: AES_CBC, key, mac, macKey });
        const tagLength = mac === SHA1_HMAC ? 20 : 64;
        const work = new Set<string>();
        for (let padding = 0; padding < 256; padding++) {
          const plain = new Uint8Array(400).fill(padding);
          for (const wrong of [false, true]) {
            if (wrong) plain[398] = padding ^ 1;
            const data = cbc(plain);
            const { status, ...did } = await counted.during(() =>
              driver.authcrypt(session, { ...decrypt, data, tagLength }),
            );
            assert.equal(status, errno.EBADMSG);
            work.add(JSON.stringify(did));
          }
        }
        assert.equal(work.size, 1, [...work].join(' '));
      }
    });

    it('refuses tags that are next to none', async () => {
      const driver = await open();
      const session = await withMac(driver);
      for (const tagLength of [1, 4, 9]) {
        for (const op of [COP_ENCRYPT, COP_DECRYPT]) {
          const request = { ...decrypt, op, data: bytes(32), tagLength };
          assert.equal((await driver.authcrypt(session, request)).status, errno.EINVAL);
        }
      }
    });

    it('works without a MAC: padding only', async () => {
      const driver = await open();
      const session = await driver.session({ cipher: AES_CBC, key });
      const sealed = await driver.authcrypt(session, { flags: flag.tls, iv, data: bytes(16) });
      same(sealed.data, cbc(Buffer.concat([bytes(16), Buffer.alloc(16, 15)])));
      same((await driver.authcrypt(session, { ...decrypt, data: sealed.data.slice() })).data, bytes(16));
      assert.equal(
        (await driver.authcrypt(session, { ...decrypt, data: bytes(16), tagLength: 1 })).status,
        errno.EINVAL,
      );
      const wrong = await driver.authcrypt(session, { ...decrypt, data: cbc(new Uint8Array(16).fill(16)) });
      assert.equal(wrong.status, errno.EBADMSG);
    });

    it('does not pad for a stream cipher', async () => {
      const driver = await open();
      const session = await driver.session({ cipher: AES_CTR, key, mac: SHA1_HMAC, macKey });
      const sealed = await driver.authcrypt(session, {
        flags: flag.tls,
        iv,
        auth: bytes(13),
        data: bytes(5),
      });
      assert.equal(sealed.data.length, 25);
      same((await driver.authcrypt(session, { ...decrypt, data: sealed.data.slice() })).data, bytes(5));
    });

    it('chains the IV and starts the MAC anew', async () => {
      const driver = await open();
      const session = await withMac(driver);
      await driver.crypt(session, { flags: flag.update, iv, data: bytes(16) });
      const first = await driver.authcrypt(session, {
        flags: flag.tls | flag.writeIv,
        iv,
        auth: bytes(13),
        data: bytes(9),
      });
      same(first.data, cbc(record(bytes(9), bytes(13))));
      same(first.iv, first.data.subarray(-16));
      const second = await driver.authcrypt(session, { flags: flag.tls, auth: bytes(13), data: bytes(9) });
      same(
        Buffer.concat([first.data, second.data]),
        cbc(Buffer.concat([record(bytes(9), bytes(13)), record(bytes(9), bytes(13))])),
      );
    });

    it('refuses', async () => {
      const driver = await open();
      const status = async (session: RawRequest, request: RawRequest) =>
        (await driver.authcrypt(await driver.session(session), { ...decrypt, ...request })).status;
      const both = { cipher: AES_CBC, key, mac: SHA1_HMAC, macKey };
      assert.equal(await status({ mac: SHA1_HMAC, macKey }, { data: bytes(32) }), errno.EINVAL);
      assert.equal(await status({ cipher: AES_GCM, key }, { iv: nonce, data: bytes(32) }), errno.EINVAL);
      assert.equal(await status(both, { data: bytes(0) }), errno.EINVAL);
      assert.equal(await status(both, { data: bytes(31) }), errno.EINVAL);
      assert.equal(await status(both, { data: bytes(32), room: 31 }), errno.EPROTO);
      assert.equal(await status(both, { op: COP_ENCRYPT, data: bytes(11), room: 31 }), errno.EPROTO);
      assert.equal(await status(both, { op: COP_ENCRYPT, data: bytes(11), room: 32 }), 0);
    });
  });

  describe(`CIOCAUTHCRYPT of SRTP type, ${title}`, () => {
    const offset = 12;
    const packet = bytes(60);
    const payload = packet.subarray(offset, 52);
    const ctr = (data: Uint8Array): Buffer => createCipheriv('aes-128-ctr', key, iv).update(data);
    const sealedPacket = Buffer.concat([packet.subarray(0, offset), ctr(payload), packet.subarray(52)]);
    const request: RawRequest = {
      flags: flag.srtp,
      iv,
      auth: packet,
      argument: offset,
      dataLength: 40,
      macLength: 20,
    };
    const decrypt: RawRequest = { ...request, op: COP_DECRYPT, auth: sealedPacket };
    const create = (driver: RawDriver) => driver.session({ cipher: AES_CTR, key, mac: SHA1_HMAC, macKey });
    const untouched = ({ destination }: RawResponse): boolean => destination.every((byte) => byte === 0xee);

    it('encrypts a part of the packet and authenticates the whole', async () => {
      const driver = await open();
      const session = await create(driver);
      for (const cuts of [[], [1, 7, 30]]) {
        driver.cuts = cuts;
        const sealed = await driver.authcrypt(session, request);
        assert.deepEqual([sealed.status, sealed.macLength, sealed.written], [0, 20, 32 + 20 + 40]);
        same(sealed.data, ctr(payload));
        same(sealed.mac, hmac(sealedPacket));
        const opened = await driver.authcrypt(session, { ...decrypt, tag: sealed.mac.slice() });
        assert.deepEqual([opened.status, opened.macLength, opened.written], [0, 20, 32 + 40]);
        same(opened.data, payload);
      }
    });

    it('truncates the tag', async () => {
      const driver = await open();
      const session = await create(driver);
      const sealed = await driver.authcrypt(session, { ...request, tagLength: 10, macLength: 10 });
      same(sealed.mac, hmac(sealedPacket).subarray(0, 10));
      const tag = sealed.mac.slice();
      assert.equal(
        (await driver.authcrypt(session, { ...decrypt, tagLength: 10, macLength: 10, tag })).status,
        0,
      );
    });

    it('refuses tags that are next to none', async () => {
      const driver = await open();
      const session = await create(driver);
      for (const tagLength of [1, 2, 3]) {
        for (const refused of [request, { ...decrypt, tag: bytes(20) }]) {
          const { status } = await driver.authcrypt(session, { ...refused, tagLength, macLength: 20 });
          assert.equal(status, errno.EINVAL);
        }
      }
      const short = { ...request, tagLength: 4, macLength: 4 };
      assert.equal((await driver.authcrypt(session, short)).status, 0);
    });

    it('says EBADMSG of every change and touches nothing', async () => {
      const driver = await open();
      const session = await create(driver);
      const tag = hmac(sealedPacket);
      for (const change of [
        { tag: flipped(tag, 19) },
        { tag, auth: flipped(sealedPacket, 0) },
        { tag, auth: flipped(sealedPacket, 20) },
        { tag, auth: flipped(sealedPacket, 59) },
      ]) {
        const answer = await driver.authcrypt(session, { ...decrypt, ...change });
        assert.equal(answer.status, errno.EBADMSG);
        assert.ok(untouched(answer));
      }
    });

    it('refuses', async () => {
      const driver = await open();
      const session = await create(driver);
      const tag = hmac(sealedPacket);
      const status = async (id: number, change: RawRequest) =>
        (await driver.authcrypt(id, { ...request, ...change })).status;
      assert.equal(await status(session, { macLength: 0 }), errno.EFAULT);
      assert.equal(await status(session, { macLength: 19 }), errno.EFAULT);
      assert.equal(await status(session, { op: COP_DECRYPT, macLength: 0 }), errno.EFAULT);
      assert.equal(await status(session, { tagLength: 64, macLength: 64 }), errno.EINVAL);
      assert.equal(
        await status(session, { op: COP_DECRYPT, tag: bytes(64), tagLength: 64, macLength: 64 }),
        errno.EINVAL,
      );
      assert.equal(await status(session, { auth: bytes(0), argument: 0, dataLength: 0 }), errno.EINVAL);
      assert.equal(await status(session, { dataLength: 49 }), errno.EINVAL);
      assert.equal(await status(session, { auth: bytes(300), argument: 257, dataLength: 1 }), errno.EINVAL);
      assert.equal(await status(session, { auth: bytes(300), argument: 256, dataLength: 1 }), 0);
      assert.equal(await status(session, { argument: 0xffffffff }), errno.EINVAL);
      assert.equal(await status(session, { op: COP_DECRYPT, tag, dataLength: 0 }), errno.EINVAL);
      assert.equal(
        await status(await driver.session({ cipher: AES_CBC, key, mac: SHA1_HMAC, macKey }), {}),
        errno.EINVAL,
      );
      assert.equal(await status(await driver.session({ cipher: AES_GCM, key }), { iv: nonce }), errno.EINVAL);
      assert.equal(await status(await driver.session({ mac: SHA256 }), {}), errno.EINVAL);
    });

    it('works without a MAC, and with a cipher that does nothing', async () => {
      const driver = await open();
      const plain = await driver.authcrypt(await driver.session({ cipher: AES_CTR, key }), {
        ...request,
        macLength: 0,
      });
      same(plain.data, ctr(payload));
      const session = await driver.session({ cipher: NULL, mac: SHA1_HMAC, macKey });
      const only = await driver.authcrypt(session, { ...request, iv: new Uint8Array(0) });
      same(only.mac, hmac(packet));
    });
  });
}
