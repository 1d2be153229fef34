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

/** The process of QEMU that was started with the environment of this directory, once there is one. */
function qemuOf(directory: TemporaryDirectory): Promise<number> {
  const ours = `TMPDIR=${directory.join('tmp')}\0`;
  const isOurs = (pid: number) =>
    readProcess(pid, 'cmdline').includes('qemu-system') && readProcess(pid, 'environ').includes(ours);
  return until(
    () => readdirSync('/proc').map(Number).filter(Number.isInteger).find(isOurs),
    () => 'no QEMU',
  );
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
    const script = `cat; grep -A 4 virtio_crypto_aes_cbc /proc/crypto; grep MemTotal /proc/meminfo
      grep -c ^eth0 /proc/net/route; pwd; echo oh >&2; exit 7`;
    const machine = ['--cpus', '1', '--memory', '500', '--network'];
    await using program = new Program(['vm', ...machine, '--', 'sh', '-c', script], {
      input: 'hello\n',
      env: environment(directory),
    });
    const qemu = await qemuOf(directory);
    assert.equal(await program.exit(), 7, program.stderr);
    assert.match(program.stdout, /^hello\n/);
    assert.match(program.stdout, /selftest +: passed\n/);
    assert.match(program.stdout, /MemTotal: +4\d{5} kB\n2\n/);
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
    const qemu = await qemuOf(directory);
    program.kill('SIGKILL');
    await untilGone(qemu);
    assert.deepEqual(leftBehind(directory), []);
  });

  it('ends on a signal, whatever the guest is doing', async () => {
    const outcomes = (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map(async (signal) => {
      using directory = new TemporaryDirectory();
      await using program = new Program(['vm', '--model', 'none', '--', 'true'], {
        env: environment(directory),
      });
      const qemu = await qemuOf(directory);
      program.kill(signal);
      const status = await program.exit();
      await untilGone(qemu);
      return [status, leftBehind(directory)];
    });
    assert.deepEqual(await Promise.all(outcomes), [
      [128 + 2, []],
      [128 + 15, []],
      [128 + 1, []],
    ]);
  });

  it('gives a shell on a terminal, and ends the guest with the shell or with the terminal', async () => {
    const openShell = async (directory: TemporaryDirectory) => {
      const terminal = new Terminal(100, 30);
      const variables = Object.entries(environment(directory)).map(([name, value]) => `${name}=${value}`);
      const command = [...variables, process.execPath, 'packages/skytale/src/main.ts vm --model none'];
      terminal.type(command.join(' '));
      terminal.press('Enter');
      await untilShown(terminal, /"exit" ends it/);
      await untilShown(terminal, /[#$]$/);
      return terminal;
    };
    using left = new TemporaryDirectory();
    using closed = new TemporaryDirectory();
    const [shell, lost] = await Promise.all([openShell(left), openShell(closed)]);
    using terminal = shell;
    const qemus = await Promise.all([qemuOf(left), qemuOf(closed)]);
    lost[Symbol.dispose]();
    terminal.type('stty size; exit 5');
    terminal.press('Enter');
    await untilShown(terminal, /30 100/);
    await untilShown(terminal, /\n\$$/);
    terminal.type('echo status=$?');
    terminal.press('Enter');
    await untilShown(terminal, /status=5/);
    for (const qemu of qemus) await untilGone(qemu);
    assert.deepEqual([leftBehind(left), leftBehind(closed)], [[], []]);
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

  it('names what is missing, and how to install it', async () => {
    using directory = new TemporaryDirectory();
    const env = { ...environment(directory), PATH: '' };
    const nothingFetched = { ...env, SKYTALE_CACHE: directory.join('cache') };
    for (const [variables, message] of [
      [env, /The program setpriv was not found: [^\n]*"apt-get install util-linux"/],
      [nothingFetched, /The program apt-get was not found: [^\n]*fetched with apt/],
    ] as const) {
      const { code, stdout, stderr } = await run(['vm', '--', 'true'], { env: variables });
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, message);
    }
    assert.deepEqual(leftBehind(directory), []);
  });

  it('gives a guest in v86 /dev/crypto, and a tool for it', async () => {
    using directory = new TemporaryDirectory();
    const args = [
      'vm',
      '--vmm',
      'v86',
      '--model',
      'virtio-cryptodev',
      '--',
      'cryptodev-tool',
      'digest',
      'sha1',
    ];
    const result = await run(args, { input: 'abc', env: environment(directory) });
    const stdout = 'a9993e364706816aba3e25717850c26c9cd0d89d\n';
    assert.deepEqual(result, { code: 0, stdout, stderr: '' });
  });

  it('says what cannot be', async () => {
    for (const [args, message] of [
      [['--qemu', '7', '--model', 'virtio-cryptodev'], /--qemu 11 does/],
      [['--qemu', '9'], /none of 7, 11/],
      [['--vmm', 'v86', '--network'], /--network/],
      [['--vmm', 'v86', '--qemu', '11', '--', 'true'], /needs no QEMU/],
      [['--vmm', 'v86'], /COMMAND is missing/],
      [['--vmm', 'v86', '--', 'cryptodev-tool', 'list'], /needs --model virtio-cryptodev/],
      [['--memory', '64'], /from 128/],
    ] as const) {
      const result = await run(['vm', ...args]);
      assert.deepEqual([result.code, result.stdout], [2, ''], result.stderr);
      assert.match(result.stderr, message);
    }
  });
});
