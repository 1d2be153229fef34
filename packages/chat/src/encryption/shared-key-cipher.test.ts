import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type AeadSession, type CryptoDevice, openEngineDevice } from '@skytale/cryptodev';
import { concat, toHex } from '../bytes.ts';
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

  it('parts from its copy in a machine that was saved and resumed twice, by the challenge of its connection', async () => {
    await using device = await openEngineDevice('node');
    const identity = await newIdentity();
    /** Both copies draw the same: their random numbers were saved too. */
    const copy = async () => {
      let drawn = 0;
      const saved = {
        ...crypto,
        randomBytes(length: number) {
          drawn += 1;
          return new Uint8Array(length).fill(drawn);
        },
      };
      const keys = await RoomKeys.derive(saved, new Uint8Array(32));
      return new SharedKeyCipher(keys, identity, device);
    };
    await using one = await copy();
    await using other = await copy();
    const epochs = async () => {
      const sealed = await Promise.all([one.seal(1, content, seen), other.seal(1, content, seen)]);
      return sealed.map(({ envelope }) => envelope.slice(2, 18));
    };
    const before = await epochs();
    assert.deepEqual(before[0], before[1], 'the copies are no copies');
    await Promise.all([one.renew(new Uint8Array(32).fill(1)), other.renew(new Uint8Array(32).fill(2))]);
    const after = await epochs();
    assert.notDeepEqual(after[0], after[1]);
    assert.notDeepEqual(after[0], before[0]);
  });

  it('draws another epoch on each connection, whatever challenge a server makes up', async () => {
    await using device = await openEngineDevice('node');
    await using alice = new SharedKeyCipher(await keysOf('room'), await newIdentity(), device);
    const epochs = new Set<string>();
    for (const challenge of [1, 1, 0].map((byte) => new Uint8Array(32).fill(byte))) {
      await alice.renew(challenge);
      const { envelope } = await alice.seal(1, content, seen);
      epochs.add(toHex(envelope.subarray(2, 18)));
    }
    assert.equal(epochs.size, 3);
  });

  it('says that a later version is needed where the sender did sign one, and nowhere else', async () => {
    await using device = await openEngineDevice('node');
    const alice = await newIdentity();
    const keys = await keysOf('room');
    await using bob = new SharedKeyCipher(keys, await newIdentity(), device);
    for (const body of [Uint8Array.of(2), new Uint8Array(100).fill(3), new Uint8Array(100_000).fill(255)]) {
      const signature = await alice.key.sign(bind(keys.roomId, alice.key.publicKey, 1, body));
      const envelope = concat(body, signature);
      const open = (n: number, bytes: Uint8Array) => bob.open(alice.key.publicKey, n, bytes);
      await assert.rejects(open(1, envelope), { code: 'UNSUPPORTED_VERSION', message: /version \d+.*newer/ });
      await assert.rejects(open(2, envelope), { code: 'FORGED' });
      await assert.rejects(open(1, envelope.with(-1, envelope.at(-1)! ^ 1)), { code: 'FORGED' });
      await assert.rejects(open(1, envelope.with(0, 200)), { code: 'FORGED' });
    }
  });

  it('opens several at once', async () => {
    await using device = await openEngineDevice('node');
    await using alice = new SharedKeyCipher(await keysOf('room'), await newIdentity(), device);
    await using bob = new SharedKeyCipher(await keysOf('room'), await newIdentity(), device);
    const numbers = Array.from({ length: 50 }, (_, index) => index + 1);
    const sealed = await Promise.all(numbers.map((n) => alice.seal(n, { ...content, at: n }, seen)));
    const opened = await Promise.all(
      sealed.map(({ envelope }, index) => bob.open(alice.member, index + 1, envelope)),
    );
    assert.deepEqual(
      opened.map((message) => message.content.at),
      numbers,
    );
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

  it('of one’s own are closed when the epoch is over, and made again only to read', async () => {
    const device = await countingDevice();
    await using cipher = new SharedKeyCipher(await keysOf('room'), await newIdentity(), device);
    const sealed = [];
    for (let n = 1; n <= 3; n += 1) {
      sealed.push((await cipher.seal(n, content, seen)).envelope);
      assert.equal(device.open, 1);
      await cipher.renew(new Uint8Array(32).fill(n));
      assert.equal(device.open, 0);
    }
    await cipher.open(cipher.member, 2, sealed[1]!);
    assert.equal(device.open, 1);
  });

  it('are not made any more when the cipher is closed', async () => {
    const device = await countingDevice();
    const sessions = new SenderSessions(device, await keysOf('room'), 4);
    const first = use(sessions, 1);
    await sessions[Symbol.asyncDispose]();
    await first;
    await assert.rejects(use(sessions, 1), { code: 'CRYPTO_CLOSED' });
    assert.equal(device.open, 0);
  });

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
