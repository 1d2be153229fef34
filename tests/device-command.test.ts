/** `skytale device`: what it prints, counts and leaves behind. A driver without a virtual machine uses the device. */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { chooseEngine, VirtioCryptoDriver, VirtioCryptodevDriver } from '@skytale/cryptodev';
import { FrontEnd, PROTOCOL_F_REPLY_ACK, VhostUserTransport } from '@skytale/vhost-user';
import { hostQemu } from '@skytale/vm';
import { createUnsealedMemory } from '../packages/vhost-user/src/ffi/shared-memory.ts';
import { TemporaryDirectory } from './support/directory.ts';
import { Program, run } from './support/programs.ts';

/** The events that a program has printed so far. */
const eventsOf = (program: Program) => program.lines.map((line) => JSON.parse(line));

async function untilEvent(program: Program, name: string) {
  const find = () => eventsOf(program).find(({ event }) => event === name);
  await program.until(() => find() !== undefined, `the event "${name}"`);
  return find();
}

/** Encrypts 1 KiB with the device, once: a request for that, four for sessions of both directions. */
async function useDevice(socket: string): Promise<void> {
  await using driver = await VirtioCryptoDriver.open(VhostUserTransport.connect(socket, { deviceId: 20 }));
  await using session = await driver.createSession({ cipher: 'aes-cbc', key: new Uint8Array(16) });
  await session.encrypt(new Uint8Array(1024), new Uint8Array(16));
}

describe('skytale device', { timeout: 60_000 }, () => {
  it('tells a program all that happens, and counts', async () => {
    using directory = new TemporaryDirectory();
    const socket = directory.join('device.sock');
    await using program = new Program(['device', '--json', '--socket', socket, '--metrics', '127.0.0.1:0']);
    assert.deepEqual(JSON.parse(await program.line(0)), { event: 'listening', socket });
    const { url } = await untilEvent(program, 'metrics');
    const qemu = await untilEvent(program, 'qemu');
    assert.equal(qemu.found, (await hostQemu())?.version);
    assert.ok(qemu.arguments.some((word: string) => word.includes(`path=${socket}`)));

    await useDevice(socket);
    await untilEvent(program, 'detached');
    const features = await untilEvent(program, 'features');
    assert.equal(features.connection, 1);
    for (const name of ['REVISION_1', 'EVENT_IDX', 'VERSION_1'])
      assert.ok(features.names.includes(name), name);
    assert.ok(features.protocolNames.includes('REPLY_ACK'));

    program.kill('SIGUSR1');
    const { transport, ...counters } = await untilEvent(program, 'counters');
    assert.deepEqual(counters, { event: 'counters', requests: 5, errors: 0, bytes: 1024, sessions: 0 });
    assert.equal(transport.connections, 1);

    const response = await fetch(url);
    assert.match(response.headers.get('content-type')!, /^text\/plain; version=0\.0\.4/);
    const text = await response.text();
    const labels = `{model="virtio-crypto",socket="${socket}"}`;
    assert.ok(
      text.includes(`# TYPE skytale_device_bytes_total counter\nskytale_device_bytes_total${labels} 1024\n`),
    );
    assert.ok(text.includes(`\nskytale_device_sessions${labels} 0\n`));
    assert.equal((await fetch(new URL('/', url))).status, 404);
    assert.equal((await fetch(url, { method: 'POST' })).status, 405);

    program.kill('SIGTERM');
    assert.equal(await program.exit(), 0);
    assert.equal(program.stderr, '');
    assert.ok(!existsSync(socket));
  });

  it('tells people what to do, and logs what happens', async () => {
    using directory = new TemporaryDirectory();
    const socket = directory.join('a device');
    await using program = new Program(['device', '--model', 'virtio-cryptodev', '--socket', socket]);
    await program.until(() => program.stdout.includes('Ctrl-C'), 'instructions');
    assert.ok(program.stdout.includes(`virtio-cryptodev, 1 data queue, on ${await chooseEngine('auto')}`));
    assert.ok(program.stdout.includes(`'socket,id=crypto0-channel,path=${socket}'`));
    assert.match(
      program.stdout,
      /-device vhost-user-test-device-pci\S*virtio-id=21,num_vqs=1,vq_size=1024,config_size=72\n/,
    );
    const transport = VhostUserTransport.connect(socket, { deviceId: 63 });
    await using driver = await VirtioCryptodevDriver.open(transport);
    await using _session = await driver.createSession({ cipher: 'aes-cbc', key: new Uint8Array(16) });
    await program.stderrHas(/features: HASH, MAC, AEAD.* VERSION_1/);
    program.kill('SIGUSR1');
    await program.until(() => /^ +1 {2}Sessions open now\.$/m.test(program.stdout), 'counters');
    await driver.close();
    await program.stderrHas(/the virtual machine has left/);
    program.kill('SIGINT');
    assert.equal(await program.exit(), 0);
  });

  it('says what to tell the QEMU that is there, and what is missing', async () => {
    for (const [version, model, found, missing, device] of [
      ['7.2.22', 'virtio-crypto', '7.2.22', /^$/, /^virtio-crypto-pci,.*vectors=0$/],
      ['11.1.3', 'virtio-crypto', '11.1.3', /^$/, /^vhost-user-test-device-pci,.*virtio-id=20/],
      [
        '10.0.2',
        'virtio-cryptodev',
        '10.0.2',
        /^10\.0\.2 cannot.*backports qemu-system-x86"/,
        /virtio-id=21/,
      ],
      [undefined, 'virtio-crypto', undefined, /"apt-get install qemu-system-x86"/, /virtio-id=20/],
    ] as const) {
      using directory = new TemporaryDirectory();
      const says = `#!/bin/sh\necho 'QEMU emulator version ${version} (Debian)'\n`;
      if (version) writeFileSync(directory.join('qemu-system-x86_64'), says, { mode: 0o755 });
      const args = ['device', '--json', '--model', model, '--socket', directory.join('socket')];
      await using program = new Program(args, { env: { PATH: directory.path } });
      const qemu = await untilEvent(program, 'qemu');
      assert.equal(qemu.found, found);
      assert.match(qemu.missing, missing);
      assert.match(qemu.arguments.at(-1), device);
      assert.ok(qemu.arguments.includes('memory-backend-memfd,id=mem,size=1024M,share=on'));
    }
  });

  it('takes the place of one that was killed, but not of one that lives', async () => {
    using directory = new TemporaryDirectory();
    const socket = directory.join('device.sock');
    await using first = new Program(['device', '--json', '--socket', socket]);
    await first.line(0);
    const refused = await run(['device', '--socket', socket]);
    assert.deepEqual([refused.code, refused.stdout], [1, '']);
    assert.match(refused.stderr, /^skytale: \S+ is in use: [^\n]+--socket\.\n$/);
    first.kill('SIGKILL');
    await first.exit();
    assert.ok(existsSync(socket));
    await using second = new Program(['device', '--json', '--socket', socket]);
    await second.line(0);
    await useDevice(socket);
  });

  it('throws out who does not speak the protocol, and serves the next', async () => {
    using directory = new TemporaryDirectory();
    const socket = directory.join('device.sock');
    await using program = new Program(['device', '--socket', socket, '--queues', '2', '--engine', 'node']);
    await program.until(() => program.stdout.includes('Ctrl-C'), 'instructions');
    connect(socket)
      .on('error', () => {})
      .end('GET / HTTP/1.1\r\n\r\n');
    await program.stderrHas(/thrown out: /);
    await useDevice(socket);
  });

  it('takes memory that can shrink only if it is told to, and says how', async () => {
    for (const trusts of [false, true]) {
      using directory = new TemporaryDirectory();
      const socket = directory.join('device.sock');
      const options = trusts ? ['--trust-vmm-memory'] : [];
      await using program = new Program(['device', '--json', '--socket', socket, ...options]);
      await program.line(0);
      using front = FrontEnd.connect(socket);
      front.negotiate(PROTOCOL_F_REPLY_ACK);
      using file = createUnsealedMemory('guest', 1 << 20);
      const share = () =>
        front.setMemory([
          { file, region: { guestAddress: 0, size: 1 << 20, userAddress: 0, mmapOffset: 0 } },
        ]);
      if (trusts) share();
      else {
        assert.throws(share, { code: 'VHOST_USER_REFUSED' });
        const { request, reason } = await untilEvent(program, 'refused');
        assert.equal(request, 'SET_MEM_TABLE');
        assert.match(reason, /not sealed against shrinking.* --trust-vmm-memory$/);
      }
    }
  });

  it('has as many sessions as it is told', async () => {
    using directory = new TemporaryDirectory();
    // The standard's sessions have one direction each: our driver makes two of them.
    for (const [model, Driver, deviceId, most] of [
      ['virtio-crypto', VirtioCryptoDriver, 20, 1],
      ['virtio-cryptodev', VirtioCryptodevDriver, 63, 2],
    ] as const) {
      const socket = directory.join(model);
      const args = ['device', '--json', '--model', model, '--socket', socket, '--max-sessions', '2'];
      await using program = new Program(args);
      await untilEvent(program, 'listening');
      await using driver = await Driver.open(VhostUserTransport.connect(socket, { deviceId }));
      const open = () => driver.createSession({ cipher: 'aes-cbc', key: new Uint8Array(16) });
      await using sessions = new AsyncDisposableStack();
      for (let i = 0; i < most; i += 1) sessions.use(await open());
      await assert.rejects(open(), { code: 'CRYPTO_LIMIT' });
    }
  });

  it('says what is wrong with what it is told', async () => {
    using directory = new TemporaryDirectory();
    const file = directory.join('file');
    writeFileSync(file, '');
    for (const [args, code, message] of [
      [[], 2, /--socket PATH is missing/],
      [['--socket', file], 1, /is in use/],
      [['--socket', '/no/such/directory/socket'], 1, /no directory \/no\/such\/directory/],
      [['--socket', 'x'.repeat(200)], 1, /107 bytes/],
      [['--socket', file, '--model', 'none'], 2, /for "skytale vm" only/],
      [['--socket', file, '--model', 'virtio-net'], 2, /none of virtio-crypto/],
      [['--socket', file, '--engine', 'abacus'], 2, /none of auto, openssl/],
      [['--socket', file, '--queues', '0'], 2, /from 1 to 64/],
      [['--socket', file, '--max-sessions', '65537'], 2, /from 1 to 65536/],
      [['--socket', file, '--metrics', 'here'], 2, /not HOST:PORT/],
    ] as const) {
      const result = await run(['device', ...args]);
      assert.equal(result.code, code, result.stderr);
      assert.match(result.stderr, message);
      assert.match(result.stderr, /^skytale: [^\n]+\n$/);
      assert.equal(result.stdout, '');
    }
    const socket = directory.join('socket');
    await using taken = new Program(['device', '--json', '--socket', socket, '--metrics', '127.0.0.1:0']);
    const port = new URL((await untilEvent(taken, 'metrics')).url).port;
    const result = await run(['device', '--socket', `${socket}2`, '--metrics', `127.0.0.1:${port}`]);
    assert.equal(result.code, 1);
    assert.match(result.stderr, /in use by another program/);
    assert.ok(!existsSync(`${socket}2`));
  });
});
