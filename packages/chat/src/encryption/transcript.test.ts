import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Bytes } from '../bytes.ts';
import type { ChatCrypto } from '../crypto.ts';
import { nodeCrypto } from '../node-crypto.ts';
import { CHAIN_WINDOW, Chain, genesisOf } from './chain.ts';
import { MARK_BYTES, REMEMBERED_DRAFTS } from './draft-marks.ts';
import type { ChainPosition } from './envelope.ts';
import type { FindingCode } from './finding.ts';
import { MessageError } from './message-error.ts';
import { type Delivery, type Taken, Transcript } from './transcript.ts';

const room = new Uint8Array(16).fill(1);
const crypto = nodeCrypto();
const genesis = await genesisOf(crypto, room);
const alice = await crypto.sha256(Buffer.from('alice'));
const bob = await crypto.sha256(Buffer.from('bob'));

function envelope(text: string): Uint8Array {
  return Buffer.from(text);
}

/** Takes a verified message; the sender has seen nothing unless told. */
function take(
  transcript: Transcript,
  {
    seq = transcript.seq + 1,
    member = alice,
    n,
    text = `message ${n}`,
  }: Partial<Delivery> & { n: number; text?: string },
  seen: ChainPosition = new Transcript(crypto, genesis).position,
  name = member === alice ? 'alice' : 'bob',
): Promise<Taken> {
  return transcript.take(
    { seq, member, n, envelope: envelope(text) },
    { content: { kind: 'text', name, text, at: 0 }, seen, change: undefined },
  );
}

/** The text that was taken; undefined if none was. */
function textOf({ content }: Taken): string | undefined {
  return content?.kind === 'text' ? content.text : undefined;
}

function codes({ findings }: Taken): FindingCode[] {
  return findings.map(({ code }) => code);
}

describe('a transcript', () => {
  it('takes messages that follow each other', async () => {
    const transcript = new Transcript(crypto, genesis);
    for (const [member, n] of [
      [alice, 1],
      [bob, 1],
      [alice, 2],
      [alice, 3],
      [bob, 2],
    ] as const) {
      const verdict = await take(transcript, { member, n });
      assert.deepEqual(codes(verdict), []);
      assert.equal(textOf(verdict), `message ${n}`);
    }
  });

  it('takes one message after the other, and says so to whoever does not wait', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const slow: ChatCrypto = { ...crypto, sha256: (data) => promise.then(() => crypto.sha256(data)) };
    const transcript = new Transcript(slow, genesis);
    const first = take(transcript, { n: 1 });
    const waiting = /must wait/;
    await assert.rejects(take(transcript, { n: 2 }), waiting);
    const own = { seq: 1, member: bob, n: 1, envelope: envelope('own') };
    await assert.rejects(transcript.takeOwn(own, 'bob'), waiting);
    assert.throws(() => transcript.leaveOut(5), waiting);
    assert.throws(() => transcript.expire(5), waiting);
    const learned = { member: bob, n: 1, name: 'bob', mayJump: false };
    assert.throws(() => transcript.learn(learned), waiting);
    assert.equal(transcript.seq, 0);
    resolve();
    assert.deepEqual(codes(await first), []);
    assert.equal(transcript.seq, 1);
    assert.equal(transcript.sender(bob), undefined);
    assert.deepEqual(codes(await take(transcript, { n: 2 })), []);
  });

  it('is as before when the cryptography fails, and goes on', async () => {
    const calls = { left: Number.POSITIVE_INFINITY };
    const failing: ChatCrypto = {
      ...crypto,
      async sha256(data) {
        calls.left -= 1;
        if (calls.left < 0) throw new Error('no more');
        return crypto.sha256(data);
      },
    };
    const content = { kind: 'text', name: 'alice', text: 'x', at: 0, id: new Uint8Array(16) } as const;
    const delivery = { seq: 1, member: alice, n: 1, envelope: envelope('x') };
    const opened = { content, seen: { seq: 0, hash: genesis }, change: undefined };
    const transcript = new Transcript(failing, genesis);
    let needed = 0;
    for (; ; needed += 1) {
      calls.left = needed;
      try {
        await transcript.take(delivery, opened);
        break;
      } catch (error) {
        assert.match(String(error), /no more/);
        assert.deepEqual([transcript.seq, transcript.hash, [...transcript.senders]], [0, genesis, []]);
      }
    }
    assert.equal(needed, 3);
    assert.equal(transcript.sender(alice)?.n, 1);
  });

  it('refuses to be used out of order', async () => {
    const transcript = new Transcript(crypto, genesis);
    await assert.rejects(take(transcript, { seq: 2, n: 1 }), RangeError);
  });

  it('drops what a sender has said before', async () => {
    const transcript = new Transcript(crypto, genesis);
    await take(transcript, { n: 1 });
    const verdict = await take(transcript, { n: 1 });
    assert.deepEqual(codes(verdict), ['REPLAY']);
    assert.equal(verdict.content, undefined);
  });

  it('tells what is missing, and drops it when it comes late', async () => {
    const transcript = new Transcript(crypto, genesis);
    await take(transcript, { n: 1 });
    const jump = await take(transcript, { n: 4 });
    assert.deepEqual(codes(jump), ['MISSING']);
    assert.match(jump.findings[0]!.text, /^2 messages from “alice” \([0-9a-f]{8}\) are missing/);
    assert.equal(textOf(jump), 'message 4');
    assert.deepEqual(codes(await take(transcript, { n: 3 })), ['REORDERED']);
    assert.deepEqual(codes(await take(transcript, { n: 1 })), ['REPLAY']);
    assert.deepEqual(codes(await take(transcript, { n: 5 })), []);
  });

  it('misses the first messages of a sender only if it was there from the beginning', async () => {
    assert.deepEqual(codes(await take(new Transcript(crypto, genesis), { n: 3 })), ['MISSING']);
    assert.deepEqual(
      codes(await take(new Transcript(crypto, genesis, Transcript.startingAt(10)), { n: 3 })),
      [],
    );
  });

  it('does not count a message that could not be opened', async () => {
    const transcript = new Transcript(crypto, genesis);
    const forged = { seq: 1, member: alice, n: 1, envelope: envelope('forged') };
    assert.deepEqual(codes(await transcript.take(forged, new MessageError('FORGED', 'it is forged'))), [
      'FORGED',
    ]);
    assert.deepEqual(codes(await take(transcript, { n: 1 })), []);
  });

  it('counts what its sender said and nobody here understands', async () => {
    for (const code of ['MALFORMED_CONTENT', 'UNSUPPORTED_VERSION'] as const) {
      const transcript = new Transcript(crypto, genesis);
      const strange = (n: number) => ({ seq: transcript.seq + 1, member: alice, n, envelope: envelope('?') });
      const error = new MessageError(code, 'it is strange');
      await take(transcript, { n: 1 });
      assert.deepEqual(codes(await transcript.take(strange(2), error)), [code]);
      assert.deepEqual(codes(await take(transcript, { n: 3 })), []);
      assert.deepEqual(codes(await transcript.take(strange(5), error)), ['MISSING', code]);
      assert.deepEqual(codes(await transcript.take(strange(5), error)), ['REPLAY']);
      assert.deepEqual(codes(await transcript.take(strange(4), error)), ['REORDERED']);
      assert.deepEqual(codes(await take(transcript, { n: 6 })), []);
    }
  });

  it('remembers nobody of whom it has only a signature, which everybody can make', async () => {
    const transcript = new Transcript(crypto, genesis);
    const error = new MessageError('UNSUPPORTED_VERSION', 'it is of version 9');
    const delivery = { seq: 1, member: alice, n: 1, envelope: envelope('?') };
    const taken = await transcript.take(delivery, error);
    assert.match(
      taken.findings[0]!.text,
      /^A message from member [0-9a-f]{8} cannot be shown: it is of version 9\.$/,
    );
    assert.equal([...transcript.senders].length, 0);
  });

  it('takes quietly what a later version says', async () => {
    const transcript = new Transcript(crypto, genesis);
    const content = { kind: 'unknown', of: 'poll', name: 'alice', at: 0 } as const;
    const opened = { content, seen: transcript.position, change: undefined };
    const delivery = { seq: 1, member: alice, n: 1, envelope: envelope('poll') };
    assert.deepEqual(await transcript.take(delivery, opened), { content, findings: [] });
    assert.deepEqual(codes(await take(transcript, { n: 2 })), []);
  });

  it('notices two members of one name, once', async () => {
    const transcript = new Transcript(crypto, genesis);
    await take(transcript, { n: 1 });
    const verdict = await take(transcript, { member: bob, n: 1 }, undefined, 'ALICE\u200b');
    assert.deepEqual(codes(verdict), ['NAME_SHARED']);
    assert.doesNotMatch(verdict.findings[0]!.text, /\p{C}/u);
    assert.deepEqual(codes(await take(transcript, { member: bob, n: 2 }, undefined, 'ALICE\u200b')), []);
  });

  it('notices names that look the same, in another script and with blanks', async () => {
    for (const name of ['Alice', '\u0430lice', 'AIice', 'ali\u2800ce']) {
      const transcript = new Transcript(crypto, genesis);
      await take(transcript, { n: 1 });
      const verdict = await take(transcript, { member: bob, n: 1 }, undefined, name);
      assert.deepEqual(codes(verdict), ['NAME_SHARED'], name);
    }
    const transcript = new Transcript(crypto, genesis);
    await take(transcript, { n: 1 }, undefined, '\u2800');
    const { findings } = await take(transcript, { member: bob, n: 1 }, undefined, '\u3164');
    assert.match(findings[0]!.text, /^“\(no name\)” \([0-9a-f]{8}\) uses a name that looks like that of “/);
  });

  it('looks at each name once, however many there are', async (t) => {
    const count = 500;
    const normalize = t.mock.method(String.prototype, 'normalize');
    const transcript = new Transcript(crypto, genesis);
    for (let i = 0; i < count; i += 1) {
      const member = new Uint8Array(32);
      new DataView(member.buffer).setUint32(0, i);
      await take(transcript, { member, n: 1 }, undefined, `somebody ${i}`);
    }
    assert.ok(normalize.mock.callCount() <= 10 * count, `${normalize.mock.callCount()} for ${count} senders`);
  });

  it('notices that a sender was shown another history, once for each sender', async () => {
    const mine = new Transcript(crypto, genesis);
    const theirs = new Transcript(crypto, genesis);
    await take(mine, { n: 1, text: 'yes' });
    await take(theirs, { n: 1, text: 'no' });
    const verdict = await take(mine, { member: bob, n: 1 }, theirs.position);
    assert.deepEqual(codes(verdict), ['HISTORY_DIFFERS']);
    assert.equal(textOf(verdict), 'message 1');
    await take(theirs, { member: bob, n: 1 });
    assert.deepEqual(codes(await take(mine, { member: bob, n: 2 }, theirs.position)), []);
  });

  it('notices a sender who has seen what has not come yet', async () => {
    const transcript = new Transcript(crypto, genesis);
    assert.deepEqual(codes(await take(transcript, { n: 1 }, { seq: 1, hash: new Uint8Array(32) })), [
      'HISTORY_DIFFERS',
    ]);
  });

  it('agrees with one who read the same', async () => {
    const mine = new Transcript(crypto, genesis);
    const theirs = new Transcript(crypto, genesis);
    for (let n = 1; n <= 5; n += 1) {
      assert.deepEqual(codes(await take(mine, { n }, theirs.position)), []);
      await take(theirs, { n });
    }
    assert.deepEqual(mine.position, theirs.position);
  });

  it('goes on from where it was saved', async () => {
    const before = new Transcript(crypto, genesis);
    await take(before, { n: 1 });
    const { seq, hash, complete } = before;
    const after = new Transcript(crypto, genesis, { seq, hash, complete, senders: [...before.senders] });
    assert.deepEqual(after.position, before.position);
    assert.deepEqual(codes(await take(after, { n: 1 })), ['REPLAY']);
    assert.deepEqual(codes(await take(after, { n: 3 })), ['MISSING']);
  });

  it('says what the server left out, and then knows no history until a member tells it', async () => {
    const complete = new Transcript(crypto, genesis);
    const mine = new Transcript(crypto, genesis);
    await take(mine, { n: 1 });
    for (let n = 1; n <= 4; n += 1) await take(complete, { n });
    assert.match(mine.leaveOut(4).text, /the messages 2 to 3/);
    assert.deepEqual(mine.position.seq, 0);
    assert.deepEqual(codes(await take(mine, { n: 4 })), ['MISSING']);
    assert.deepEqual(codes(await take(mine, { member: bob, n: 1 }, complete.position)), []);
    await take(complete, { member: bob, n: 1 });
    assert.deepEqual(mine.position, complete.position);
  });

  it('lets senders jump once where old messages were deleted', async () => {
    const transcript = new Transcript(crypto, genesis);
    await take(transcript, { n: 1 });
    assert.equal(transcript.expire(10).code, 'EXPIRED');
    assert.deepEqual(codes(await take(transcript, { n: 7 })), []);
    assert.deepEqual(codes(await take(transcript, { n: 9 })), ['MISSING']);
  });
});

describe('a draft that was sealed again', () => {
  const draft = (name: string) =>
    Uint8Array.from({ length: 16 }, (_, at) => name.charCodeAt(at % name.length));

  /** Takes a text with the id of a draft. */
  function takeDraft(
    transcript: Transcript,
    n: number,
    text: string,
    {
      id = draft(text),
      instead,
      member = alice,
    }: { id?: Uint8Array; instead?: number[]; member?: Bytes } = {},
  ): Promise<Taken> {
    const delivery = { seq: transcript.seq + 1, member, n, envelope: envelope(`${n} ${text}`) };
    const name = member === alice ? 'alice' : 'bob';
    const content = { kind: 'text', name, text, at: 0, id, ...(instead && { instead }) } as const;
    return transcript.take(delivery, { content, seen: { seq: 0, hash: genesis }, change: undefined });
  }

  const restarted = ({ seq, hash, complete, senders }: Transcript) =>
    new Transcript(crypto, genesis, { seq, hash, complete, senders: [...senders] });

  it('is shown once, and its number and place are counted', async () => {
    let transcript = new Transcript(crypto, genesis);
    assert.equal(textOf(await takeDraft(transcript, 1, 'hello')), 'hello');
    assert.deepEqual(await takeDraft(transcript, 2, 'hello', { instead: [1] }), {
      content: undefined,
      findings: [],
    });
    transcript = restarted(transcript);
    assert.deepEqual(await takeDraft(transcript, 3, 'hello', { instead: [1, 2] }), {
      content: undefined,
      findings: [],
    });
    assert.equal(transcript.seq, 3);
    assert.equal(transcript.sender(alice)?.n, 3);
    assert.deepEqual(codes(await takeDraft(transcript, 4, 'again')), []);
  });

  it('has numbers that were given up, which nobody misses', async () => {
    const transcript = new Transcript(crypto, genesis);
    await takeDraft(transcript, 1, 'hello');
    const forged = { seq: 2, member: alice, n: 2, envelope: envelope('injected') };
    await transcript.take(forged, new MessageError('FORGED', 'it is forged'));
    const taken = await takeDraft(transcript, 4, 'how are you', { instead: [2, 3] });
    assert.deepEqual(codes(taken), []);
    assert.equal(textOf(taken), 'how are you');
    // What was sealed first comes after all, from a server that had kept it.
    assert.deepEqual(codes(await takeDraft(transcript, 2, 'how are you')), ['REPLAY']);
  });

  it('has numbers that were given up at the beginning, too', async () => {
    const transcript = new Transcript(crypto, genesis);
    assert.deepEqual(codes(await takeDraft(transcript, 2, 'hello', { instead: [1] })), []);
    const other = new Transcript(crypto, genesis);
    assert.deepEqual(codes(await takeDraft(other, 3, 'hello', { instead: [1] })), ['MISSING']);
  });

  it('excuses the numbers that it names and no other', async () => {
    const transcript = new Transcript(crypto, genesis);
    await takeDraft(transcript, 1, 'hello');
    const taken = await takeDraft(transcript, 9, 'x', { instead: [3, 5, 5, 1, 9, 12, 2 ** 53 - 1] });
    assert.match(taken.findings[0]!.text, /^5 messages from “alice” .* are missing/);
    assert.deepEqual(codes(await takeDraft(transcript, 3, 'late')), ['REPLAY']);
    assert.deepEqual(codes(await takeDraft(transcript, 4, 'late')), ['REORDERED']);
    // Nothing is excused ahead.
    assert.deepEqual(codes(await takeDraft(transcript, 13, 'y')), ['MISSING']);
  });

  it('that comes later than what followed it closes the gap it left', async () => {
    const transcript = new Transcript(crypto, genesis);
    assert.deepEqual(codes(await takeDraft(transcript, 2, 'two')), ['MISSING']);
    assert.deepEqual(codes(await takeDraft(transcript, 3, 'one', { instead: [1] })), []);
    assert.deepEqual(codes(await takeDraft(transcript, 1, 'one')), ['REPLAY']);
  });

  it('hides nothing else: a liar’s other text, time or kind under the same id is another message', async () => {
    const transcript = new Transcript(crypto, genesis);
    const id = draft('id');
    assert.equal(textOf(await takeDraft(transcript, 1, 'I pay', { id })), 'I pay');
    assert.equal(
      textOf(await takeDraft(transcript, 2, 'I do not pay', { id, instead: [1] })),
      'I do not pay',
    );
    const at = { kind: 'text', name: 'alice', text: 'I pay', at: 1, id } as const;
    const named = { kind: 'name', name: 'alice', at: 0, id } as const;
    for (const content of [at, named]) {
      const { seq } = transcript;
      const delivery = { seq: seq + 1, member: alice, n: seq + 1, envelope: envelope(`${seq}`) };
      const opened = { content, seen: { seq: 0, hash: genesis }, change: undefined };
      assert.equal((await transcript.take(delivery, opened)).content, content);
    }
  });

  it('is the sender’s own: another member’s id hides nothing, and excuses nothing', async () => {
    const transcript = new Transcript(crypto, genesis);
    await takeDraft(transcript, 1, 'hello', { id: draft('id') });
    const taken = await takeDraft(transcript, 1, 'hello', { id: draft('id'), instead: [2], member: bob });
    assert.equal(textOf(taken), 'hello');
    assert.deepEqual(codes(await takeDraft(transcript, 3, 'x')), ['MISSING']);
  });

  it('is a message like others without an id', async () => {
    const transcript = new Transcript(crypto, genesis);
    for (let n = 1; n <= 2; n += 1) {
      assert.equal(textOf(await take(transcript, { n, text: 'same' })), 'same');
    }
    assert.equal(transcript.sender(alice)?.drafts.length, 0);
  });

  it('is known among so many messages of its sender, and takes no more memory than that', async () => {
    const transcript = new Transcript(crypto, genesis);
    let n = 0;
    const say = (text: string) => {
      n += 1;
      return takeDraft(transcript, n, text);
    };
    for (let count = 0; count < REMEMBERED_DRAFTS + 1; count += 1) await say(`message ${count}`);
    assert.equal(transcript.sender(alice)?.drafts.byteLength, REMEMBERED_DRAFTS * MARK_BYTES);
    assert.equal(transcript.sender(alice)?.drafts.buffer.byteLength, REMEMBERED_DRAFTS * MARK_BYTES);
    assert.equal(textOf(await say('message 1')), undefined);
    assert.equal(textOf(await say('message 0')), 'message 0');
  });

  it('is shown once and missed never, whatever a server keeps of it, and however often one starts', async () => {
    /** Of each time that a draft was sealed: whether the server has it, or what somebody put there, or both one after the other. */
    const time = fc.constantFrom('injected', 'kept', 'both');
    const restart = fc.boolean();
    const drafts = fc.array(fc.tuple(fc.array(time, { maxLength: 5 }), restart), {
      minLength: 1,
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(drafts, async (plan) => {
        let transcript = new Transcript(crypto, genesis);
        const shown: (string | undefined)[] = [];
        const found: FindingCode[] = [];
        let n = 0;
        const takeNext = async (text: string, instead: number[]) => {
          const taken = await takeDraft(transcript, n, text, instead.length === 0 ? {} : { instead });
          if (taken.content !== undefined) shown.push(textOf(taken));
          found.push(...codes(taken));
        };
        for (const [index, [times, starts]] of plan.entries()) {
          const text = `draft ${index}`;
          const instead: number[] = [];
          for (const kept of times) {
            n += 1;
            const forged = { seq: transcript.seq + 1, member: alice, n, envelope: envelope('injected') };
            if (kept !== 'kept') await transcript.take(forged, new MessageError('FORGED', 'it is forged'));
            if (kept !== 'injected') await takeNext(text, [...instead]);
            instead.push(n);
          }
          if (starts) transcript = restarted(transcript);
          n += 1;
          await takeNext(text, instead);
        }
        assert.deepEqual(
          shown,
          plan.map((_, index) => `draft ${index}`),
        );
        assert.deepEqual(found, []);
        assert.equal(transcript.sender(alice)?.n, n);
      }),
    );
  });

  it('stays known when one learns of its sender anew', async () => {
    const transcript = new Transcript(crypto, genesis);
    await takeDraft(transcript, 1, 'hello');
    transcript.learn({ member: alice, n: 2, name: 'alice', mayJump: false });
    await transcript.takeOwn({ seq: 2, member: alice, n: 3, envelope: envelope('own') }, 'alice');
    assert.equal((await takeDraft(transcript, 4, 'hello')).content, undefined);
  });
});

describe('a chain', () => {
  it('differs with every field of every message', async () => {
    const hash = async (member: Uint8Array, n: number, text: string) => {
      const chain = new Chain(crypto, genesis);
      await chain.append({ member, n, envelope: envelope(text) });
      return Buffer.from(chain.hash!).toString('hex');
    };
    const hashes = await Promise.all([
      hash(alice, 1, 'x'),
      hash(bob, 1, 'x'),
      hash(alice, 2, 'x'),
      hash(alice, 1, 'y'),
    ]);
    assert.equal(new Set(hashes).size, hashes.length);
    assert.notDeepEqual(
      new Chain(crypto, genesis).hash,
      new Chain(crypto, await genesisOf(crypto, new Uint8Array(16))).hash,
    );
  });

  it('remembers the last places only', async () => {
    const chain = new Chain(crypto, genesis);
    const positions = [chain.position];
    for (let n = 1; n <= CHAIN_WINDOW + 10; n += 1) {
      await chain.append({ member: alice, n, envelope: new Uint8Array(0) });
      positions.push(chain.position);
    }
    const next = { member: alice, n: 1, envelope: new Uint8Array(0) };
    assert.equal(await chain.append(next, positions[5]!), 'unknown');
    assert.equal(await chain.append(next, positions[20]!), 'same');
    assert.equal(await chain.append(next, { seq: 20, hash: positions[21]!.hash }), 'differs');
    assert.equal(await chain.append(next, { seq: 0, hash: positions[21]!.hash }), 'differs');
  });

  it('is the same however late it learns what was before', async () => {
    const complete = new Chain(crypto, genesis);
    const positions = [complete.position];
    const link = (n: number) => ({ member: alice, n, envelope: envelope(`${n}`) });
    for (let n = 1; n <= 20; n += 1) {
      await complete.append(link(n));
      positions.push(complete.position);
    }
    for (const place of [10, 11, 19]) {
      const late = new Chain(crypto, genesis);
      late.skipTo(10);
      for (let n = 11; n <= 19; n += 1) await late.append(link(n));
      assert.equal(late.hash, undefined);
      assert.equal(await late.append(link(20), positions[place]), 'same');
      assert.deepEqual(late.position, complete.position);
    }
    const never = new Chain(crypto, genesis);
    never.skipTo(10);
    for (let n = 11; n <= 19; n += 1) await never.append(link(n));
    assert.equal(await never.append(link(20), positions[9]), 'unknown');
    assert.equal(never.hash, undefined);
  });

  it('keeps no view of what it is shown', async () => {
    const late = new Chain(crypto, genesis, 5);
    const network = new Uint8Array(64 * 1024).fill(3);
    const position = { seq: 5, hash: network.subarray(100, 132) };
    await late.append({ member: alice, n: 1, envelope: network.subarray(0, 500) }, position);
    const before = late.hash!.slice();
    network.fill(0);
    const told = { seq: 5, hash: new Uint8Array(32).fill(3) };
    assert.equal(await late.append({ member: alice, n: 2, envelope: envelope('x') }, told), 'same');
    assert.equal(before.buffer.byteLength, 32);
  });
});
