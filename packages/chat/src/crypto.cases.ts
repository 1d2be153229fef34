/** What every `ChatCrypto` must do: published vectors, and hostile keys and signatures. For any runner: nothing of Node but its test API. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Bytes, concat, fromHex, toHex, utf8 } from './bytes.ts';
import { type ChatCrypto, PUBLIC_KEY_BYTES, SEED_BYTES, SIGNATURE_BYTES } from './crypto.ts';

const hex = (text: string): Bytes => fromHex(text, text.length / 2)!;

/** FIPS 180-4; the examples of NIST. */
const sha256Vectors: [string, string][] = [
  ['', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
  ['abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
  [
    'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq',
    '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
  ],
  ['a'.repeat(1_000_000), 'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0'],
];

/** RFC 5869 appendix A.1 to A.3: key, salt, info, output. */
const hkdfVectors: [string, string, string, string][] = [
  [
    '0b'.repeat(22),
    '000102030405060708090a0b0c',
    'f0f1f2f3f4f5f6f7f8f9',
    '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
  ],
  [
    Array.from({ length: 80 }, (_, at) => toHex(Uint8Array.of(at))).join(''),
    Array.from({ length: 80 }, (_, at) => toHex(Uint8Array.of(0x60 + at))).join(''),
    Array.from({ length: 80 }, (_, at) => toHex(Uint8Array.of(0xb0 + at))).join(''),
    'b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87',
  ],
  [
    '0b'.repeat(22),
    '',
    '',
    '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8',
  ],
];

/** RFC 8032 section 7.1, tests 1 to 3 and "SHA(abc)": seed, public key, message, signature. */
const signatureVectors: [string, string, string, string][] = [
  [
    '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    '',
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  ],
  [
    '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    '72',
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  ],
  [
    'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    'af82',
    '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  ],
  [
    '833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42',
    'ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf',
    'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
    'dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704',
  ],
];

/** Argon2id of "password" and "somesalt", as the authors' own tests have it (RFC 9106's uses a secret and data besides). */
const argon2Vectors: [{ memory: number; passes: number; parallelism: number }, string][] = [
  [
    { memory: 256, passes: 2, parallelism: 1 },
    '9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe',
  ],
  [
    { memory: 256, passes: 2, parallelism: 2 },
    '6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037',
  ],
  [
    { memory: 65_536, passes: 2, parallelism: 1 },
    '09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7',
  ],
];

/** All points of small order, those written with a y of p or more too; the sign may be set besides. */
const smallOrder = [
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  `ec${'ff'.repeat(30)}7f`,
  `ed${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}7f`,
].map(hex);

/** The order of the base point (RFC 8032 section 5.1), little-endian. */
const ORDER = hex('edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010');

/** The sum of two numbers of 32 bytes, little-endian. */
function sum(one: Uint8Array, other: Uint8Array): Bytes {
  let carry = 0;
  return Uint8Array.from(one, (byte, at) => {
    carry += byte + other[at]!;
    const low = carry & 0xff;
    carry >>= 8;
    return low;
  });
}

export function testChatCrypto(name: string, crypto: ChatCrypto): void {
  describe(`${name}: the cryptography of the chat`, () => {
    it('hashes as FIPS 180-4 says', async () => {
      for (const [text, hash] of sha256Vectors) assert.equal(toHex(await crypto.sha256(utf8(text))), hash);
    });

    it('derives keys as RFC 5869 says', async () => {
      for (const [key, salt, info, okm] of hkdfVectors) {
        const derived = await crypto.hkdf(hex(key), hex(salt), hex(info), okm.length / 2);
        assert.equal(toHex(derived), okm);
      }
    });

    it('derives as much as there is, and no more', async () => {
      const none = new Uint8Array(0);
      assert.equal((await crypto.hkdf(none, none, none, 8160)).length, 8160);
      await assert.rejects(crypto.hkdf(none, none, none, 8161));
    });

    it('stretches passphrases as RFC 9106 says', async () => {
      for (const [cost, key] of argon2Vectors) {
        const stretched = await crypto.argon2id(utf8('password'), utf8('somesalt'), cost);
        assert.equal(toHex(stretched), key);
      }
    });

    it('signs as RFC 8032 says, and finds it genuine', async () => {
      for (const [seed, publicKey, message, signature] of signatureVectors) {
        const key = await crypto.signingKey(hex(seed));
        assert.equal(toHex(key.publicKey), publicKey);
        assert.equal(toHex(await key.sign(hex(message))), signature);
        assert.equal(await crypto.verify(hex(publicKey), hex(message), hex(signature)), true);
      }
    });

    it('finds nothing genuine of which one bit was changed', async () => {
      const [, publicKey, message, signature] = signatureVectors[2]!.map(hex) as [Bytes, Bytes, Bytes, Bytes];
      const flipped = (bytes: Bytes, bit: number) =>
        bytes.with(bit >> 3, bytes[bit >> 3]! ^ (1 << (bit & 7)));
      for (let bit = 0; bit < 8 * SIGNATURE_BYTES; bit += 1) {
        assert.equal(await crypto.verify(publicKey, message, flipped(signature, bit)), false, `bit ${bit}`);
      }
      for (let bit = 0; bit < 8 * PUBLIC_KEY_BYTES; bit += 7) {
        assert.equal(await crypto.verify(flipped(publicKey, bit), message, signature), false, `bit ${bit}`);
      }
      assert.equal(await crypto.verify(publicKey, flipped(message, 0), signature), false);
    });

    it('finds nothing genuine of another length', async () => {
      const [, publicKey, message, signature] = signatureVectors[1]!.map(hex) as [Bytes, Bytes, Bytes, Bytes];
      const zero = new Uint8Array(1);
      for (const [key, other] of [
        [publicKey, signature.slice(0, 63)],
        [publicKey, concat(signature, zero)],
        [publicKey, new Uint8Array(0)],
        [publicKey.slice(0, 31), signature],
        [concat(publicKey, zero), signature],
        [new Uint8Array(0), signature],
      ] as const) {
        assert.equal(await crypto.verify(key, message, other), false);
      }
    });

    it('takes one form of a signature only', async () => {
      const [, publicKey, message, signature] = signatureVectors[1]!.map(hex) as [Bytes, Bytes, Bytes, Bytes];
      const other = concat(signature.subarray(0, 32), sum(signature.subarray(32), ORDER));
      assert.equal(await crypto.verify(publicKey, message, other), false);
    });

    it('finds nothing genuine with a key that anybody can sign with', async () => {
      for (const point of smallOrder) {
        for (const key of [point, point.with(31, point[31]! | 0x80)]) {
          for (let text = 0; text < 16; text += 1) {
            const forged = concat(smallOrder[1]!, new Uint8Array(32));
            assert.equal(await crypto.verify(key, utf8(`${text}`), forged), false, toHex(key));
          }
        }
      }
    });

    it('refuses a private key of another length', async () => {
      for (const length of [0, SEED_BYTES - 1, SEED_BYTES + 1]) {
        await assert.rejects(crypto.signingKey(new Uint8Array(length)), RangeError);
      }
    });

    it('signs nothing with a key that was forgotten', async () => {
      const key = await crypto.signingKey(new Uint8Array(SEED_BYTES));
      key[Symbol.dispose]();
      key[Symbol.dispose]();
      await assert.rejects(key.sign(new Uint8Array(1)), /wiped/);
    });

    it('has read what it is given when the call returns, and gives memory of its own', async () => {
      const [seed, publicKey, message, signature] = signatureVectors[2]!.map(hex) as [
        Bytes,
        Bytes,
        Bytes,
        Bytes,
      ];
      const signing = await crypto.signingKey(seed);
      const text = utf8('password');
      const salt = utf8('somesalt');
      const [cost, key] = argon2Vectors[0]!;
      const results = [
        crypto.sha256(text),
        crypto.hkdf(text, salt, message, 42),
        signing.sign(message),
        crypto.signingKey(seed).then(({ publicKey }) => publicKey),
        crypto.argon2id(text, salt, cost),
      ];
      const genuine = crypto.verify(publicKey, message, signature);
      const [publicBefore, signatureBefore] = [toHex(publicKey), toHex(signature)];
      for (const bytes of [seed, publicKey, message, signature, text, salt]) bytes.fill(0);
      assert.equal(await genuine, true);
      const [hash, derived, signed, own, stretched] = await Promise.all(results);
      assert.deepEqual(hash, await crypto.sha256(utf8('password')));
      assert.deepEqual(derived, await crypto.hkdf(utf8('password'), utf8('somesalt'), hex('af82'), 42));
      assert.equal(toHex(signed!), signatureBefore);
      assert.equal(toHex(own!), publicBefore);
      assert.equal(toHex(stretched!), key);
      for (const result of [hash, derived, signed, own, stretched, crypto.randomBytes(5)]) {
        assert.equal(result!.buffer.byteLength, result!.length);
        assert.equal(Object.getPrototypeOf(result), Uint8Array.prototype);
      }
    });

    it('draws bytes that differ', () => {
      const drawn = Array.from({ length: 100 }, () => toHex(crypto.randomBytes(16)));
      assert.equal(new Set(drawn).size, drawn.length);
      assert.equal(crypto.randomBytes(0).length, 0);
    });
  });
}
