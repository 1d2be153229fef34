/** Version 2 of the protocol, and that version 1 is served as it was. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { LogError } from '../log/log-error.ts';
import type { LogChunk } from '../log/message-log.ts';
import type { Frame } from '../protocol/frames.ts';
import { newKeyPair, RawClient, text } from './raw-client.testing.ts';
import { addressOf, GatedLog, joined, live, startServer } from './server.testing.ts';

const room = newKeyPair();
const hex = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString('hex');
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const ZEROS = '00'.repeat(32);

/** A log in which what is stored at the place 2 is damaged. */
class DamagedLog extends GatedLog {
  damagedRoom = false;

  override async read(id: string, after: number, maxBytes: number): Promise<LogChunk | undefined> {
    if (after === 1) return { first: 2, last: 2, frames: new Uint8Array(0), damaged: true };
    return await super.read(id, after, after === 0 ? 1 : maxBytes);
  }

  override async lastOf(id: string, member: string) {
    if (this.damagedRoom) throw new LogError('LOG_DAMAGED', 'made to be damaged');
    return await super.lastOf(id, member);
  }
}

describe('the versions of the protocol', () => {
  test('are announced', async () => {
    await using server = await startServer();
    const client = new RawClient((await import('node:net')).connect(addressOf(server)));
    const { lowest, highest } = await client.welcomed();
    assert.deepEqual([lowest, highest], [1, 2]);
    await client.close();
  });

  test('2: JOINED and ACK say what is stored', async () => {
    await using server = await startServer();
    const member = newKeyPair();
    await using a = await live(server, room, member, 2);
    a.publish(text('one'), text('two'));
    for (const envelope of ['one', 'two']) {
      assert.equal(hex((await a.next('ack')).hash), sha256(text(envelope)));
    }
    a.send({ type: 'publish', n: 2, envelope: text('again') });
    const last = await a.next('ack');
    assert.deepEqual([last.seq, hex(last.hash)], [0, sha256(text('two'))]);
    a.send({ type: 'publish', n: 1, envelope: text('again') });
    assert.equal(hex((await a.next('ack')).hash), ZEROS);
    await using again = await RawClient.connect(addressOf(server));
    again.version = 2;
    const { lastN, lastHash, capabilities } = await again.join(room, member, 2);
    assert.deepEqual([lastN, hex(lastHash), capabilities], [2, sha256(text('two')), []]);
    await using other = await RawClient.connect(addressOf(server));
    other.version = 2;
    assert.equal(hex((await other.join(room, newKeyPair(), 2)).lastHash), ZEROS);
  });

  test('1 and 2 talk in one room', async () => {
    await using server = await startServer();
    await using one = await live(server, room, newKeyPair(), 1);
    await using two = await live(server, room, newKeyPair(), 2);
    one.publish(text('m'));
    assert.deepEqual(Object.keys(await one.next('ack')).sort(), ['n', 'seq', 'time', 'type']);
    await two.next('deliver');
    two.publish(text('m'));
    assert.equal((await one.next('deliver')).seq, 2);
    assert.equal(hex((await two.next('ack')).hash), sha256(text('m')));
  });

  test('1: JOINED and DRAIN are as they were', async () => {
    const server = await startServer();
    await using a = await RawClient.connect(addressOf(server));
    a.create(room);
    await a.next('created');
    const joined = await a.join(room, newKeyPair());
    assert.deepEqual(Object.keys(joined).sort(), ['first', 'head', 'lastN', 'room', 'type']);
    await a.next('live');
    const closing = server.close();
    assert.deepEqual(await a.next('drain'), { type: 'drain' });
    await a.close();
    await closing;
  });

  test('2 is told of places that are damaged, 1 sees a hole', async () => {
    const log = new DamagedLog();
    await using server = await startServer({}, { log });
    await using a = await live(server, room);
    a.publish(text('one'), text('two'), text('three'));
    for (let n = 1; n <= 3; n += 1) await a.next('ack');
    const seen = async (version: number): Promise<string[]> => {
      await using reader = await joined(server, room, newKeyPair(), 0, version);
      const frames: string[] = [];
      for (let frame: Frame | undefined; frame?.type !== 'live'; ) {
        frame = await reader.nextOfAny();
        assert(frame !== undefined);
        if (frame.type === 'deliver') frames.push(`${frame.seq}`);
        if (frame.type === 'damaged') frames.push(`damaged ${frame.first}..${frame.last}`);
      }
      return frames;
    };
    assert.deepEqual(await seen(2), ['1', 'damaged 2..2', '3']);
    assert.deepEqual(await seen(1), ['1', '3']);
  });

  test('a JOIN that damage makes impossible is answered so', async () => {
    const log = new DamagedLog();
    await using server = await startServer({}, { log });
    await using other = await live(server, newKeyPair());
    log.damagedRoom = true;
    for (const [version, code] of [
      [2, 'DAMAGED'],
      [1, 'SERVER_FAILURE'],
    ] as const) {
      await using client = await RawClient.connect(addressOf(server));
      client.version = version;
      client.create(room);
      await client.next('created');
      client.sendJoin(room, newKeyPair());
      assert.equal(await client.fatalError(), code);
    }
    other.publish(text('m'));
    await other.next('ack');
  });
});

describe('before it has joined, a client', () => {
  const large: Frame = { type: 'publish', n: 1, envelope: new Uint8Array(700) };

  test('may send no more than the longest frame that opens', async () => {
    await using server = await startServer();
    await using a = await RawClient.connect(addressOf(server));
    a.send(large);
    assert.equal(await a.fatalError(), 'FRAME_TOO_LARGE');
    await using b = await RawClient.connect(addressOf(server));
    b.create(room);
    await b.next('created');
    b.version = 2;
    const names = Array.from({ length: 16 }, (_, index) => `${index}`.padStart(24, 'a'));
    b.sendJoin(room, newKeyPair(), 0, { capabilities: names });
    assert.deepEqual((await b.next('joined')).capabilities, []);
    b.send(large);
    await b.next('live');
    await b.next('ack');
  });
});
