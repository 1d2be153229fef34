import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { describe, it } from 'node:test';
import { Qmp } from './qmp.ts';
import { VmError } from './vm-error.ts';

/** A monitor that answers with what `answer` makes of each command. */
function monitor(answer: (command: { execute: string; id: number }) => unknown[]): Duplex {
  const channel = new Duplex({
    read() {},
    write(chunk, _encoding, done) {
      for (const message of answer(JSON.parse(String(chunk)))) this.push(`${JSON.stringify(message)}\r\n`);
      done();
    },
  });
  channel.push('{"QMP": {"version": {}, "capabilities": []}}\r\n');
  return channel;
}

const code = (expected: string) => (error: unknown) => error instanceof VmError && error.code === expected;

describe("QEMU's monitor", () => {
  it('gives results to their commands, and events to subscribers', async () => {
    const events: string[] = [];
    const qmp = new Qmp(monitor(({ execute, id }) => [{ event: 'RESET' }, { return: execute, id }]));
    const unsubscribe = qmp.subscribe(({ event }) => events.push(event));
    assert.deepEqual(await Promise.all([qmp.execute('a'), qmp.execute('b')]), ['a', 'b']);
    assert.deepEqual(events, ['RESET', 'RESET']);
    unsubscribe();
    await qmp.execute('c');
    assert.equal(events.length, 2);
  });

  it('rejects with what QEMU says', async () => {
    const error = { class: 'GenericError', desc: 'Bus not found' };
    const qmp = new Qmp(monitor(({ id }) => [{ error, id }]));
    await assert.rejects(
      qmp.execute('device_add'),
      (reason) => code('qmp')(reason) && /Bus not found/.test(String(reason)),
    );
  });

  it('rejects all commands when QEMU has ended', async () => {
    const channel = monitor(() => []);
    const qmp = new Qmp(channel);
    const pending = qmp.execute('quit');
    channel.destroy();
    await assert.rejects(pending, code('guest-gone'));
    await assert.rejects(qmp.execute('quit'), code('guest-gone'));
  });
});
