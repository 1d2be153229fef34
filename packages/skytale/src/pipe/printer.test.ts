import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Printer } from './printer.ts';

/** A printer whose reader takes nothing until it is let. */
async function stuck() {
  const confirmed: number[] = [];
  const reader = Promise.withResolvers<void>();
  let text = '';
  const printer = new Printer(
    (seq) => confirmed.push(seq),
    async (lines) => {
      await reader.promise;
      text += lines;
    },
  );
  void printer.line('first\n');
  await setImmediate();
  await setImmediate();
  const far = 'x'.repeat(1024 * 1024);
  void printer.message(`${far}\n`, 7);
  assert.ok(printer.isBehind);
  return {
    printer,
    confirmed,
    read: async () => {
      reader.resolve();
      await printer.idle();
      return text.replace(far, 'message');
    },
  };
}

describe('lines for a reader that has stopped', () => {
  it('are all there when it goes on, in their order, and messages are confirmed then only', async () => {
    const { printer, confirmed, read } = await stuck();
    const lines = ['stored 1\n', 'unsent 2\n'];
    for (const line of lines) void printer.line(line);
    void printer.remark('warning\n');
    assert.deepEqual(confirmed, []);
    assert.equal(await read(), 'first\nmessage\nstored 1\nunsent 2\nwarning\n');
    assert.deepEqual(confirmed, [7]);
  });

  it('are an error when they are too many that nothing else bounds, and none is left out before', async () => {
    const { printer, read } = await stuck();
    const line = `${'w'.repeat(1023)}\n`;
    for (let i = 0; i < 1024; i += 1) void printer.remark(line);
    await assert.rejects(printer.remark(line), /Standard output is not read/);
    void printer.line('stored 1\n');
    assert.equal(await read(), `first\nmessage\n${line.repeat(1024)}stored 1\n`);
    // Whoever reads again may have as many again.
    await printer.remark(line);
  });
});
