/** Sessions of a cipher and a digest of which the engine makes one and refuses the other: the one that was made is closed. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CryptoError } from './crypto-error.ts';
import type { Engine } from './engine.ts';
import { OpensslEngine } from './engines/openssl.ts';
import { encodeChainSession } from './virtio-crypto/encode.ts';
import { AES_CBC, RawDriver as CryptoDriver } from './virtio-crypto/testing/raw-driver.ts';
import { chainOrder, direction, hashMode } from './virtio-crypto/wire.ts';
import { RawDriver as CryptodevDriver, lateEngine } from './virtio-cryptodev/testing/raw-driver.ts';
import { ioctl } from './virtio-cryptodev/wire.ts';

const key = new Uint8Array(16).fill(1);

/** An engine of which `open` tells how many ciphers and digests are open, and that does not make one of the two kinds. */
function refusing(kind: 'cipher' | 'digest') {
  const openssl = new OpensslEngine();
  const count = { open: 0, refused: 0 };
  const made = <T extends { close(): void }>(part: T): T => {
    count.open += 1;
    const close = part.close.bind(part);
    part.close = () => {
      count.open -= 1;
      close();
    };
    return part;
  };
  const refuse = (): never => {
    count.refused += 1;
    throw new CryptoError('CRYPTO_INVALID_KEY', 'not this one');
  };
  const engine: Engine = {
    name: 'openssl',
    supports: (algorithm) => openssl.supports(algorithm),
    createCipher: (...values) => (kind === 'cipher' ? refuse() : made(openssl.createCipher(...values))),
    createAead: (...values) => made(openssl.createAead(...values)),
    createHash: (hash) => (kind === 'digest' ? refuse() : made(openssl.createHash(hash))),
    createMac: (...values) => (kind === 'digest' ? refuse() : made(openssl.createMac(...values))),
  };
  return { engine, count };
}

describe('a session of which the engine refuses a half', () => {
  for (const [when, wrap] of [
    ['at once', (engine: Engine) => engine],
    ['later', lateEngine],
  ] as const) {
    for (const kind of ['cipher', 'digest'] as const) {
      it(`leaves nothing open in virtio-cryptodev: its ${kind}, ${when}`, async () => {
        const { engine, count } = refusing(kind);
        const driver = await CryptodevDriver.open({}, wrap(engine));
        for (const cipher of [11, 50]) {
          const request = { ioctl: ioctl.CIOCGSESSION, cipher, key, mac: 7, macKey: key };
          assert.notEqual((await driver.request(request)).status, 0);
        }
        assert.deepEqual([count.open, count.refused], [0, 1]);
      });

      it(`leaves nothing open in virtio-crypto: its ${kind}, ${when}`, async () => {
        const { engine, count } = refusing(kind);
        const driver = new CryptoDriver({ engine: wrap(engine) });
        const spec = {
          order: chainOrder.CIPHER_THEN_HASH,
          hashMode: hashMode.AUTH,
          cipher: { algo: AES_CBC, op: direction.ENCRYPT, keyLength: 16 },
          hash: { algo: 2, resultLength: 20, authKeyLength: 16 },
        };
        const { status } = await driver.create(encodeChainSession(spec, false), key, key);
        assert.notEqual(status, 0);
        assert.deepEqual([count.open, count.refused], [0, 1]);
      });
    }
  }
});
