import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type AeadSession, type CryptoDevice, openEngineDevice } from '@skytale/cryptodev';
import { concat } from '../bytes.ts';
import { SIGNATURE_BYTES } from '../crypto.ts';
import { nodeCrypto } from '../node-crypto.ts';
import { bind, HEADER_BYTES } from './envelope.ts';
import { Identity } from './identity.ts';
import { RoomKeys } from './key-schedule.ts';
import { testRoomCipher } from './room-cipher.cases.ts';
import { SenderSessions } from './sender-sessions.ts';
import { SharedKeyCipher } from './shared-key-cipher.ts';

const seen = { seq: 0, hash: new Uint8Array(32) };
const content = { kind: 'text', name: 'alice', text: 'hello', at: 1 } as const;

const crypto = nodeCrypto();

async function keysOf(room: string): Promise<RoomKeys> {
  return RoomKeys.derive(crypto, await crypto.sha256(Buffer.from(room)));
}

function newIdentity(): Promise<Identity> {
  return Identity.open(crypto, Identity.newSeed(crypto));
}

for (const engine of ['openssl', 'node'] as const) {
  testRoomCipher(`shared key on ${engine}`, async () => {
    const device = await openEngineDevice(engine);
    const identity = await newIdentity();
    const alice = new SharedKeyCipher(await keysOf('room'), identity, device);
    const bob = new SharedKeyCipher(await keysOf('room'), await newIdentity(), device);
    const aliceElsewhere = new SharedKeyCipher(await keysOf('elsewhere'), identity, device);
    return {
      alice,
      bob,
      aliceElsewhere,
      async [Symbol.asyncDispose]() {
        await Promise.all([alice.close(), bob.close(), aliceElsewhere.close()]);
        await device.close();
      },
    };
  });
}

describe('a shared key cipher', () => {
  it('draws a new epoch each time, so that a copied state directory repeats no nonce', async () => {
    await using device = await openEngineDevice('node');
    const identity = await newIdentity();
    await using one = new SharedKeyCipher(await keysOf('room'), identity, device);
    await using other = new SharedKeyCipher(await keysOf('room'), identity, device);
    const [first, second] = (
      await Promise.all([one.seal(1, content, seen), other.seal(1, content, seen)])
    ).map(({ envelope }) => envelope) as [Uint8Array, Uint8Array];
    assert.notDeepEqual(first.subarray(2, 18), second.subarray(2, 18));
    assert.notDeepEqual(first.subarray(HEADER_BYTES, 300), second.subarray(HEADER_BYTES, 300));
  });

  it('tells a signature that is right from a seal that is not', async () => {
    await using device = await openEngineDevice('node');
    const outsider = await newIdentity();
    await using cipher = new SharedKeyCipher(await keysOf('another secret'), outsider, device);
    await using bob = new SharedKeyCipher(await keysOf('room'), await newIdentity(), device);
    const { envelope } = await cipher.seal(1, content, seen);
    const header = envelope.subarray(0, HEADER_BYTES);
    const ciphertext = envelope.subarray(HEADER_BYTES, -SIGNATURE_BYTES);
    const bound = bind((await keysOf('room')).roomId, outsider.key.publicKey, 1, header);
    const signed = concat(header, ciphertext, await outsider.key.sign(concat(bound, ciphertext)));
    await assert.rejects(bob.open(outsider.key.publicKey, 1, signed), { code: 'TAMPERED' });
  });

  it('passes on a failure of the device, which says nothing of the message', async () => {
    const device = await openEngineDevice('node');
    const alice = new SharedKeyCipher(await keysOf('room'), await newIdentity(), device);
    const { envelope } = await alice.seal(1, content, seen);
    await device.close();
    await assert.rejects(alice.open(alice.member, 1, envelope), { code: 'CRYPTO_CLOSED' });
  });
});

describe('the sessions of senders', () => {
  /** A device that counts the sessions that are open. */
  async function countingDevice(): Promise<CryptoDevice & { open: number }> {
    const device = await openEngineDevice('node');
    const counting = Object.create(device) as CryptoDevice & { open: number };
    counting.open = 0;
    counting.createSession = (async (options: Parameters<CryptoDevice['createSession']>[0]) => {
      const session = await device.createSession(options as never);
      const close = session.close.bind(session);
      counting.open += 1;
      session.close = () => {
        counting.open -= 1;
        return close();
      };
      return session;
    }) as unknown as CryptoDevice['createSession'];
    return counting;
  }

  const epoch = (index: number) => Buffer.from(`epoch ${index}`.padEnd(16));
  const use = (sessions: SenderSessions, index: number) =>
    sessions.use(new Uint8Array(32), epoch(index), (session: AeadSession) =>
      session.encrypt(new Uint8Array(1), new Uint8Array(12)),
    );

  it('are few, and closed when they are used no more', async () => {
    const device = await countingDevice();
    const sessions = new SenderSessions(device, await keysOf('room'), 4);
    await Promise.all(Array.from({ length: 20 }, (_, index) => use(sessions, index)));
    for (let index = 0; index < 20; index += 1) await use(sessions, index);
    assert.equal(sessions.size, 4);
    assert.equal(device.open, 4);
    await sessions[Symbol.asyncDispose]();
    assert.equal(device.open, 0);
  });

  it('are those used last', async () => {
    const device = await countingDevice();
    await using sessions = new SenderSessions(device, await keysOf('room'), 2);
    for (const index of [1, 2, 1, 3]) await use(sessions, index);
    const before = device.createSession;
    device.createSession = () => assert.fail('session 1 was closed');
    await use(sessions, 1);
    device.createSession = before;
  });
});
