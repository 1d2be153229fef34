/** What every `RoomCipher` must do. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { equalBytes } from '../bytes.ts';
import type { Content } from './content.ts';
import { MessageError } from './message-error.ts';
import type { RoomCipher } from './room-cipher.ts';

/** Two members of a room, one of another room, and one who is in no room but knows all that is public. */
export type CipherRoom = {
  readonly alice: RoomCipher;
  readonly bob: RoomCipher;
  /** Alice, with the same identity, in another room. */
  readonly aliceElsewhere: RoomCipher;
} & AsyncDisposable;

const seen = { seq: 41, hash: new Uint8Array(32).fill(7) };
const dropped = (error: unknown) => error instanceof MessageError;

function content(text: string): Content {
  return { kind: 'text', name: 'alice', text, at: 1_700_000_000_000 };
}

export function testRoomCipher(name: string, enter: () => Promise<CipherRoom>): void {
  describe(`${name}: a room cipher`, () => {
    it('opens for everybody what a member sealed, with what the member had seen', async () => {
      await using room = await enter();
      const { alice, bob } = room;
      for (const [index, text] of ['', 'hello', 'é 🎉 \u0000\u001b[2J', 'x'.repeat(60 * 1024)].entries()) {
        const { envelope } = await alice.seal(index + 1, content(text), seen);
        for (const reader of [alice, bob]) {
          const opened = await reader.open(alice.member, index + 1, envelope);
          assert.deepEqual(opened.content, content(text));
          assert.equal(opened.seen.seq, seen.seq);
          assert.ok(equalBytes(opened.seen.hash, seen.hash));
        }
      }
    });

    it('opens in order what was sealed at once', async () => {
      await using room = await enter();
      const { alice, bob } = room;
      const numbers = Array.from({ length: 50 }, (_, index) => index + 1);
      const sealed = await Promise.all(numbers.map((n) => alice.seal(n, content(`${n}`), seen)));
      for (const [index, { envelope, change }] of sealed.entries()) {
        change?.applied();
        const opened = await bob.open(alice.member, index + 1, envelope);
        opened.change?.applied();
        assert.deepEqual(opened.content, content(`${index + 1}`));
      }
    });

    it('never seals two messages with one number, nor goes back', async () => {
      await using room = await enter();
      const { alice } = room;
      await alice.seal(5, content('five'), seen);
      for (const n of [5, 4, 1, 0, -1, 1.5, 2 ** 53, Number.NaN]) {
        await assert.rejects(alice.seal(n, content('again'), seen), RangeError, `n = ${n}`);
      }
      await Promise.all([
        alice.seal(6, content('six'), seen),
        assert.rejects(alice.seal(6, content('also six'), seen), RangeError),
      ]);
    });

    it('goes on with other keys once renewed, and still opens what was sealed before', async () => {
      await using room = await enter();
      const { alice, bob } = room;
      const draft: Content = { ...content('hello'), id: new Uint8Array(16).fill(5) };
      const { envelope: before } = await alice.seal(5, draft, seen);
      await alice.renew(new Uint8Array(32).fill(1));
      // The same draft again, under another number and under the same.
      const again: Content = { ...draft, instead: [5] };
      const { envelope: after } = await alice.seal(5, draft, seen);
      const { envelope: later } = await alice.seal(6, again, seen);
      assert.ok(!equalBytes(before, after));
      for (const reader of [alice, bob]) {
        assert.deepEqual((await reader.open(alice.member, 5, before)).content, draft);
        assert.deepEqual((await reader.open(alice.member, 5, after)).content, draft);
        assert.deepEqual((await reader.open(alice.member, 6, later)).content, again);
      }
      await assert.rejects(alice.seal(6, content('again'), seen), RangeError);
    });

    it('keeps nothing of an envelope that it was lent', async () => {
      await using room = await enter();
      const { alice, bob } = room;
      const draft: Content = { ...content('hello'), id: new Uint8Array(16).fill(5) };
      const { envelope } = await alice.seal(1, draft, seen);
      const network = new Uint8Array(64 * 1024);
      network.set(envelope, 100);
      const opened = await bob.open(alice.member, 1, network.subarray(100, 100 + envelope.length));
      network.fill(0);
      assert.deepEqual(opened.content, draft);
      assert.deepEqual(opened.seen, seen);
      for (const kept of [opened.seen.hash, opened.content.id!])
        assert.equal(kept.buffer.byteLength, kept.length);
    });

    it('does nothing once it is closed', async () => {
      await using room = await enter();
      const { alice, bob } = room;
      const { envelope } = await alice.seal(1, content('hello'), seen);
      const last = alice.seal(2, content('hello'), seen);
      await alice.close();
      await last;
      await alice.close();
      await assert.rejects(alice.seal(3, content('hello'), seen), { code: 'CRYPTO_CLOSED' });
      await assert.rejects(alice.open(alice.member, 1, envelope), { code: 'CRYPTO_CLOSED' });
      assert.deepEqual((await bob.open(alice.member, 1, envelope)).content, content('hello'));
    });

    it('seals the same text differently each time', async () => {
      await using room = await enter();
      const { alice } = room;
      const { envelope: one } = await alice.seal(1, content('same'), seen);
      const { envelope: other } = await alice.seal(2, content('same'), seen);
      assert.ok(!equalBytes(one, other));
      assert.equal(one.length, other.length);
    });

    it('opens nothing of which one bit was changed', async () => {
      await using room = await enter();
      const { alice, bob } = room;
      const { envelope } = await alice.seal(1, content('hello'), seen);
      const bit = fc.integer({ min: 0, max: envelope.length * 8 - 1 });
      await fc.assert(
        fc.asyncProperty(bit, async (at) => {
          const changed = envelope.slice();
          changed[at >> 3]! ^= 1 << (at & 7);
          await assert.rejects(bob.open(alice.member, 1, changed), dropped);
        }),
        { numRuns: 200 },
      );
    });

    it('opens nothing that was cut or made longer', async () => {
      await using room = await enter();
      const { alice, bob } = room;
      const { envelope } = await alice.seal(1, content('hello'), seen);
      for (let length = 0; length < envelope.length; length += 1) {
        await assert.rejects(bob.open(alice.member, 1, envelope.subarray(0, length)), dropped);
      }
      await assert.rejects(bob.open(alice.member, 1, Uint8Array.of(...envelope, 0)), dropped);
    });

    it('opens nothing under another number or another sender', async () => {
      await using room = await enter();
      const { alice, bob } = room;
      const { envelope } = await alice.seal(1, content('hello'), seen);
      await assert.rejects(bob.open(alice.member, 2, envelope), { code: 'FORGED' });
      await assert.rejects(bob.open(bob.member, 1, envelope), { code: 'FORGED' });
    });

    it('opens nothing of another room, though it is the same sender', async () => {
      await using room = await enter();
      const { bob, aliceElsewhere } = room;
      const { envelope } = await aliceElsewhere.seal(1, content('hello'), seen);
      await assert.rejects(bob.open(aliceElsewhere.member, 1, envelope), { code: 'FORGED' });
    });

    it('takes a version that was changed on the way for damage, and not for a later one', async () => {
      await using room = await enter();
      const { alice, bob } = room;
      const { envelope } = await alice.seal(1, content('hello'), seen);
      await assert.rejects(bob.open(alice.member, 1, envelope.with(0, 2)), { code: 'FORGED' });
      await assert.rejects(bob.open(alice.member, 1, envelope.with(0, 0)), { code: 'MALFORMED' });
    });

    it('never breaks on arbitrary bytes', async () => {
      await using room = await enter();
      const { alice, bob } = room;
      const bytes = fc.uint8Array({ maxLength: 1000 });
      const version = fc.constantFrom(0, 1, 2, 255);
      await fc.assert(
        fc.asyncProperty(bytes, version, async (bytes, first) => {
          await assert.rejects(bob.open(alice.member, 1, Uint8Array.of(first, 0, ...bytes)), dropped);
        }),
      );
    });

    it('opens nothing of a member id that is no key', async () => {
      await using room = await enter();
      const { alice, bob } = room;
      const { envelope } = await alice.seal(1, content('hello'), seen);
      for (const byte of [0, 1, 0xff]) {
        await assert.rejects(bob.open(new Uint8Array(32).fill(byte), 1, envelope), { code: 'FORGED' });
      }
    });

    it('shows neither text nor name in what it seals', async () => {
      await using room = await enter();
      const sealed = await room.alice.seal(1, content('a marked text'), seen);
      const envelope = Buffer.from(sealed.envelope);
      assert.ok(!envelope.includes('marked') && !envelope.includes('alice'));
    });
  });
}
