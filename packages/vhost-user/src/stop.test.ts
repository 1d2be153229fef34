/** How rings stop: with requests that the device keeps, with a front end that leaves meanwhile, and in the end at all. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { DriverQueue, RING_FEATURES } from '@skytale/virtio';
import type { AttachmentOptions } from './attachment.ts';
import { FrontEnd, FrontMemory, type FrontRing } from './frontend.ts';
import { writeVringState } from './payload.ts';
import { PROTOCOL_F_MQ, PROTOCOL_F_REPLY_ACK, VHOST_USER_F_PROTOCOL_FEATURES } from './protocol.ts';
import { serveDevice } from './serve-device.ts';
import { Guest, layoutOf, TestBackend } from './testing/guest.ts';
import { KeepingDevice } from './testing/keeping-device.ts';
import { resources } from './testing/resources.ts';

function keeping(givesBack = true, options: AttachmentOptions = {}) {
  const device = new KeepingDevice(givesBack);
  return { device, backend: new TestBackend(options, device) };
}

/** The next machine is served as if nothing had been. */
function assertServes(backend: TestBackend): void {
  backend.device.hold = false;
  using next = new Guest(backend).start();
  next.send('next');
  assert.deepEqual(next.receive(), ['next']);
}

const stop = (guest: Guest) => guest.front.send('GET_VRING_BASE', writeVringState({ index: 0, num: 0 }));

describe('a ring whose requests the device keeps', () => {
  it('stops at once, and offers them again when it goes on', async () => {
    const { device, backend } = keeping();
    await using _backend = backend;
    using guest = new Guest(backend).start();
    for (const text of ['one', 'two', 'three']) guest.send(text);
    assert.deepEqual(guest.receive(), []);
    device.held.splice(0, 1)[0]!.complete(0);
    assert.deepEqual(guest.receive(), ['']);
    assert.equal(guest.front.stopRing(0), 1);
    assert.equal(device.held.length, 0);
    guest.ring![Symbol.dispose]();
    guest.ring = guest.front.startRing(0, layoutOf(0), 1);
    backend.settle();
    device.answerAll();
    assert.deepEqual(guest.receive(), ['two', 'three']);
  });

  it('is stopped for every machine after the first, too', async () => {
    const { backend } = keeping();
    await using _backend = backend;
    for (let i = 0; i < 3; i++) {
      using guest = new Guest(backend).start();
      guest.send('kept');
      guest.receive();
      assert.equal(guest.front.stopRing(0), 0);
    }
  });

  it('leaves in the record what a later request has passed by, and nothing is offered twice', async () => {
    const { device, backend } = keeping();
    await using _backend = backend;
    using guest = new Guest(backend);
    const { area, file } = guest.front.getInflight(1, 64);
    using _file = file;
    guest.front.setInflight(file, area);
    guest.start();
    for (const text of ['one', 'two', 'three', 'four']) guest.send(text);
    guest.receive();
    device.held.splice(1, 1)[0]!.complete(0);
    assert.deepEqual(guest.receive(), ['']);
    assert.equal(guest.front.stopRing(0), 2, 'one is recorded, three and four are not taken');
    for (const base of [2, 2]) {
      guest.ring![Symbol.dispose]();
      guest.ring = guest.front.startRing(0, layoutOf(0), base);
      backend.settle();
      assert.equal(device.held.length, 3);
      assert.equal(guest.front.stopRing(0), 2, 'it stops where it stopped');
    }
    guest.ring![Symbol.dispose]();
    guest.ring = guest.front.startRing(0, layoutOf(0), 2);
    backend.settle();
    device.answerAll();
    assert.deepEqual(guest.receive(), ['one', 'three', 'four']);
    assert.equal(guest.front.stopRing(0), 4);
  });

  it('forgets the record when another driver comes, who begins anew', async () => {
    const { device, backend } = keeping();
    await using _backend = backend;
    using guest = new Guest(backend);
    const { area, file } = guest.front.getInflight(1, 64);
    using _file = file;
    guest.front.setInflight(file, area);
    guest.start();
    for (const text of ['one', 'two']) guest.send(text);
    guest.receive();
    device.held.splice(1, 1)[0]!.complete(0);
    guest.receive();
    assert.equal(guest.front.stopRing(0), 2);
    guest.ring![Symbol.dispose]();
    guest.start();
    backend.settle();
    assert.equal(device.resets, 1);
    assert.deepEqual(device.held, []);
  });

  it('does not wait for requests of another', async () => {
    const { device, backend } = keeping(false);
    await using _backend = backend;
    using guest = new Guest(backend).start();
    using _second = guest.front.startRing(1, layoutOf(1));
    guest.send('under way in ring 0');
    guest.receive();
    assert.equal(guest.front.stopRing(1), 0);
    device.answerAll();
    assert.deepEqual(guest.receive(), ['under way in ring 0']);
  });

  it('is reset with them', async () => {
    const { device, backend } = keeping();
    await using _backend = backend;
    using guest = new Guest(backend).start();
    guest.send('kept');
    guest.receive();
    guest.front.setStatus(0);
    assert.equal(guest.front.getStatus(), 0);
    assert.equal(device.resets, 1);
  });
});

describe('a front end that leaves', () => {
  for (const [waits, order] of [
    ['a ring to stop', stop],
    ['a reset', (guest: Guest) => guest.front.send('RESET_DEVICE')],
  ] as const) {
    it(`while it waits for ${waits} is noticed, whatever it has sent before`, async () => {
      const { device, backend } = keeping(false);
      await using _backend = backend;
      const before = resources();
      const guest = new Guest(backend).start();
      guest.send('never answered');
      guest.receive();
      order(guest);
      guest.front.send('GET_FEATURES');
      backend.settle();
      assert.equal(backend.last('detached'), undefined);
      guest[Symbol.dispose]();
      assert.match(JSON.stringify(backend.last('detached')), /the front end left/);
      assert.equal(resources().mappings.length, before.mappings.length + 1, 'the memory is still in use');
      const [kept] = device.held.splice(0);
      assertServes(backend);
      kept!.complete(0);
      assert.deepEqual(resources(), before);
    });
  }
});

describe('a stop', () => {
  for (const [what, order] of [
    ['of a ring', stop],
    ['by a reset', (guest: Guest) => guest.front.send('RESET_DEVICE')],
  ] as const) {
    it(`${what} has an end, though the device keeps its requests`, async () => {
      const { device, backend } = keeping(false, { stopTimeout: 0 });
      await using _backend = backend;
      using guest = new Guest(backend).start();
      guest.send('never answered');
      guest.receive();
      order(guest);
      backend.settle();
      assert.equal(guest.front.isConnected(), false);
      assert.match(JSON.stringify(backend.last('detached')), /VHOST_USER_STOP_TIMEOUT/);
      const [kept] = device.held.splice(0);
      assertServes(backend);
      kept!.complete(0);
    });
  }

  it('has an end in a thread of its own, too', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'vhost-user-'));
    const socket = join(directory, 'socket');
    const device = new URL('./testing/keeping-device.ts', import.meta.url);
    try {
      await using served = await serveDevice({
        ...{ socket, device, stopTimeout: 20 },
        deviceOptions: { givesBack: false },
      });
      using front = FrontEnd.connect(socket);
      front.negotiate(PROTOCOL_F_MQ | PROTOCOL_F_REPLY_ACK);
      front.setFeatures(RING_FEATURES);
      using memory = new FrontMemory(0x100000, 0x100000);
      front.setMemory([memory]);
      const queue = new DriverQueue<number>(memory.guestRegion, layoutOf(0), { eventIdx: true });
      using ring: FrontRing = front.startRing(0, layoutOf(0));
      queue.add([{ address: 0x120000, length: 4 }], [], 0);
      ring.kick.signal();
      while (served.counters().requests === 0) await nextTurn();
      assert.throws(() => front.stopRing(0), { code: 'VHOST_USER_DISCONNECTED' });
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

describe('rings that are enabled and disabled', () => {
  const enable = (guest: Guest, num: 0 | 1) =>
    guest.front.order('SET_VRING_ENABLE', writeVringState({ index: 0, num }));

  it('run when they are enabled, not before', async () => {
    const { device, backend } = keeping();
    await using _backend = backend;
    device.hold = false;
    using guest = new Guest(backend);
    guest.start();
    enable(guest, 0);
    assert.equal(device.running.size, 0);
    guest.send('late');
    assert.deepEqual(guest.receive(), []);
    enable(guest, 1);
    assert.deepEqual([...device.running], [0]);
    assert.deepEqual(guest.receive(), ['late']);
  });

  for (const [how, features, runs] of [
    [
      'do not run before that where the protocol’s features were negotiated',
      RING_FEATURES | VHOST_USER_F_PROTOCOL_FEATURES,
      false,
    ],
    ['run at once where they were not negotiated', RING_FEATURES, true],
    ['run at once for a front end that tells nothing of its driver', VHOST_USER_F_PROTOCOL_FEATURES, true],
  ] as const) {
    it(how, async () => {
      const { device, backend } = keeping(true, { assumedFeatures: RING_FEATURES });
      await using _backend = backend;
      using guest = new Guest(backend, PROTOCOL_F_MQ | PROTOCOL_F_REPLY_ACK);
      const { front } = guest;
      const order = front.order.bind(front);
      front.order = (name, payload, descriptors) => {
        if (name === 'SET_FEATURES') order(name, new Uint8Array(BigUint64Array.of(features).buffer));
        else if (name !== 'SET_VRING_ENABLE') order(name, payload, descriptors);
      };
      guest.start();
      backend.settle();
      assert.equal(device.running.has(0), runs);
      front.order = order;
      enable(guest, 1);
      assert.equal(device.running.has(0), true);
      assert.equal(guest.front.stopRing(0), 0);
      assert.equal(device.running.has(0), false);
    });
  }

  it('give back what the device keeps when they are disabled, and go on with it', async () => {
    const { device, backend } = keeping();
    await using _backend = backend;
    using guest = new Guest(backend).start();
    for (const text of ['one', 'two']) guest.send(text);
    guest.receive();
    enable(guest, 0);
    assert.equal(device.held.length, 0);
    enable(guest, 0);
    enable(guest, 1);
    backend.settle();
    device.answerAll();
    assert.deepEqual(guest.receive(), ['one', 'two']);
  });

  it('finish what is under way when they are disabled, also if they are enabled meanwhile', async () => {
    const { device, backend } = keeping(false);
    await using _backend = backend;
    using guest = new Guest(backend).start();
    guest.send('one');
    guest.receive();
    enable(guest, 0);
    guest.send('two');
    assert.deepEqual(guest.receive(), []);
    enable(guest, 1);
    assert.equal(device.held.length, 1);
    device.answerAll();
    assert.deepEqual(guest.receive(), ['one']);
    device.answerAll();
    assert.deepEqual(guest.receive(), ['two']);
    enable(guest, 0);
    assert.equal(guest.front.stopRing(0), 2);
  });

  it('are disabled by a reset', async () => {
    const { device, backend } = keeping();
    await using _backend = backend;
    using guest = new Guest(backend).start();
    guest.front.resetDevice();
    backend.settle();
    assert.equal(device.running.size, 0);
    guest.ring![Symbol.dispose]();
    guest.start();
    assert.deepEqual([...device.running], [0]);
  });
});
