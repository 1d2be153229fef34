import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nodeCrypto } from '../node-crypto.ts';
import { CHAIN_WINDOW, Chain, genesisOf } from './chain.ts';
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

  it('notices two members of one name, once', async () => {
    const transcript = new Transcript(crypto, genesis);
    await take(transcript, { n: 1 });
    const verdict = await take(transcript, { member: bob, n: 1 }, undefined, 'ALICE\u200b');
    assert.deepEqual(codes(verdict), ['NAME_SHARED']);
    assert.doesNotMatch(verdict.findings[0]!.text, /\p{C}/u);
    assert.deepEqual(codes(await take(transcript, { member: bob, n: 2 }, undefined, 'ALICE\u200b')), []);
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
});
