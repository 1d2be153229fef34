import assert from 'node:assert/strict';
import { type Duplex, Writable } from 'node:stream';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ConnectionWriter, HIGH_WATER, WriteTurn } from './connection-writer.ts';
import { newCounters } from './counters.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A stream whose other side takes what it is given when it is told to, or at once. */
class Taker extends Writable {
  readonly taken: Buffer[] = [];
  writes = 0;
  slow = false;
  #take: (() => void) | undefined;
  #fail: (() => void) | undefined;

  constructor() {
    super({ highWaterMark: HIGH_WATER });
  }

  override _write(chunk: Buffer, _encoding: string, callback: (error?: Error) => void): void {
    this._writev([{ chunk }], callback);
  }

  override _writev(chunks: { chunk: Buffer }[], callback: (error?: Error) => void): void {
    this.writes += 1;
    this.#take = () => {
      for (const { chunk } of chunks) this.taken.push(Buffer.from(chunk));
      callback();
    };
    this.#fail = () => callback(new Error('closed'));
    if (!this.slow) this.take();
  }

  /** As a socket does with what is under way. */
  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#fail?.();
    callback(error);
  }

  /** Takes what was written last. */
  take(): void {
    const take = this.#take;
    this.#take = undefined;
    this.#fail = undefined;
    take?.();
  }
}

function setup() {
  const stream = new Taker();
  let drains = 0;
  let heard = 0;
  const writer = new ConnectionWriter(stream as unknown as Duplex, newCounters(), new WriteTurn(), {
    drained() {
      drains += 1;
    },
    listens() {
      heard += 1;
    },
  });
  return { stream, writer, drains: () => drains, heard: () => heard };
}

describe('a connection’s writer', () => {
  test('writes everything once and in order, however it is cut', async () => {
    const lengths = fc.array(fc.oneof(fc.nat(200), fc.integer({ min: 1, max: 200_000 })), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(lengths, fc.boolean(), async (list, slow) => {
        const { stream, writer } = setup();
        stream.slow = slow;
        const sent: Buffer[] = [];
        for (const [index, length] of list.entries()) {
          const bytes = Buffer.alloc(length, index + 1);
          sent.push(bytes);
          writer.send(bytes);
          if (index % 3 === 0) await turn();
        }
        writer.end();
        while (!stream.writableFinished) {
          stream.take();
          await turn();
        }
        assert(Buffer.concat(stream.taken).equals(Buffer.concat(sent)));
      }),
      { numRuns: 50 },
    );
  });

  test('writes what is small and sent in one turn at once', async () => {
    const { stream, writer } = setup();
    for (let count = 0; count < 100; count += 1) writer.send(Buffer.alloc(100));
    await turn();
    assert.equal(stream.writes, 1);
  });

  test('sees that a slow client takes something, piece by piece', async () => {
    const { stream, writer, drains } = setup();
    stream.slow = true;
    writer.send(Buffer.alloc(256 * 1024));
    assert.equal(writer.congested, true);
    await turn();
    assert.equal(writer.look(1000, 60_000), 'waiting');
    assert.equal(writer.look(60_999, 60_000), 'waiting');
    assert.equal(writer.look(61_000, 60_000), 'stuck');
    stream.take();
    await turn();
    assert.equal(writer.look(62_000, 60_000), 'taken');
    assert.equal(writer.look(63_000, 60_000), 'waiting');
    assert.equal(writer.look(122_000, 60_000), 'waiting');
    assert.equal(drains(), 0);
    for (let piece = 0; piece < 3; piece += 1) {
      stream.take();
      await turn();
    }
    assert.equal(drains(), 1);
    assert.equal(writer.congested, false);
    assert.equal(writer.look(130_000, 60_000), 'taken');
    assert.equal(writer.look(200_000, 60_000), undefined);
  });

  test('writes much at once to a client that is fast, and gives it time for all of that', async () => {
    const { stream, writer } = setup();
    writer.send(Buffer.alloc(1000));
    await turn();
    stream.slow = true;
    writer.send(Buffer.alloc(200_000));
    await turn();
    assert.equal(stream.writes, 2);
    assert.equal(writer.look(0, 60_000), 'waiting');
    assert.equal(writer.look(239_000, 60_000), 'waiting');
    assert.equal(writer.look(240_000, 60_000), 'stuck');
    stream.take();
    writer.send(Buffer.alloc(200_000));
    await turn();
    stream.take();
    await turn();
    assert.equal(stream.writes, 4, 'a slow one is given less at once');
  });

  test('writes no more than was granted, wherever that cuts, and what is last with all before it', async () => {
    const { stream, writer, drains } = setup();
    const taken = () => Buffer.concat(stream.taken).length;
    writer.send(Buffer.alloc(10));
    writer.beginWindow(100);
    writer.send(Buffer.alloc(HIGH_WATER + 500));
    await turn();
    assert.equal(taken(), 110);
    for (const [granted, then] of [
      [0, 110],
      [100, 110],
      [101, 111],
      [50, 111],
      [300, 310],
    ] as const) {
      writer.grant(granted);
      assert.equal(taken(), then, `${granted}`);
    }
    assert.deepEqual([writer.congested, writer.deaf, drains()], [true, false, 0]);
    writer.grant(1000);
    assert.deepEqual([writer.congested, drains()], [false, 1]);
    writer.end();
    assert.equal(taken(), 10 + HIGH_WATER + 500);
  });

  test('sees that a client grants nothing, as if it took nothing', async () => {
    const { writer } = setup();
    writer.beginWindow(100);
    writer.send(Buffer.alloc(500));
    await turn();
    assert.equal(writer.look(1000, 60_000), 'waiting');
    writer.grant(500);
    assert.equal(writer.look(60_000, 60_000), 'taken');
    writer.send(Buffer.alloc(3 * HIGH_WATER));
    await turn();
    assert.equal(writer.look(61_000, 60_000), 'waiting');
    assert.equal(writer.look(121_000, 60_000), 'stuck', 'whatever waits');
    writer.grant(500 + HIGH_WATER);
    assert.equal(writer.look(122_000, 60_000), 'taken');
  });

  test('is not deceived by a client that grants a few bytes again and again', async () => {
    const { writer } = setup();
    writer.beginWindow(0);
    writer.send(Buffer.alloc(2 * HIGH_WATER));
    await turn();
    const saw: unknown[] = [];
    for (let second = 0; second <= 60; second += 1) {
      writer.grant(second * 1000);
      saw.push(writer.look(second * 1000, 60_000));
    }
    assert.deepEqual(new Set(saw.slice(0, 60)), new Set(['waiting']));
    assert.equal(saw[60], 'stuck');
  });

  test('listens to a client that grants nothing, but not to any number of questions', async () => {
    const { writer } = setup();
    writer.beginWindow(0);
    writer.send(Buffer.alloc(HIGH_WATER));
    await turn();
    let answers = 0;
    while (!writer.deaf) {
      writer.send(Buffer.alloc(1000));
      writer.grant(answers);
      answers += 1;
    }
    assert.ok(answers > 350 && answers < 450, `${answers}`);
    writer.grant(1e9);
    assert.equal(writer.deaf, false);
  });

  test('counts what short answers take in memory, and not their bytes alone', async () => {
    for (const window of [undefined, 0]) {
      const { stream, writer } = setup();
      stream.slow = true;
      if (window === undefined) writer.send(Buffer.alloc(1));
      else writer.beginWindow(window);
      await turn();
      let answers = 0;
      for (; !writer.deaf; answers += 1) writer.send(Buffer.alloc(13));
      assert.ok(answers < (window === undefined ? 250 : 2300), `${answers}`);
    }
  });

  test('listens again to a client whose connection has taken all that it granted', async () => {
    const { stream, writer, heard } = setup();
    stream.slow = true;
    writer.beginWindow(2 * HIGH_WATER);
    writer.send(Buffer.alloc(4 * HIGH_WATER));
    await turn();
    assert.equal(writer.deaf, true, 'its connection has something to take');
    stream.take();
    await turn();
    assert.deepEqual([writer.deaf, writer.congested, heard()], [false, true, 1]);
  });

  test('forgets what nobody will take', async () => {
    const { stream, writer } = setup();
    stream.slow = true;
    stream.on('error', () => undefined);
    writer.send(Buffer.alloc(500_000));
    await turn();
    assert.equal(stream.writes, 1);
    stream.destroy();
    await turn();
    writer.send(Buffer.alloc(500_000));
    await turn();
    assert.equal(stream.writes, 1);
  });
});
