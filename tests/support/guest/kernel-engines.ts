/** The shared cases for the engines that a guest's kernel has: a program of node:test for the guest. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { algorithmNames, createEngine, openEngineDevice, openVirtioCryptodev } from '@skytale/cryptodev';
import { cryptoDeviceCases } from '../../../packages/cryptodev/src/crypto-device.cases.ts';
import { engineCases } from '../../../packages/cryptodev/src/engines/engine.cases.ts';
import { openDevice, tryDevice } from '../../../packages/skytale/src/crypto.ts';

const openFiles = () => readdirSync('/proc/self/fd').length;

/** AF_ALG takes a message in one piece, which its socket has room for. */
const longestAead = { cryptodev: Number.POSITIVE_INFINITY, 'af-alg': 128 * 1024 };

describe('the setting --crypto', () => {
  it('takes a crypto device of the kernel by itself, or by its path', async () => {
    for (const choice of ['auto', '/dev/cryptodev0'] as const) {
      await using device = await openDevice(choice);
      assert.equal(device.name, choice === 'auto' ? '/dev/crypto' : choice);
      await tryDevice(device);
    }
  });
});

for (const name of ['cryptodev', 'af-alg'] as const) {
  describe(`engine ${name}`, () => {
    it('offers all algorithms', async () => {
      const engine = await createEngine(name);
      assert.deepEqual(
        algorithmNames.filter((algorithm) => !engine.supports(algorithm)),
        [],
      );
      engine.close?.();
    });

    it('leaves no descriptor open', async () => {
      const before = openFiles();
      const device = await openEngineDevice(name);
      const key = new Uint8Array(16);
      const cipher = await device.createSession({ cipher: 'aes-cbc', key });
      await cipher.encrypt(key, key);
      await device.createSession({ aead: 'aes-gcm', key });
      const mac = await device.createSession({ mac: 'hmac-sha-256', key });
      await mac.copy();
      await mac.close();
      await device.close();
      assert.equal(openFiles(), before);
    });

    it('serves a virtual device', async () => {
      await using device = await openVirtioCryptodev({ engine: name });
      const options = { aead: 'aes-gcm', key: new Uint8Array(32) } as const;
      const operation = {
        operation: 'encrypt',
        data: new Uint8Array(16),
        nonce: new Uint8Array(12),
      } as const;
      const sealed = await device.oneShot(options, operation);
      assert.equal(sealed.toHex(), 'cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919');
    });
  });
  engineCases(await createEngine(name));
  cryptoDeviceCases(`engine ${name}`, () => openEngineDevice(name), longestAead[name]);
}
