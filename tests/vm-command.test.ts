/** `skytale vm`: a guest for as long as a command runs in it, and no longer. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { cacheDirectory } from '@skytale/vm';
import { TemporaryDirectory } from './support/directory.ts';
import { guestObstacle } from './support/guest-obstacle.ts';
import { Program, run } from './support/programs.ts';
import { Terminal } from './support/terminal.ts';

const skip = (await guestObstacle()) ?? false;

/** What was fetched already is used; and what is left behind in /tmp is found. */
function environment(directory: TemporaryDirectory): Record<string, string> {
  const temporary = directory.join('tmp');
  mkdirSync(temporary, { recursive: true });
  return { SKYTALE_CACHE: cacheDirectory(), TMPDIR: temporary };
}

const leftBehind = (directory: TemporaryDirectory) => readdirSync(directory.join('tmp'));

/** How long a boot may take, on a machine that is busy. */
const patienceMs = 180_000;

/** Waits until `find` finds something; none of what is waited for here sends an event. */
async function until<T>(find: () => T | undefined | false, describe: () => string): Promise<T> {
  for (const deadline = performance.now() + patienceMs; ; await wait(100)) {
    const found = find();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) throw new Error(`waited in vain: ${describe()}`);
  }
}

/** The process of QEMU that belongs to the program, once there is one. */
function qemuOf(program: Program): Promise<number> {
  return until(
    () => childrenOf(program.pid).find((pid) => readProcess(pid, 'cmdline').includes('qemu-system')),
    () => `no QEMU; ${program.stderr}`,
  );
}

function childrenOf(parent: number): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids
    .map(Number)
    .filter((pid) => / \(.*\) \S (\d+) /.exec(readProcess(pid, 'stat'))?.[1] === `${parent}`);
}

/** Empty if the process has ended meanwhile. */
function readProcess(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}

async function untilGone(pid: number): Promise<void> {
  await until(
    () => !existsSync(`/proc/${pid}`),
    () => `process ${pid} still runs`,
  );
}

async function untilShown(terminal: Terminal, pattern: RegExp): Promise<void> {
  await until(
    () => pattern.test(terminal.text().trimEnd()),
    () => `${pattern} in\n${terminal.text()}`,
  );
}

describe('skytale vm', { skip, timeout: 300_000 }, () => {
  it('runs a command in a guest, with its input, output, errors and status, and leaves nothing', async () => {
    using directory = new TemporaryDirectory();
    const script = 'cat; grep -A 4 virtio_crypto_aes_cbc /proc/crypto; pwd; echo oh >&2; exit 7';
    await using program = new Program(['vm', '--cpus', '1', '--', 'sh', '-c', script], {
      input: 'hello\n',
      env: environment(directory),
    });
    const qemu = await qemuOf(program);
    assert.equal(await program.exit(), 7, program.stderr);
    assert.match(program.stdout, /^hello\n/);
    assert.match(program.stdout, /selftest +: passed\n/);
    assert.ok(program.stdout.endsWith(`${process.cwd()}\n`));
    assert.equal(program.stderr, 'oh\n');
    await untilGone(qemu);
    assert.deepEqual(leftBehind(directory), []);
  });

  it('takes the guest along when it is killed', async () => {
    using directory = new TemporaryDirectory();
    await using program = new Program(['vm', '--', 'sh', '-c', 'echo started; sleep 1000'], {
      env: environment(directory),
    });
    await until(
      () => program.lines.includes('started'),
      () => program.stderr,
    );
    const qemu = await qemuOf(program);
    program.kill('SIGKILL');
    await untilGone(qemu);
    assert.deepEqual(leftBehind(directory), []);
  });

  it('ends on a signal, whatever the guest is doing', async () => {
    using directory = new TemporaryDirectory();
    await using program = new Program(['vm', '--model', 'none', '--', 'true'], {
      env: environment(directory),
    });
    const qemu = await qemuOf(program);
    program.kill('SIGTERM');
    assert.equal(await program.exit(), 128 + 15);
    await untilGone(qemu);
    assert.deepEqual(leftBehind(directory), []);
  });

  it('gives a shell on a terminal', async () => {
    using terminal = new Terminal(100, 30);
    terminal.type(
      `SKYTALE_CACHE=${cacheDirectory()} ${process.execPath} packages/skytale/src/main.ts vm --model none`,
    );
    terminal.press('Enter');
    await untilShown(terminal, /"exit" ends it/);
    await untilShown(terminal, /[#$]$/);
    terminal.type('stty size; exit 5');
    terminal.press('Enter');
    await untilShown(terminal, /30 100/);
    await untilShown(terminal, /\n\$$/);
    terminal.type('echo status=$?');
    terminal.press('Enter');
    await untilShown(terminal, /status=5/);
  });

  it('does it all in v86, where there is no QEMU', async () => {
    using directory = new TemporaryDirectory();
    const script = 'cat; cat /sys/bus/virtio/devices/virtio0/device; uname -m; echo oh >&2; exit 7';
    const result = await run(['vm', '--vmm', 'v86', '--', 'sh', '-c', script], {
      input: 'hello\n',
      env: { ...environment(directory), PATH: '' },
    });
    assert.deepEqual(result, { code: 7, stdout: 'hello\n0x0014\ni686\n', stderr: 'oh\n' });
  });

  it('says what cannot be', async () => {
    for (const [args, message] of [
      [['--qemu', '7', '--model', 'virtio-cryptodev'], /--qemu 11 does/],
      [['--qemu', '9'], /none of 7, 11/],
      [['--vmm', 'v86', '--network'], /--network/],
      [['--vmm', 'v86', '--qemu', '11', '--', 'true'], /needs no QEMU/],
      [['--vmm', 'v86'], /COMMAND is missing/],
      [['--memory', '64'], /from 128/],
    ] as const) {
      const result = await run(['vm', ...args]);
      assert.deepEqual([result.code, result.stdout], [2, ''], result.stderr);
      assert.match(result.stderr, message);
    }
  });
});
