import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { describe, it } from 'node:test';
import { LogOutput, type Send, toFile } from './log-output.ts';

/** Where lines go that are taken when the test says so. */
class Reader {
  readonly taken: string[] = [];
  #pending: (() => void) | undefined;
  failing = false;
  readonly send: Send = (bytes, done) => {
    this.#pending = () => {
      if (!this.failing) this.taken.push(bytes.toString());
      done(this.failing ? new Error('ENOSPC') : null);
    };
  };

  take(): void {
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.();
  }
}

describe('the output of a log', () => {
  it('writes what came meanwhile at once, in order', async () => {
    const reader = new Reader();
    const output = new LogOutput(reader.send, 100);
    for (const line of ['a\n', 'b\n', 'c\n']) output.write(line);
    reader.take();
    const flushed = output.flush(60_000);
    reader.take();
    assert.equal(await flushed, true);
    assert.deepEqual(reader.taken, ['a\n', 'b\nc\n']);
  });

  it('keeps no more than it may of what nobody takes, and says how much is lost', () => {
    const reader = new Reader();
    const output = new LogOutput(reader.send, 100);
    for (let i = 0; i < 1000; i += 1) output.write('123456789\n');
    reader.take();
    reader.take();
    output.write('after\n');
    reader.take();
    const all = reader.taken.join('');
    assert.equal(all.match(/123456789/g)?.length, 11);
    assert.match(all, /"lines":989,"msg":"lines of this log were lost"}\n/);
    assert(all.endsWith('after\n'));
  });

  it('goes on when what it could not write has room again', () => {
    const reader = new Reader();
    const output = new LogOutput(reader.send, 100);
    reader.failing = true;
    for (const line of ['a\n', 'b\n']) {
      output.write(line);
      reader.take();
    }
    reader.failing = false;
    output.write('c\n');
    reader.take();
    assert.match(reader.taken.join(''), /^{.*"lines":2,.*}\nc\n$/);
    output.write('d\n');
    reader.take();
    assert.equal(reader.taken.at(-1), 'd\n');
  });

  it('waits at its end no longer than it is told to', async () => {
    const output = new LogOutput(() => {}, 100);
    assert.equal(await output.flush(60_000), true);
    output.write('never taken\n');
    assert.equal(await output.flush(1), false);
  });

  it('takes a full disk for what it is', async () => {
    const full = openSync('/dev/full', 'w');
    try {
      const error = await new Promise((resolve) => toFile(full)(Buffer.from('line\n'), resolve));
      assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
    } finally {
      closeSync(full);
    }
  });
});
