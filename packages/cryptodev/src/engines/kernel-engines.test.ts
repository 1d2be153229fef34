/**
 * What the engines of the kernel say where there is nothing behind them. What they compute is tried in a guest, which
 * has both: tests/kernel-engines.test.ts.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { createEngine } from './create-engine.ts';

const unavailable = (message: RegExp) => ({ code: 'CRYPTO_UNAVAILABLE', message });

describe('engine cryptodev', () => {
  it('says that there is no such device', () =>
    assert.rejects(createEngine('cryptodev', { path: '/dev/cryptodev31' }), unavailable(/cryptodev31/)));

  it('opens nothing but character devices', async () => {
    await assert.rejects(
      createEngine('cryptodev', { path: '/proc/version' }),
      unavailable(/no character device/),
    );
    await assert.rejects(createEngine('cryptodev', { path: '/proc' }), unavailable(/no character device/));
  });

  it('says that something else is no crypto device, and does not keep it open', async () => {
    const before = readdirSync('/proc/self/fd').length;
    await assert.rejects(createEngine('cryptodev', { path: '/dev/zero' }), unavailable(/\/dev\/zero/));
    assert.equal(readdirSync('/proc/self/fd').length, before);
  });
});

describe('engine af-alg', () => {
  it('works, or says why it does not', async () => {
    const engine = await createEngine('af-alg').catch((error: Error & { code: string }) => error);
    if (engine instanceof Error) {
      assert.equal(engine.code, 'CRYPTO_UNAVAILABLE');
      assert.match(engine.message, /AF_ALG/);
    } else {
      assert.ok(engine.supports('sha-256') || engine.supports('aes-cbc') || engine.supports('aes-gcm'));
    }
  });
});
