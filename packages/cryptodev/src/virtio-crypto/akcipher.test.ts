/** AKCIPHER beside node:crypto, through the device and its driver. */
import assert from 'node:assert/strict';
import * as crypto from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { LoopbackTransport } from '@skytale/virtio';
import type { AsymmetricKeyOptions, CurveName, RsaHash } from '../asymmetric.ts';
import { CryptoError, type CryptoErrorCode } from '../crypto-error.ts';
import { OpensslEngine } from '../engines/openssl.ts';
import { VirtioCryptoDevice } from './device.ts';
import { VirtioCryptoDriver } from './driver.ts';
import { akcipherSpec } from './driver-key.ts';
import { encodeAkcipherData, encodeAkcipherSession, encodeStatelessAkcipher } from './encode.ts';
import { RawDriver } from './testing/raw-driver.ts';
import { keyType, operation, rsaPadding, service, status } from './wire.ts';

const rsa = crypto.generateKeyPairSync('rsa', { modulusLength: 1024 });
const rsaPublic = new Uint8Array(rsa.publicKey.export({ type: 'pkcs1', format: 'der' }));
const rsaPrivate = new Uint8Array(rsa.privateKey.export({ type: 'pkcs1', format: 'der' }));
const modulusLength = 128;
const message = Buffer.from('what the sender means');

async function refused(code: CryptoErrorCode, action: () => Promise<unknown>): Promise<void> {
  await assert.rejects(action, (error) => {
    assert.ok(error instanceof CryptoError);
    assert.equal(error.code, code, error.message);
    return true;
  });
}

function der(tag: number, ...contents: Uint8Array[]): Uint8Array {
  const all = Buffer.concat(contents);
  return Uint8Array.of(tag, 0x82, all.length >> 8, all.length & 0xff, ...all);
}

for (const [title, features] of [
  ['with all features', undefined],
  ['without REVISION_1', 0n],
] as const) {
  describe(`virtio-crypto AKCIPHER, ${title}`, () => {
    let device: VirtioCryptoDevice;
    let driver: VirtioCryptoDriver;
    before(async () => {
      device = new VirtioCryptoDevice(new OpensslEngine());
      const options = features === undefined ? {} : { features };
      driver = await VirtioCryptoDriver.open(new LoopbackTransport(device), options);
    });
    after(() => driver.close());

    it('RSA without padding is the bare function, on numbers as long as the modulus', async () => {
      await using pub = await driver.createKey(key('public', { padding: 'raw' }));
      await using priv = await driver.createKey(key('private', { padding: 'raw' }));
      const short = Uint8Array.of(1, 2, 3);
      const filled = Buffer.concat([new Uint8Array(modulusLength - 3), short]);
      const ciphertext = await pub.encrypt(short);
      const options = { key: rsa.publicKey, padding: crypto.constants.RSA_NO_PADDING };
      assert.deepEqual(Buffer.from(ciphertext), crypto.publicEncrypt(options, filled));
      assert.deepEqual(Buffer.from(await priv.decrypt(ciphertext)), filled);
      await refused('CRYPTO_DEVICE_FAILED', () => pub.encrypt(new Uint8Array(modulusLength).fill(255)));
      await refused('CRYPTO_DEVICE_FAILED', () => pub.encrypt(new Uint8Array(modulusLength + 1)));
      await refused('CRYPTO_UNKNOWN_ALGORITHM', () => priv.sign(new Uint8Array(20)));
      await refused('CRYPTO_UNKNOWN_ALGORITHM', () => pub.verify(ciphertext, new Uint8Array(20)));
    });

    it('RSA by PKCS #1: to and from node:crypto', async () => {
      await using pub = await driver.createKey(key('public', { padding: 'pkcs1' }));
      await using priv = await driver.createKey(key('private', { padding: 'pkcs1' }));
      const padding = crypto.constants.RSA_PKCS1_PADDING;
      const theirs = crypto.publicEncrypt({ key: rsa.publicKey, padding }, message);
      assert.deepEqual(Buffer.from(await priv.decrypt(new Uint8Array(theirs))), message);
      const ours = await pub.encrypt(new Uint8Array(message));
      assert.deepEqual(crypto.privateDecrypt({ key: rsa.privateKey, padding }, ours), message);
      await refused('CRYPTO_UNKNOWN_ALGORITHM', () => pub.decrypt(ours));
    });

    it('tells nobody whether a ciphertext was padded well', async () => {
      await using priv = await driver.createKey(key('private', { padding: 'pkcs1' }));
      const garbage = new Uint8Array(modulusLength).fill(0x55);
      const first = await priv.decrypt(garbage);
      assert.deepEqual(await priv.decrypt(garbage), first, 'the same each time');
    });

    for (const hash of ['md5', 'sha-1', 'sha-224', 'sha-256', 'sha-384', 'sha-512'] as const) {
      it(`RSA signs and verifies with ${hash}`, async () => {
        await using pub = await driver.createKey(key('public', { padding: 'pkcs1', hash }));
        await using priv = await driver.createKey(key('private', { padding: 'pkcs1', hash }));
        const name = hash.replace('-', '');
        const digest = new Uint8Array(crypto.createHash(name).update(message).digest());
        const signature = await priv.sign(digest);
        assert.deepEqual(Buffer.from(signature), crypto.sign(name, message, rsa.privateKey));
        assert.equal(await pub.verify(signature, digest), true);
        assert.equal(await priv.verify(signature, digest), true);
        signature[5]! ^= 1;
        assert.equal(await pub.verify(signature, digest), false);
        assert.equal(await pub.verify(new Uint8Array(0), digest), false);
        await refused('CRYPTO_DEVICE_FAILED', () => priv.sign(digest.subarray(1)));
      });
    }

    it('RSA signs what it is given where no hash is named', async () => {
      await using priv = await driver.createKey(key('private', { padding: 'pkcs1', hash: 'none' }));
      const padding = crypto.constants.RSA_PKCS1_PADDING;
      const expected = crypto.privateEncrypt({ key: rsa.privateKey, padding }, message);
      assert.deepEqual(Buffer.from(await priv.sign(new Uint8Array(message))), expected);
    });

    for (const [curve, name, coordinateLength] of [
      ['p-192', 'prime192v1', 24],
      ['p-224', 'secp224r1', 28],
      ['p-256', 'prime256v1', 32],
      ['p-384', 'secp384r1', 48],
      ['p-521', 'secp521r1', 66],
    ] as const) {
      it(`ECDSA on ${curve}`, async () => {
        const pair = crypto.generateKeyPairSync('ec', { namedCurve: name });
        const point = pair.publicKey
          .export({ type: 'spki', format: 'der' })
          .subarray(-2 * coordinateLength - 1);
        const sec1 = new Uint8Array(pair.privateKey.export({ type: 'sec1', format: 'der' }));
        await using pub = await driver.createKey(ec('public', curve, new Uint8Array(point)));
        await using priv = await driver.createKey(ec('private', curve, sec1));
        const digest = new Uint8Array(crypto.createHash('sha256').update(message).digest());
        const signature = await priv.sign(digest);
        assert.ok(crypto.verify('sha256', message, pair.publicKey, signature));
        assert.equal(await pub.verify(signature, digest), true);
        const theirs = new Uint8Array(crypto.sign('sha256', message, pair.privateKey));
        assert.equal(await pub.verify(theirs, digest), true);
        digest[0]! ^= 1;
        assert.equal(await pub.verify(theirs, digest), false);
        await refused('CRYPTO_UNKNOWN_ALGORITHM', () => pub.sign(digest));
        await refused('CRYPTO_UNKNOWN_ALGORITHM', () => pub.encrypt(digest));
        await refused('CRYPTO_UNKNOWN_ALGORITHM', () => priv.decrypt(digest));
      });
    }

    it('takes a private key that is numbers and no primes, as Linux tests have it', async () => {
      const jwk = rsa.privateKey.export({ format: 'jwk' });
      const number = (text: string) => der(0x02, Uint8Array.of(0), Buffer.from(text, 'base64url'));
      const zero = der(0x02, Uint8Array.of(0));
      const bare = der(
        0x30,
        zero,
        number(jwk.n!),
        number(jwk.e!),
        number(jwk.d!),
        zero,
        zero,
        zero,
        zero,
        zero,
      );
      await using priv = await driver.createKey({ ...key('private', { padding: 'raw' }), key: bare });
      await using pub = await driver.createKey(key('public', { padding: 'raw' }));
      const plaintext = new Uint8Array(modulusLength).fill(7);
      assert.deepEqual(await priv.decrypt(await pub.encrypt(plaintext)), plaintext);
    });

    it('refuses keys that are none', async () => {
      const p256 = crypto.generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;
      const sec1 = new Uint8Array(p256.export({ type: 'sec1', format: 'der' }));
      const offCurve = new Uint8Array(65).fill(4);
      const long = der(0x02, Uint8Array.of(0), new Uint8Array(1025).fill(0xff));
      const three = der(0x02, Uint8Array.of(3));
      const even = der(0x02, new Uint8Array(64).fill(2));
      const odd = der(0x02, new Uint8Array(64).fill(3));
      const bad: AsymmetricKeyOptions[] = [
        { ...key('public', { padding: 'raw' }), key: new Uint8Array(0) },
        { ...key('public', { padding: 'raw' }), key: rsaPublic.subarray(0, 100) },
        { ...key('private', { padding: 'raw' }), key: rsaPublic },
        { ...key('private', { padding: 'raw' }), key: rsaPrivate.subarray(0, 300) },
        { ...key('public', { padding: 'raw' }), key: der(0x30, long, three) },
        { ...key('public', { padding: 'raw' }), key: der(0x30, three, long) },
        ec('public', 'p-256', offCurve),
        ec('public', 'p-256', new Uint8Array(0)),
        ec('private', 'p-384', sec1),
        ec('private', 'p-256', sec1.subarray(0, 20)),
        ec('public', 'p-256', new Uint8Array(1)),
        ec('private', 'p-256', der(0x30, three, der(0x04, new Uint8Array(32)))),
        ec('private', 'p-256', der(0x30, three, der(0x04, new Uint8Array(32).fill(255)))),
        ec('private', 'p-256', der(0x30, three, der(0x04, new Uint8Array(5000).fill(1)))),
        { ...key('public', { padding: 'raw' }), key: der(0x30, three, three) },
        { ...key('public', { padding: 'raw' }), key: der(0x30, even, three) },
        { ...key('public', { padding: 'raw' }), key: der(0x30, odd, even.subarray(0, 8)) },
      ];
      for (const options of bad) await refused('CRYPTO_DEVICE_FAILED', () => driver.createKey(options));
      assert.equal(device.statistics.sessions, 0);
    });

    it('knows keys no more once they are closed', async () => {
      const pub = await driver.createKey(key('public', { padding: 'raw' }));
      await pub.close();
      await refused('CRYPTO_CLOSED', () => pub.encrypt(new Uint8Array(4)));
    });
  });
}

describe('virtio-crypto AKCIPHER by raw requests', () => {
  it('says how long a result is by the used length, and has the status in the last byte', async () => {
    const driver = new RawDriver();
    const spec = akcipherSpec(key('private', { padding: 'pkcs1' }));
    const { id, status: created } = await driver.create(encodeAkcipherSession(spec, false), rsaPrivate);
    assert.equal(created, status.OK);
    const padding = crypto.constants.RSA_PKCS1_PADDING;
    const ciphertext = crypto.publicEncrypt({ key: rsa.publicKey, padding }, message);
    const decrypt = (destinationLength: number, room = destinationLength) =>
      driver.operate(
        [
          encodeAkcipherData(
            { id, operation: operation.DECRYPT },
            { sourceLength: modulusLength, destinationLength },
            false,
          ),
          ciphertext,
        ],
        room,
      );
    const { status: outcome, result, written } = await decrypt(modulusLength);
    assert.equal(outcome, status.OK);
    assert.equal(written, message.length + 1);
    assert.deepEqual(Buffer.from(result.subarray(0, message.length)), message);
    assert.equal((await decrypt(message.length - 1)).status, status.ERR, 'too short for the result');
    assert.equal((await decrypt(modulusLength, 30)).status, status.ERR, 'a length that lies');
    assert.equal(await driver.destroy(service.CIPHER, id), status.ERR);
    assert.equal(await driver.destroy(service.AKCIPHER, id), status.OK);
    assert.equal((await decrypt(modulusLength)).status, status.INVSESS);
  });

  it('verifies in stateless mode', async () => {
    const driver = new RawDriver({ features: 0x3fn });
    const options = key('public', { padding: 'pkcs1', hash: 'sha-1' });
    const digest = crypto.createHash('sha1').update(message).digest();
    const signature = crypto.sign('sha1', message, rsa.privateKey);
    const lengths = { sourceLength: signature.length, destinationLength: digest.length };
    const header = encodeStatelessAkcipher(akcipherSpec(options), lengths, operation.VERIFY);
    assert.equal((await driver.operate([header, rsaPublic, signature, digest], 0)).status, status.OK);
    digest[0]! ^= 1;
    const wrong = await driver.operate([header, rsaPublic, signature, digest], 0);
    assert.equal(wrong.status, status.KEY_REJECTED);
    assert.equal((await driver.operate([header, rsaPublic, signature], 0)).status, status.ERR);
  });

  it('has no other paddings, hashes, curves and kinds of keys', async () => {
    const driver = new RawDriver();
    const create = async (algo: number, type: number, first: number, second: number) => {
      const parameters = [first, second] as const;
      const spec = { algo, keyType: type, keyLength: rsaPublic.length, parameters };
      return (await driver.create(encodeAkcipherSession(spec, false), rsaPublic)).status;
    };
    const { PUBLIC } = keyType;
    assert.equal(await create(1, PUBLIC, rsaPadding.PKCS1, 5), status.OK);
    assert.equal(await create(1, PUBLIC, rsaPadding.RAW, 77), status.OK, 'the hash does not matter');
    assert.equal(await create(1, PUBLIC, 2, 5), status.NOTSUPP);
    assert.equal(await create(1, PUBLIC, rsaPadding.PKCS1, 1), status.NOTSUPP, 'MD2');
    assert.equal(await create(2, PUBLIC, 0, 0), status.NOTSUPP);
    assert.equal(await create(3, PUBLIC, 0, 0), status.NOTSUPP);
    assert.equal(await create(1, 3, rsaPadding.RAW, 0), status.ERR);
  });
});

function key(
  type: 'public' | 'private',
  options: { padding: 'raw' | 'pkcs1'; hash?: RsaHash },
): AsymmetricKeyOptions {
  return { algorithm: 'rsa', type, key: type === 'public' ? rsaPublic : rsaPrivate, ...options };
}

function ec(type: 'public' | 'private', curve: CurveName, bytes: Uint8Array): AsymmetricKeyOptions {
  return { algorithm: 'ecdsa', type, curve, key: bytes };
}
