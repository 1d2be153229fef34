import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { VIRTIO_F_VERSION_1, VirtioError } from '@skytale/virtio';
import type { BackendEvent } from './backend-events.ts';
import { VhostUserTransport } from './frontend-transport.ts';
import { type ServedBackend, serveDevice } from './serve-device.ts';
import { resources } from './testing/resources.ts';

const directory = mkdtempSync(join(tmpdir(), 'vhost-user-'));
after(() => rmSync(directory, { recursive: true }));

const devices = {
  blocking: new URL('./testing/echo-device.ts', import.meta.url),
  asynchronous: new URL('./testing/async-echo-device.ts', import.meta.url),
};

let sockets = 0;
function socketPath(): string {
  return join(directory, `socket${++sockets}`);
}

function serve(device: URL, socket: string, onEvent?: (event: BackendEvent) => void): Promise<ServedBackend> {
  return serveDevice({ socket, device, ...(onEvent && { onEvent }) });
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

async function echo(transport: VhostUserTransport, text: string, queue = 0): Promise<string> {
  return new TextDecoder().decode(await transport.queues[queue]!.request(bytes(text), text.length));
}

it('announces changes of the configuration that a device makes by itself', async () => {
  const socket = socketPath();
  await using _backend = await serve(new URL('./testing/ticking-device.ts', import.meta.url), socket);
  await using transport = VhostUserTransport.connect(socket, { deviceId: 42, queueSize: 16 });
  await transport.start({ features: 1n });
  const { promise, resolve } = Promise.withResolvers<void>();
  using _listening = transport.onConfigChange(resolve);
  // An idle device does not keep the process alive; a test that waits for it does.
  const keepAlive = setInterval(() => {}, 2 ** 30);
  await promise;
  clearInterval(keepAlive);
  assert.ok((await transport.readConfig(0, 1))[0]! > 1);
});

for (const [kind, device] of Object.entries(devices)) {
  describe(`a ${kind} device in a worker`, () => {
    it('serves one driver after another', async () => {
      const socket = socketPath();
      const events: BackendEvent[] = [];
      await using backend = await serve(device, socket, (event) => events.push(event));
      for (let life = 1; life <= 2; life++) {
        await using transport = VhostUserTransport.connect(socket, { deviceId: 42, queueSize: 16 });
        assert.equal(transport.queues.length, 2);
        assert.equal(await transport.start({ features: 1n }), transport.offeredFeatures);
        const texts = Array.from({ length: 200 }, (_, i) => `request ${i} of ${life}`);
        const answers = await Promise.all(texts.map((text, i) => echo(transport, text, i % 2)));
        assert.deepEqual(answers, texts);
      }
      assert.equal(backend.counters().requests, 400);
      assert.equal(backend.counters().connections, 2);
      await backend.stop();
      assert.deepEqual(events.filter(({ event }) => event === 'attached' || event === 'detached').length, 4);
      assert.equal(existsSync(socket), false);
    });

    it('lets its driver read and write the configuration, reset, and start again', async () => {
      const socket = socketPath();
      await using _backend = await serve(device, socket);
      await using transport = VhostUserTransport.connect(socket, { deviceId: 42, queueSize: 16 });
      await transport.writeConfig(2, Uint8Array.of(33));
      assert.deepEqual([...(await transport.readConfig(1, 3))], [2, 33, 4]);
      await assert.rejects(transport.readConfig(6, 3), { code: 'VIRTIO_CONFIG_BOUNDS' });
      for (let life = 0; life < 3; life++) {
        await transport.start(life === 1 ? { ringFeatures: VIRTIO_F_VERSION_1 } : {});
        assert.equal(await echo(transport, 'hello'), 'hello');
        await transport.reset();
        await assert.rejects(echo(transport, 'hello'), { code: 'VIRTIO_NOT_STARTED' });
      }
    });

    it('may be stopped under its driver, who learns of it', async () => {
      const socket = socketPath();
      const backend = await serve(device, socket);
      await using transport = VhostUserTransport.connect(socket, { deviceId: 42, queueSize: 16 });
      await transport.start();
      assert.equal(await echo(transport, 'hello'), 'hello');
      await backend.stop();
      await backend.stop();
      const reason = await transport.broken;
      assert.ok(reason instanceof VirtioError);
      assert.equal(reason.code, 'VIRTIO_DEVICE_DIED');
      await assert.rejects(echo(transport, 'hello'), { code: 'VIRTIO_DEVICE_DIED' });
    });

    it('stands beside others', async () => {
      const paths = [socketPath(), socketPath(), socketPath()];
      const backends = await Promise.all(paths.map((path) => serve(device, path)));
      const transports = paths.map((path) =>
        VhostUserTransport.connect(path, { deviceId: 42, queueSize: 16 }),
      );
      await Promise.all(transports.map((transport) => transport.start()));
      const texts = transports.map((_, i) => `device ${i}`);
      assert.deepEqual(
        await Promise.all(transports.map((transport, i) => echo(transport, texts[i]!))),
        texts,
      );
      for (const transport of transports) await transport.close();
      for (const backend of backends) await backend.stop();
    });
  });
}

it('a device that answers at once is served without a turn of an event loop', async () => {
  const socket = socketPath();
  const device = new URL('./testing/turn-counting-device.ts', import.meta.url);
  await using _backend = await serve(device, socket);
  for (let life = 1; life <= 2; life++) {
    await using transport = VhostUserTransport.connect(socket, { deviceId: 42, queueSize: 16 });
    await transport.start();
    for (let i = 0; i < 50; i++) assert.deepEqual([...(await transport.queues[0]!.request([], 1))], [0]);
    await transport.reset();
  }
});

it('a driver whose ring breaks is told, and can begin anew', async () => {
  const socket = socketPath();
  await using _backend = await serve(devices.blocking, socket);
  await using transport = VhostUserTransport.connect(socket, { deviceId: 42, queueSize: 16 });
  await transport.start();
  // An address outside of the shared memory.
  const doomed = transport.queues[0]!.submit([{ address: 2 ** 40, length: 8 }], []);
  await assert.rejects(doomed, { code: 'VIRTIO_NEEDS_RESET' });
  assert.equal((await transport.broken).code, 'VIRTIO_NEEDS_RESET');
  await transport.reset();
  await transport.start();
  assert.equal(await echo(transport, 'again'), 'again');
});

it('a device that cannot be made, or a socket that cannot be, is an error that says why', async () => {
  const refused = { socket: socketPath(), device: devices.asynchronous, deviceOptions: { refuse: true } };
  await assert.rejects(serveDevice(refused), {
    code: 'VHOST_USER_WORKER_DIED',
    message: /there is no such device/,
  });
  const nowhere = { socket: join(directory, 'no', 'directory'), device: devices.blocking };
  await assert.rejects(serveDevice(nowhere), { code: 'VHOST_USER_WORKER_DIED', message: /ENOENT/ });
});

it('a process that exits takes its workers with it', async () => {
  const script = join(directory, 'exit.ts');
  const module = new URL('./serve-device.ts', import.meta.url).href;
  const options = `{ socket: '${socketPath()}', device: new URL('${devices.blocking.href}') }`;
  writeFileSync(
    script,
    `import { serveDevice } from '${module}';\nawait serveDevice(${options});\nprocess.exit(3);\n`,
  );
  const child = promisify(execFile)(process.execPath, [script], { timeout: 20000 });
  await assert.rejects(child, { code: 3 });
});

it('nothing is left behind', async () => {
  const socket = socketPath();
  const round = async () => {
    await using _backend = await serve(devices.blocking, socket);
    await using transport = VhostUserTransport.connect(socket, { deviceId: 42, queueSize: 16 });
    await transport.start();
    await echo(transport, 'hello');
  };
  await round();
  const before = resources();
  await round();
  assert.deepEqual(resources(), before);
});
