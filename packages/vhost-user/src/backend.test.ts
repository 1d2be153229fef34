import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RING_FEATURES, VIRTIO_F_EVENT_IDX, VIRTIO_F_VERSION_1 } from '@skytale/virtio';
import { PROTOCOL_FEATURES } from './attachment.ts';
import { EventFd } from './ffi/event-fd.ts';
import { type FrontEnd, FrontMemory } from './frontend.ts';
import { writeU64, writeVringFile, writeVringState } from './payload.ts';
import {
  PROTOCOL_F_CRYPTO_SESSION,
  PROTOCOL_F_LOG_SHMFD,
  PROTOCOL_F_MQ,
  PROTOCOL_F_REPLY_ACK,
  PROTOCOL_F_STATUS,
  REQUEST,
  VHOST_F_LOG_ALL,
  VHOST_USER_F_PROTOCOL_FEATURES,
} from './protocol.ts';
import { GUEST_BASE, Guest, layoutOf, TestBackend } from './testing/guest.ts';
import { resources } from './testing/resources.ts';

const refusal = { code: 'VHOST_USER_REFUSED' };

describe('negotiation', () => {
  it('offers what the device has, the rings can and the protocol needs, but no logging', async () => {
    await using backend = new TestBackend();
    using guest = new Guest(backend, PROTOCOL_FEATURES | PROTOCOL_F_LOG_SHMFD);
    assert.equal(guest.front.getFeatures(), 1n | RING_FEATURES | VHOST_USER_F_PROTOCOL_FEATURES);
    assert.equal(guest.front.protocolFeatures, PROTOCOL_FEATURES);
    assert.throws(() => guest.front.setFeatures(RING_FEATURES | VHOST_F_LOG_ALL), refusal);
    assert.match(JSON.stringify(backend.last('refused')), /features 0x4000000 were not offered/);
    for (const [name, payload] of [
      ['SET_LOG_BASE', new Uint8Array(16)],
      ['SET_LOG_FD', new Uint8Array(8)],
    ] as const) {
      assert.throws(() => guest.front.order(name, payload, [guest.memory.file]), refusal);
      assert.match(JSON.stringify(backend.last('refused')), /VHOST_F_LOG_ALL is not offered/);
    }
  });

  it('offers no crypto sessions for a device that has none, and only what it is told to', async () => {
    await using backend = new TestBackend({ protocolFeatures: PROTOCOL_FEATURES & ~PROTOCOL_F_STATUS });
    Object.assign(backend.device, { createSession: undefined });
    using guest = new Guest(backend);
    const left = PROTOCOL_FEATURES & ~PROTOCOL_F_STATUS & ~PROTOCOL_F_CRYPTO_SESSION;
    assert.equal(guest.front.protocolFeatures, left);
  });

  it('refuses protocol features that were not offered', async () => {
    await using backend = new TestBackend();
    using guest = new Guest(backend);
    const payload = writeU64(PROTOCOL_FEATURES | PROTOCOL_F_LOG_SHMFD);
    assert.throws(() => guest.front.order('SET_PROTOCOL_FEATURES', payload), refusal);
  });

  it('does not serve legacy drivers', async () => {
    await using backend = new TestBackend();
    using guest = new Guest(backend);
    assert.throws(() => guest.start(VIRTIO_F_EVENT_IDX), refusal);
    assert.match(JSON.stringify(backend.last('refused')), /VERSION_1/);
    // It can do better at once.
    guest.start(RING_FEATURES);
    guest.send('hello');
    assert.deepEqual(guest.receive(), ['hello']);
  });

  it('tells how many queues there are, and the events of an attachment', async () => {
    await using backend = new TestBackend();
    const guest = new Guest(backend);
    assert.equal(guest.front.negotiate(PROTOCOL_FEATURES).queues, 2);
    guest.start(1n | VIRTIO_F_VERSION_1);
    assert.equal(backend.device.activated, 1n | VIRTIO_F_VERSION_1);
    guest[Symbol.dispose]();
    assert.deepEqual(
      backend.events.map(({ event }) => event),
      ['listening', 'attached', 'features', 'ring-started', 'detached'],
    );
    assert.deepEqual(backend.last('detached'), {
      event: 'detached',
      connection: 1,
      reason: 'the front end left',
      code: undefined,
    });
  });
});

describe('rings', () => {
  it('carry requests', async () => {
    await using backend = new TestBackend();
    using guest = new Guest(backend).start();
    for (let round = 0; round < 40; round++) {
      const texts = Array.from({ length: 1 + (round % 32) }, (_, i) => `request ${round}.${i}`);
      for (const text of texts) guest.send(text);
      assert.deepEqual(guest.receive(), texts);
      assert.equal(guest.ring!.call.clear(), true);
    }
    const { requests, calls, connections } = backend.backend.counters.read();
    assert.deepEqual({ requests, connections }, { requests: 564, connections: 1 });
    assert.ok(calls >= 40);
  });

  it('run without VRING_ENABLE, but not after it said no', async () => {
    await using backend = new TestBackend();
    using guest = new Guest(backend, PROTOCOL_F_MQ | PROTOCOL_F_REPLY_ACK).start();
    guest.front.order('SET_VRING_ENABLE', writeVringState({ index: 0, num: 0 }));
    guest.send('late');
    assert.deepEqual(guest.receive(), []);
    guest.front.order('SET_VRING_ENABLE', writeVringState({ index: 0, num: 1 }));
    assert.deepEqual(guest.receive(), ['late']);
  });

  it('stop, and go on where they stopped', async () => {
    await using backend = new TestBackend();
    using guest = new Guest(backend).start();
    for (let i = 0; i < 5; i++) guest.send('before');
    assert.equal(guest.receive().length, 5);
    assert.equal(guest.front.stopRing(0), 5);
    guest.send('while it was stopped');
    assert.deepEqual(guest.receive(), []);
    guest.ring![Symbol.dispose]();
    guest.ring = guest.front.startRing(0, layoutOf(0), 5);
    assert.equal(guest.ring.call.clear(), true, 'one call too many rather than one too few');
    assert.deepEqual(guest.receive(), ['while it was stopped']);
    assert.equal(guest.front.stopRing(0), 6);
    assert.equal(guest.front.stopRing(0), 6, 'stopping twice');
  });

  it('go on with what was available and never notified of', async () => {
    await using backend = new TestBackend();
    using guest = new Guest(backend).start();
    guest.queue.add(
      [{ address: GUEST_BASE + 0x20000, length: 4 }],
      [{ address: GUEST_BASE + 0x20080, length: 4 }],
      0,
    );
    assert.equal(guest.front.stopRing(0), 0);
    guest.ring![Symbol.dispose]();
    guest.ring = guest.front.startRing(0, layoutOf(0), 0);
    assert.equal(guest.receive().length, 1);
  });

  it('are stopped only when the requests under way are done, and messages wait for that', async () => {
    await using backend = new TestBackend();
    using guest = new Guest(backend).start();
    backend.device.hold = true;
    guest.send('slow');
    assert.deepEqual(guest.receive(), []);
    guest.front.send('GET_VRING_BASE', writeVringState({ index: 0, num: 0 }));
    guest.front.send('GET_FEATURES');
    backend.settle();
    assert.equal(guest.front.isConnected(), true);
    backend.device.answerAll();
    assert.deepEqual(guest.receive(), ['slow'], 'the answer is not lost');
  });

  it('that never run dry hold up neither messages nor the order to stop', async () => {
    await using backend = new TestBackend();
    using guest = new Guest(backend).start();
    let endless = true;
    const refill = () => {
      guest.queue.reap(() => {});
      if (endless) guest.send('again');
    };
    const { device } = backend;
    const handle = device.handle.bind(device);
    device.handle = (queue, request) => {
      handle(queue, request);
      refill();
    };
    guest.send('again');
    guest.send('again');
    assert.equal(guest.front.getStatus(), 0);
    guest.front.getConfig(0, 8);
    endless = false;
    assert.ok(backend.backend.counters.read().requests > 64);
  });

  it('are not started by kicks, only by having all that a ring needs', async () => {
    await using backend = new TestBackend();
    using guest = new Guest(backend);
    using kick = EventFd.create();
    guest.front.setFeatures(RING_FEATURES);
    guest.front.order('SET_VRING_KICK', writeVringFile({ index: 0, hasDescriptor: true }), [kick.descriptor]);
    kick.signal();
    backend.settle();
    guest.front.order('SET_VRING_NUM', writeVringState({ index: 0, num: 64 }));
    kick.signal();
    backend.settle();
    assert.equal(backend.last('ring-started'), undefined);
    assert.equal(backend.last('broken'), undefined);
    guest.start();
    guest.send('now');
    assert.deepEqual(guest.receive(), ['now']);
  });

  for (const eventIdx of [true, false]) {
    it(`serve a driver ${eventIdx ? 'with' : 'without'} EVENT_IDX whose features were not passed on, if any may be assumed`, async () => {
      await using backend = new TestBackend({ assumedFeatures: RING_FEATURES });
      using guest = new Guest(backend).start(0n, eventIdx);
      for (let i = 0; i < 5; i++) {
        guest.send(`request ${i}`);
        assert.deepEqual(guest.receive(), [`request ${i}`]);
        assert.equal(guest.ring!.call.clear(), true);
      }
      assert.equal(backend.backend.counters.read().kicks, 5);
    });
  }

  it('assume nothing about a driver whose features were passed on', async () => {
    await using backend = new TestBackend({ assumedFeatures: RING_FEATURES });
    using guest = new Guest(backend).start(VIRTIO_F_VERSION_1, false);
    // used_event of such a driver stays 0: with EVENT_IDX assumed it would be called once only.
    for (let i = 0; i < 3; i++) {
      guest.send(`request ${i}`);
      assert.deepEqual(guest.receive(), [`request ${i}`]);
      assert.equal(guest.ring!.call.clear(), true);
    }
  });
});

describe('memory', () => {
  it('is added and removed slot by slot', async () => {
    await using backend = new TestBackend();
    using guest = new Guest(backend).start();
    assert.ok(guest.front.getMaxMemorySlots() >= 32);
    using more = new FrontMemory(0x10000, 0x80000000);
    guest.front.addMemory(more);
    more.guestRegion.bytes.set(new TextEncoder().encode('elsewhere'), 16);
    guest.queue.add([{ address: 0x80000010, length: 9 }], [{ address: 0x80000100, length: 9 }], 0);
    guest.ring!.kick.signal();
    backend.settle();
    assert.equal(new TextDecoder().decode(more.guestRegion.bytes.subarray(0x100, 0x109)), 'elsewhere');
    guest.front.removeMemory(more.region);
    assert.throws(() => guest.front.removeMemory(more.region), refusal);
    guest.queue.add([{ address: 0x80000010, length: 9 }], [{ address: 0x80000100, length: 9 }], 1);
    guest.ring!.kick.signal();
    backend.settle();
    assert.match(JSON.stringify(backend.last('broken')), /VIRTQUEUE_OUTSIDE_MEMORY/);
  });

  it('is replaced under running rings', async () => {
    await using backend = new TestBackend();
    using guest = new Guest(backend).start();
    using more = new FrontMemory(0x10000, 0x80000000);
    guest.front.setMemory([more, guest.memory]);
    guest.send('still there');
    assert.deepEqual(guest.receive(), ['still there']);
    guest.front.setMemory([more]);
    backend.settle();
    assert.match(JSON.stringify(backend.last('broken')), /ring 0 is not where it was/);
  });

  it('stays mapped for requests that were taken before it was removed', async () => {
    await using backend = new TestBackend();
    using guest = new Guest(backend).start();
    const before = resources().mappings.length;
    using more = new FrontMemory(0x10000, 0x80000000);
    guest.front.addMemory(more);
    backend.device.hold = true;
    guest.queue.add([{ address: 0x80000010, length: 9 }], [{ address: 0x80000100, length: 9 }], 0);
    guest.ring!.kick.signal();
    backend.settle();
    more.guestRegion.bytes.set(new TextEncoder().encode('elsewhere'), 16);
    guest.front.removeMemory(more.region);
    assert.equal(resources().mappings.length, before + 2);
    backend.device.answerAll();
    assert.equal(new TextDecoder().decode(more.guestRegion.bytes.subarray(0x100, 0x109)), 'elsewhere');
    backend.device.hold = false;
    guest.send('next');
    assert.ok(guest.receive().includes('next'));
    assert.equal(resources().mappings.length, before + 1);
  });

  it('does not pile up behind a request that the device keeps', async () => {
    await using backend = new TestBackend();
    using guest = new Guest(backend).start();
    using more = new FrontMemory(0x1000, 0x80000000);
    backend.device.hold = true;
    guest.send('kept');
    guest.receive();
    const remove = () => {
      guest.front.addMemory(more);
      guest.front.removeMemory(more.region);
    };
    for (let i = 1; i < guest.front.getMaxMemorySlots(); i++) remove();
    assert.throws(remove, refusal);
    assert.match(JSON.stringify(backend.last('refused')), /509 memory slots are in use/);
    backend.device.answerAll();
    backend.settle();
    remove();
  });

  it('may be in nine regions of one file', async () => {
    await using backend = new TestBackend();
    using guest = new Guest(backend).start();
    for (let i = 1; i < 9; i++) {
      const { file, region } = guest.memory;
      const guestAddress = 0x1_0000_0000 * i;
      const userAddress = region.userAddress + guestAddress;
      guest.front.addMemory({
        file,
        region: { guestAddress, userAddress, size: 0x1000, mmapOffset: 0x1000 * i },
      });
    }
    guest.memory.guestRegion.bytes.set([65, 66], 0x8000);
    guest.queue.add([{ address: 0x8_0000_0000, length: 2 }], [{ address: 0x5_0000_0000, length: 2 }], 0);
    guest.ring!.kick.signal();
    backend.settle();
    assert.deepEqual([...guest.memory.guestRegion.bytes.subarray(0x5000, 0x5002)], [65, 66]);
  });
});

describe('configuration space', () => {
  it('is read and written in parts, inside of it only', async () => {
    await using backend = new TestBackend();
    using guest = new Guest(backend);
    assert.deepEqual([...guest.front.getConfig(2, 4)], [3, 4, 5, 6]);
    guest.front.setConfig(7, Uint8Array.of(99));
    assert.deepEqual([...guest.front.getConfig(0, 8)], [1, 2, 3, 4, 5, 6, 7, 99]);
    assert.throws(() => guest.front.getConfig(4, 5), refusal);
    assert.match(JSON.stringify(backend.last('refused')), /5 bytes of configuration at 4: this device has 8/);
    assert.throws(() => guest.front.setConfig(8, Uint8Array.of(1)), refusal);
  });
});

describe('changes of the configuration space', () => {
  it('are announced to front ends that want to know', async () => {
    await using backend = new TestBackend();
    using guest = new Guest(backend);
    using requests = guest.front.openBackendRequests();
    guest.start();
    assert.equal(requests.next(), 'empty');
    backend.device.config[0] = 77;
    for (let i = 0; i < 2; i++) backend.device.driver!.configChanged();
    assert.deepEqual(
      [requests.next(), requests.next(), requests.next()],
      ['config-change', 'config-change', 'empty'],
    );
    assert.equal(guest.front.getConfig(0, 1)[0], 77);
    guest[Symbol.dispose]();
    assert.equal(requests.next(), 'closed');
    backend.device.driver!.configChanged();
  });

  it('are announced as long as somebody reads them', async () => {
    await using backend = new TestBackend();
    using guest = new Guest(backend);
    using _requests = guest.front.openBackendRequests();
    guest.start();
    for (let i = 0; i < 100_000; i++) backend.device.driver!.configChanged();
    guest.send('still there');
    assert.deepEqual(guest.receive(), ['still there']);
  });

  it('are not announced to others', async () => {
    await using backend = new TestBackend();
    using guest = new Guest(backend, PROTOCOL_F_MQ | PROTOCOL_F_REPLY_ACK);
    using requests = guest.front.openBackendRequests();
    guest.start();
    backend.device.driver!.configChanged();
    assert.equal(requests.next(), 'empty');
  });
});

describe('crypto sessions', () => {
  it('are created in both of QEMU’s layouts, and closed', async () => {
    await using backend = new TestBackend();
    using guest = new Guest(backend);
    const old = guest.front.createCryptoSession(new Uint8Array(632).fill(7));
    assert.equal(new DataView(old.buffer).getBigUint64(0, true), 1n);
    const recent = guest.front.createCryptoSession(new Uint8Array(1072).fill(7));
    assert.equal(new DataView(recent.buffer).getBigUint64(1064, true), 2n);
    guest.front.closeCryptoSession(1n);
    guest.front.closeCryptoSession(1n);
    assert.match(JSON.stringify(backend.last('refused')), /session 1 is not closed: it is not open/);
    guest[Symbol.dispose]();
    assert.equal(backend.device.sessions.size, 0, 'nothing stays of a guest that is gone');
  });

  it('are refused for a device without them', async () => {
    await using backend = new TestBackend();
    Object.assign(backend.device, { createSession: undefined });
    using guest = new Guest(backend);
    assert.throws(() => guest.front.closeCryptoSession(1n), refusal);
    assert.throws(() => guest.front.createCryptoSession(new Uint8Array(632)), {
      code: 'VHOST_USER_DISCONNECTED',
    });
  });
});

describe('reset', () => {
  for (const how of ['RESET_DEVICE', 'SET_STATUS', 'other features'] as const) {
    it(`by ${how} forgets rings and sessions, and lets a driver begin anew`, async () => {
      await using backend = new TestBackend();
      using guest = new Guest(backend).start();
      guest.front.createCryptoSession(new Uint8Array(632));
      guest.send('first life');
      assert.deepEqual(guest.receive(), ['first life']);
      if (how === 'RESET_DEVICE') guest.front.resetDevice();
      else if (how === 'SET_STATUS') guest.front.setStatus(0);
      else guest.front.setFeatures(RING_FEATURES | 1n);
      assert.equal(backend.device.resets, 1);
      assert.equal(backend.device.sessions.size, 0);
      guest.ring![Symbol.dispose]();
      guest.start();
      guest.send('second life');
      assert.deepEqual(guest.receive(), ['second life']);
    });
  }

  it('is noticed by a ring that begins anew after it was stopped, though nobody said so', async () => {
    await using backend = new TestBackend();
    using guest = new Guest(backend).start();
    guest.front.createCryptoSession(new Uint8Array(632));
    guest.send('first boot');
    assert.deepEqual(guest.receive(), ['first boot']);
    assert.equal(guest.front.stopRing(0), 1);
    guest.ring![Symbol.dispose]();
    guest.start();
    assert.equal(backend.device.resets, 1);
    assert.equal(backend.device.sessions.size, 0);
    guest.send('second boot');
    assert.deepEqual(guest.receive(), ['second boot']);
  });

  it('does not happen to a ring that goes on where it stopped', async () => {
    await using backend = new TestBackend();
    using guest = new Guest(backend).start();
    guest.front.createCryptoSession(new Uint8Array(632));
    guest.send('before the pause');
    guest.receive();
    const base = guest.front.stopRing(0);
    guest.front.setFeatures(RING_FEATURES);
    guest.front.setMemory([guest.memory]);
    guest.ring![Symbol.dispose]();
    guest.ring = guest.front.startRing(0, layoutOf(0), base);
    guest.send('after it');
    assert.deepEqual(guest.receive(), ['after it']);
    assert.equal(backend.device.sessions.size, 1);
  });

  it('waits for requests under way', async () => {
    await using backend = new TestBackend();
    using guest = new Guest(backend).start();
    backend.device.hold = true;
    guest.send('slow');
    guest.receive();
    guest.front.resetDevice();
    backend.device.hold = false;
    guest.front.send('GET_STATUS');
    backend.settle();
    backend.device.answerAll();
    assert.deepEqual(guest.receive(), [], 'the answer of an earlier life is dropped');
  });

  it('shows in the status', async () => {
    await using backend = new TestBackend();
    using guest = new Guest(backend).start();
    guest.front.setStatus(15);
    assert.equal(guest.front.getStatus(), 15);
    // A ring index that jumps.
    const { bytes } = guest.memory.guestRegion;
    new DataView(bytes.buffer).setUint16(layoutOf(0).availableRing - GUEST_BASE + 2, 1000, true);
    guest.ring!.kick.signal();
    backend.settle();
    assert.equal(guest.front.getStatus(), 15 | 64);
    assert.equal(guest.ring!.error.clear(), true);
    guest.front.setStatus(0);
    assert.equal(guest.front.getStatus(), 0);
  });

  it('of a broken device needs no more than all rings stopped', async () => {
    await using backend = new TestBackend();
    using guest = new Guest(backend, PROTOCOL_F_REPLY_ACK).start();
    const { bytes } = guest.memory.guestRegion;
    new DataView(bytes.buffer).setUint16(layoutOf(0).availableRing - GUEST_BASE + 2, 1000, true);
    guest.ring!.kick.signal();
    guest.front.stopRing(0);
    guest.ring![Symbol.dispose]();
    guest.start();
    guest.send('again');
    assert.deepEqual(guest.receive(), ['again']);
  });
});

describe('front ends', () => {
  it('are served one after another, those that wait included', async () => {
    await using backend = new TestBackend();
    const first = new Guest(backend).start();
    using waiting = backend.connect();
    waiting.send('GET_FEATURES');
    backend.settle();
    assert.equal(waiting.socket.waitReadable(0), false);
    first[Symbol.dispose]();
    backend.settle();
    assert.equal(waiting.socket.waitReadable(0), true);
    waiting[Symbol.dispose]();
    backend.settle();
    using third = new Guest(backend).start();
    third.send('third');
    assert.deepEqual(third.receive(), ['third']);
    assert.equal(backend.backend.counters.read().connections, 3);
  });

  it('may die with requests under way', async () => {
    await using backend = new TestBackend();
    const before = resources();
    for (let i = 0; i < 3; i++) {
      const guest = new Guest(backend).start();
      backend.device.hold = true;
      guest.send('never answered');
      guest.receive();
      guest[Symbol.dispose]();
      assert.equal(resources().mappings.length, before.mappings.length + 1, 'the memory is still in use');
      backend.device.answerAll();
      backend.device.hold = false;
      assert.deepEqual(resources(), before);
    }
    assert.equal(backend.device.resets, 3);
  });

  it('leave nothing behind', async () => {
    const before = resources();
    {
      await using backend = new TestBackend();
      for (let i = 0; i < 3; i++) {
        using guest = new Guest(backend).start();
        guest.send('hello');
        assert.deepEqual(guest.receive(), ['hello']);
      }
    }
    assert.deepEqual(resources(), before);
  });

  it('are told what is wrong, as often as it is', async () => {
    await using backend = new TestBackend();
    using guest = new Guest(backend);
    const nonsense = () => guest.front.order('SET_VRING_NUM', writeVringState({ index: 0, num: 1000 }));
    for (let i = 0; i < 100; i++) assert.throws(nonsense, refusal);
    assert.equal(backend.backend.counters.read().refused, 100);
    const told = backend.events.filter(({ event }) => event === 'refused');
    assert.equal(told.length, 32, 'whoever reads the log is told less often');
    assert.match(JSON.stringify(told.at(-1)), /from now on refusals are only counted/);
  });

  for (const [what, send] of [
    ['close sessions that are not open', (front: FrontEnd) => front.closeCryptoSession(7n)],
    [
      'read behind the end of the configuration',
      (front: FrontEnd) => assert.throws(() => front.getConfig(4, 5), refusal),
    ],
    ['write behind the end of the configuration', (front: FrontEnd) => front.setConfig(8, Uint8Array.of(1))],
  ] as const) {
    it(`may ${what} a hundred times, as their guests please`, async () => {
      await using backend = new TestBackend();
      using guest = new Guest(backend, PROTOCOL_FEATURES & ~PROTOCOL_F_REPLY_ACK).start();
      for (let i = 0; i < 100; i++) send(guest.front);
      guest.send('still there');
      assert.deepEqual(guest.receive(), ['still there']);
      assert.equal(backend.backend.counters.read().refused, 100);
    });
  }

  it('without REPLY_ACK are disconnected when they are refused', async () => {
    await using backend = new TestBackend();
    using guest = new Guest(backend, PROTOCOL_F_MQ);
    guest.front.order('SET_VRING_NUM', writeVringState({ index: 0, num: 1000 }));
    backend.settle();
    assert.equal(guest.front.isConnected(), false);
  });
});

describe('requests in flight', () => {
  it('are done again by the next back end, in order', async () => {
    await using first = new TestBackend();
    await using second = new TestBackend();
    using guest = new Guest(first);
    const { area, file } = guest.front.getInflight(1, 64);
    using _file = file;
    guest.front.setInflight(file, area);
    guest.start();
    guest.send('done');
    assert.deepEqual(guest.receive(), ['done']);
    first.device.hold = true;
    for (const text of ['one', 'two', 'three']) guest.send(text);
    guest.receive();
    // The second is answered, the others are lost with their back end.
    first.device.held.splice(1, 1)[0]!.complete(0);
    assert.deepEqual(guest.receive(), ['']);
    await first.stop();
    guest.send('four');

    using again = new Guest(second);
    again.front.setInflight(file, area);
    again.front.setFeatures(RING_FEATURES);
    again.front.setMemory([guest.memory]);
    const ring = again.front.startRing(0, layoutOf(0), 0);
    second.settle();
    assert.deepEqual(guest.receive(), ['one', 'three', 'four']);
    assert.equal(again.front.stopRing(0), 5);
    ring[Symbol.dispose]();
    first.device.answerAll();
  });

  it('are not tracked in an area that is too small, or while rings run', async () => {
    await using backend = new TestBackend();
    using guest = new Guest(backend);
    assert.equal(REQUEST.GET_INFLIGHT_FD, 31);
    const { area, file } = guest.front.getInflight(2, 64);
    using _file = file;
    assert.throws(() => guest.front.setInflight(file, { ...area, queues: 3 }), refusal);
    assert.throws(() => guest.front.setInflight(file, { ...area, queueSize: 65535 }), refusal);
    assert.throws(() => guest.front.setInflight(file, { ...area, mmapOffset: 4096 }), refusal);
    assert.throws(
      () => guest.front.setInflight(file, { ...area, mmapSize: 2 ** 40, queues: 60000 }),
      refusal,
    );
    guest.start();
    assert.throws(() => guest.front.setInflight(file, area), refusal);
  });
});
