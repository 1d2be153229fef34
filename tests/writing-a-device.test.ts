/** docs/writing-a-device.md is true: its programs, taken out of it as they stand there, fill a guest's /dev/hwrng. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { Guest } from '@skytale/vm';
import { TemporaryDirectory } from './support/directory.ts';
import { guestObstacle } from './support/guest-obstacle.ts';
import { programsOf } from './support/programs-of.ts';

const root = join(import.meta.dirname, '..');
const file = join(root, 'docs/writing-a-device.md');
const page = readFileSync(file, 'utf8');

const skip = (await guestObstacle()) ?? false;
const run = promisify(execFile);

describe('the device of docs/writing-a-device.md', () => {
  const directory = new TemporaryDirectory();
  after(() => directory[Symbol.dispose]());
  // Where programs find the packages that they import.
  symlinkSync(join(root, 'node_modules'), directory.join('node_modules'));
  const programs = programsOf(file);
  for (const [name, text] of programs) writeFileSync(directory.join(name), text);

  it('is about fifty lines long', () => {
    assert.deepEqual(
      [...programs.keys()],
      ['entropy.ts', 'serve.ts', 'boot.ts', 'slow-entropy.ts', 'slow-entropy.test.ts', 'entropy.test.ts'],
    );
    const code = programs.get('entropy.ts')!.split('\n');
    assert.ok(code.length <= 60, `${code.length} lines`);
  });

  for (const name of ['entropy.test.ts', 'slow-entropy.test.ts']) {
    it(`passes ${name}, which stands there`, async () => {
      // Not as a part of this test's report.
      const { NODE_TEST_CONTEXT: _, ...env } = process.env;
      const { stdout } = await run(process.execPath, [directory.join(name)], { env });
      assert.match(stdout, /pass 1$/m);
    });
  }

  const serve = (socket: string, ...args: string[]) =>
    spawn(process.execPath, [directory.join('serve.ts'), socket, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  const launch = (socket: string) => {
    const [attach] = /-chardev .* -device vhost-user-rng-pci\S*/.exec(page)!;
    return Guest.launch({
      hostTree: false,
      modules: ['virtio_rng'],
      qemuArguments: attach.replace('/tmp/entropy.sock', socket).split(' '),
    });
  };

  it('fills /dev/hwrng of a guest on QEMU', { skip }, async () => {
    const socket = directory.join('entropy.sock');
    const server = serve(socket);
    try {
      const lines = createInterface(server.stdout)[Symbol.asyncIterator]();
      assert.deepEqual(JSON.parse(String((await lines.next()).value)), { event: 'listening', socket });
      await using guest = await launch(socket);
      assert.match(await guest.check('cat /sys/class/misc/hw_random/rng_current'), /^virtio_rng/);
      assertRandom(
        await guest.check('dd if=/dev/hwrng bs=1024 count=4 2>/dev/null | od -v -A n -t x1'),
        4096,
      );
      guest.assertCleanLog();
      await guest.kill();
      server.kill('SIGTERM');
      const told = await Array.fromAsync({ [Symbol.asyncIterator]: () => lines }, (line) => JSON.parse(line));
      assert.equal(told.at(-2).event, 'detached');
      assert.ok(told.at(-1).writableBytes >= 4096);
      assert.equal((await once(server, 'close'))[0], 0);
    } finally {
      server.kill('SIGKILL');
    }
  });

  it('is stopped by a guest on QEMU while it keeps a request, and serves the guest after it', {
    skip,
  }, async () => {
    const socket = directory.join('slow-entropy.sock');
    const server = serve(socket, './slow-entropy.ts');
    const lines = createInterface(server.stdout)[Symbol.asyncIterator]();
    try {
      assert.match(String((await lines.next()).value), /listening/);
      for (let i = 0; i < 2; i++) {
        await using guest = await launch(socket);
        // The driver always has a request under way; without it the device is reset.
        const random = 'dd if=/dev/hwrng bs=16 count=1 2>/dev/null | od -v -A n -t x1';
        assertRandom(await guest.check(random), 16);
        const rebind =
          'cd /sys/bus/virtio/drivers/virtio_rng && set virtio[0-9]* && echo $1 >unbind && echo $1 >bind';
        assertRandom(await guest.check(`${rebind} && ${random}`), 16);
        guest.assertCleanLog();
        await guest.kill();
      }
      server.kill('SIGTERM');
      const told = await Array.fromAsync({ [Symbol.asyncIterator]: () => lines }, (line) => JSON.parse(line));
      assert.ok(told.filter(({ event }) => event === 'ring-stopped').length >= 2, JSON.stringify(told));
      assert.equal((await once(server, 'close'))[0], 0);
    } finally {
      server.kill('SIGKILL');
    }
  });

  it('fills /dev/hwrng of a guest in v86', { skip }, async () => {
    const { stdout } = await run(process.execPath, [directory.join('boot.ts')], { timeout: 240_000 });
    const [driver, ...random] = stdout.split('\n');
    assert.match(driver!, /^virtio_rng/);
    assertRandom(random.join('\n'), 16);
  });
});

function assertRandom(dump: string, length: number): void {
  const bytes = dump.match(/\b[0-9a-f]{2}\b/g) ?? [];
  assert.equal(bytes.length, length);
  assert.ok(new Set(bytes).size > 4, dump);
}
