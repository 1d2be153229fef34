import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Bytes, DigestOptions } from './crypto-device.ts';
import { PlainMemory } from './device-memory.ts';
import { SessionDevice } from './session-device.ts';
import type { PortCipher, PortCipherOptions, PortDigest, SessionPort } from './session-port.ts';

/** A port that keeps the options it was given, and answers when it is told to. */
class SlowPort implements SessionPort {
  readonly name = 'slow';
  readonly maxMacKeyLength = 32;
  readonly memory = new PlainMemory(1);
  readonly given: (PortCipherOptions | DigestOptions)[] = [];
  readonly keys: Uint8Array[] = [];
  open = 0;
  closed = false;
  answer: Promise<void> = Promise.resolve();

  supports(): boolean {
    return true;
  }

  async createCipher(options: PortCipherOptions): Promise<PortCipher> {
    const { destroy } = await this.#create(options);
    return { crypt: async () => new Uint8Array(0), destroy };
  }

  async createDigest(options: DigestOptions): Promise<PortDigest> {
    const { destroy } = await this.#create(options);
    return {
      update: async () => {},
      digest: async (data) => Uint8Array.of(data.length % 256) as Bytes,
      copy: () => this.createDigest(options),
      destroy,
    };
  }

  async close(): Promise<void> {
    assert.equal(this.open, 0, 'no session is left when the port is closed');
    this.closed = true;
  }

  async #create(options: PortCipherOptions | DigestOptions): Promise<{ destroy: () => Promise<void> }> {
    this.given.push(options);
    if ('key' in options) this.keys.push(options.key.slice());
    await this.answer;
    this.open += 1;
    const destroy = async (): Promise<void> => {
      this.open -= 1;
    };
    return { destroy };
  }
}

const gcm = { aead: 'aes-gcm', key: new Uint8Array(16).fill(7) } as const;

describe('SessionDevice', () => {
  it('gives the port a key of its own, with nothing left out beside it, and wipes it when the port has answered', async () => {
    const port = new SlowPort();
    await using device = new SessionDevice(port);
    const key = new Uint8Array(16).fill(7);
    const made = device.createSession({ aead: 'aes-gcm', key });
    key.fill(0);
    await made;
    assert.deepEqual(port.keys, [new Uint8Array(16).fill(7)]);
    assert.deepEqual(port.given, [{ aead: 'aes-gcm', key: new Uint8Array(16), tagLength: 16 }]);
  });

  it('gives the port the hash of a MAC key that is too long for it, by a session that is gone then', async () => {
    const port = new SlowPort();
    await using device = new SessionDevice(port);
    const key = new Uint8Array(33);
    await using session = await device.createSession({ mac: 'hmac-sha-256', key });
    assert.notEqual(session, undefined);
    assert.deepEqual(port.keys, [Uint8Array.of(33)]);
    assert.deepEqual(port.given[0], { hash: 'sha-256' });
    assert.equal(port.open, 1);
  });

  it('counts sessions and copies, those under way too, and no one-shot operations', async () => {
    const port = new SlowPort();
    await using device = new SessionDevice(port, 2);
    const limit = { code: 'CRYPTO_LIMIT' };
    const [first, second] = [device.createSession({ hash: 'sha-256' }), device.createSession(gcm)];
    await assert.rejects(device.createSession(gcm), limit);
    const digest = await first;
    await second;
    await assert.rejects(digest.copy(), limit);
    await device.oneShot({ hash: 'sha-256' }, { operation: 'digest', data: new Uint8Array(3) });
    assert.equal(port.open, 2);
    await (await second).close();
    const copy = await digest.copy();
    await assert.rejects(device.createSession(gcm), limit);
    await copy.close();
    await (await device.createSession(gcm)).close();
  });

  it('closes what is still being made when it is closed', async () => {
    const port = new SlowPort();
    const device = new SessionDevice(port);
    let go = (): void => {};
    port.answer = new Promise((resolve) => {
      go = resolve;
    });
    const made = device.createSession(gcm);
    const oneShot = device.oneShot({ hash: 'sha-256' }, { operation: 'digest', data: new Uint8Array(3) });
    const closed = device.close();
    await assert.rejects(device.createSession(gcm), { code: 'CRYPTO_CLOSED' });
    assert.equal(port.closed, false);
    go();
    await closed;
    assert.equal(port.closed, true);
    assert.equal((await oneShot)[0], 3);
    await assert.rejects((await made).encrypt(new Uint8Array(1), new Uint8Array(12)), {
      code: 'CRYPTO_CLOSED',
    });
  });
});
