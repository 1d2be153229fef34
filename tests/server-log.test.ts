/** A server whose log nobody takes: it serves, and ends when it is told to. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { TemporaryDirectory } from './support/directory.ts';

const main = fileURLToPath(new URL('../packages/skytale/src/main.ts', import.meta.url));

/** A pipe that is full, and whose reader does not read. */
class StuckPipe implements Disposable {
  readonly #directory = new TemporaryDirectory();
  readonly #reader: number;
  readonly descriptor: number;

  constructor() {
    const path = this.#directory.join('pipe');
    execFileSync('mkfifo', [path]);
    this.#reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const filler = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
    assert.throws(() => {
      for (;;) writeSync(filler, Buffer.alloc(4096));
    }, /EAGAIN/);
    closeSync(filler);
    this.descriptor = openSync(path, constants.O_WRONLY);
  }

  [Symbol.dispose](): void {
    closeSync(this.descriptor);
    closeSync(this.#reader);
    this.#directory[Symbol.dispose]();
  }
}

/** It takes connections, and ends as it should, with this for its standard error. */
async function serves(stderr: number): Promise<void> {
  using directory = new TemporaryDirectory();
  const args = ['serve', '--json', '--listen', '127.0.0.1:0', '--http', 'off', '--data', directory.join('d')];
  const child: ChildProcess = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', stderr] });
  try {
    const [first] = (await once(child.stdout!, 'data')) as [Buffer];
    const [host, port] = (JSON.parse(first.toString()) as { tcp: string }).tcp.split(':');
    for (let made = 0; made < 3; made += 1) {
      const socket = connect({ host: host!, port: Number(port) });
      await once(socket, 'data');
      socket.destroy();
    }
    const exit = once(child, 'exit');
    child.kill('SIGTERM');
    assert.deepEqual(await exit, [0, null]);
  } finally {
    child.kill('SIGKILL');
  }
}

describe('a server', { timeout: 60_000 }, () => {
  it('serves while its log cannot be written, and ends on a signal', async () => {
    const full = openSync('/dev/full', 'w');
    try {
      await serves(full);
    } finally {
      closeSync(full);
    }
  });

  it('ends on a signal though the reader of its log is stuck', async () => {
    using stuck = new StuckPipe();
    await serves(stuck.descriptor);
  });
});
