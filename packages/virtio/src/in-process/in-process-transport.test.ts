import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { COMMANDS, WORKER_DEVICE } from '../testing/worker-commands.ts';
import { VirtioError, type VirtioErrorCode } from '../virtio-error.ts';
import { InProcessTransport } from './in-process-transport.ts';

const run = promisify(execFile);
const bytes = (...values: number[]) => Uint8Array.from(values);

async function launch(): Promise<InProcessTransport> {
  const transport = await InProcessTransport.launch(WORKER_DEVICE, { memorySize: 1 << 20 });
  await transport.start({ features: 1n });
  return transport;
}

function failsWith(code: VirtioErrorCode, message: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof VirtioError);
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  };
}

describe('InProcessTransport', { timeout: 60_000 }, () => {
  it('finds the device that the worker serves, and starts it', async () => {
    await using transport = await InProcessTransport.launch(WORKER_DEVICE);
    assert.equal(transport.deviceId, 42);
    assert.equal(transport.offeredFeatures & 0xffn, 0b101n);
    assert.equal(transport.queues.length, 2);
    await assert.rejects(transport.queues[0]!.request(bytes(1), 1), { code: 'VIRTIO_NOT_STARTED' });
    assert.equal((await transport.start({ features: 1n })) & 0xffn, 1n);
    assert.equal(transport.queues[0]!.size, 256);
    assert.equal(transport.queues[1]!.size, 8);
    assert.deepEqual(await transport.queues[0]!.request(bytes(1, 2, 3), 3), bytes(3, 2, 1));
  });

  it('carries many requests on several queues, some of them answered later', async () => {
    await using transport = await launch();
    const rounds = Array.from({ length: 3000 }, async (_, i) => {
      const command = i % 50 === 0 ? COMMANDS.later : i % 200;
      const request = bytes(command, i & 0xff, i >> 8, ...new Uint8Array(i % 90));
      const answer = await transport.queues[i % 2]!.request(request, request.length);
      assert.deepEqual(answer, request.reverse());
    });
    await Promise.all(rounds);
  });

  it('carries requests one after another', async () => {
    await using transport = await launch();
    for (let i = 0; i < 300; i++) {
      assert.deepEqual(await transport.queues[0]!.request(bytes(1, i & 0xff), 2), bytes(i & 0xff, 1));
    }
  });

  it('shares buffers without a copy', async () => {
    await using transport = await launch();
    using buffer = transport.memory.allocate(4096);
    buffer.bytes.set([1, 2, 3]);
    const answer = { address: buffer.address + 1024, length: 16 };
    const written = await transport.queues[0]!.submit([{ address: buffer.address, length: 3 }], [answer]);
    assert.deepEqual(buffer.bytes.slice(1024, 1024 + written), bytes(3, 2, 1));
  });

  it('reads and writes the configuration space', async () => {
    await using transport = await launch();
    assert.deepEqual(await transport.readConfig(0, 8), bytes(1, 2, 3, 4, 5, 6, 7, 8));
    await Promise.all([transport.writeConfig(4, bytes(9)), transport.writeConfig(7, bytes(10))]);
    assert.deepEqual(await transport.readConfig(4, 4), bytes(9, 6, 7, 10));
    await assert.rejects(transport.readConfig(4, 5), failsWith('VIRTIO_CONFIG_BOUNDS', /5 bytes at 4/));
    await assert.rejects(transport.writeConfig(2 ** 31, bytes(1)), { code: 'VIRTIO_CONFIG_BOUNDS' });
  });

  it('tells the driver of changes of the configuration space', async () => {
    await using transport = await launch();
    const { promise, resolve } = Promise.withResolvers<void>();
    using _listening = transport.onConfigChange(resolve);
    await transport.queues[0]!.request(bytes(COMMANDS.change), 1);
    await promise;
    assert.deepEqual(await transport.readConfig(0, 2), bytes(2, 2));
  });

  for (const [command, message] of [
    [COMMANDS.throw, /told to throw/],
    [COMMANDS.reject, /told to reject/],
  ] as const) {
    it(`says ${message} when the device does, and restarts`, async () => {
      await using transport = await launch();
      await assert.rejects(
        transport.queues[0]!.request(bytes(command), 1),
        failsWith('VIRTIO_NEEDS_RESET', message),
      );
      assert.equal(await transport.broken, transport.brokenReason);
      await assert.rejects(transport.queues[0]!.request(bytes(1), 1), { code: 'VIRTIO_NEEDS_RESET' });
      await transport.start();
      assert.deepEqual(await transport.queues[0]!.request(bytes(1, 2), 2), bytes(2, 1));
    });
  }

  it('rejects all requests when the worker dies, and every later use', async () => {
    await using transport = await launch();
    const queue = transport.queues[0]!;
    const requests = [queue.request(bytes(COMMANDS.never), 1), queue.request(bytes(COMMANDS.exit), 1)];
    const expected = failsWith('VIRTIO_DEVICE_DIED', /exit code 3/);
    for (const request of requests) await assert.rejects(request, expected);
    expected(await transport.broken);
    await assert.rejects(queue.request(bytes(1), 1), expected);
    await assert.rejects(transport.readConfig(0, 1), expected);
    await assert.rejects(transport.start(), expected);
  });

  it('rejects the launch when the worker does not come up', async () => {
    const failing = InProcessTransport.launch(WORKER_DEVICE, { workerData: 'fail to start' });
    await assert.rejects(failing, failsWith('VIRTIO_DEVICE_DIED', /told not to start/));
    const ending = InProcessTransport.launch(WORKER_DEVICE, { workerData: 'end at once' });
    await assert.rejects(ending, failsWith('VIRTIO_DEVICE_DIED', /exit code 0/));
    const missing = InProcessTransport.launch(new URL('./no-such-module.ts', import.meta.url));
    await assert.rejects(missing, failsWith('VIRTIO_DEVICE_DIED', /no-such-module/));
  });

  it('rejects what is under way at close', async () => {
    const transport = await launch();
    const request = transport.queues[0]!.request(bytes(COMMANDS.later), 1);
    const rejected = assert.rejects(request, { code: 'VIRTIO_CLOSED' });
    await transport.close();
    await rejected;
    await transport.close();
    await assert.rejects(transport.start(), { code: 'VIRTIO_CLOSED' });
  });

  it('says what went wrong when the device fails to close', async () => {
    const transport = await InProcessTransport.launch(WORKER_DEVICE, { workerData: 'fail to close' });
    await assert.rejects(transport.close(), failsWith('VIRTIO_DEVICE_DIED', /told to fail at close/));
  });

  it('keeps the process alive for a request, and not for an idle device', async () => {
    const program = fileURLToPath(new URL('../testing/process-that-waits.ts', import.meta.url));
    const { stdout } = await run(process.execPath, [program], { timeout: 20_000 });
    assert.equal(stdout, 'answered 7\n');
  });
});
