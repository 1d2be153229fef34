/**
 * A front end that means harm. Whatever it does, the next one is served as if nothing had been, and no
 * descriptor and no mapping is left behind.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { RING_FEATURES } from '@skytale/virtio';
import { EventFd } from './ffi/event-fd.ts';
import { closeAll, type FileDescriptor } from './ffi/file-descriptor.ts';
import { pinnedBuffer } from './ffi/libc.ts';
import { createSharedMemory, createUnsealedMemory, resize, SharedMapping } from './ffi/shared-memory.ts';
import { UnixSocket } from './ffi/unix-socket.ts';
import type { FrontEnd } from './frontend.ts';
import { FLAG_NEED_REPLY, FLAG_REPLY, REQUEST, type RequestName } from './index.ts';
import { encodeMessage } from './message.ts';
import {
  type MemoryRegion,
  writeConfigRange,
  writeMemoryRegion,
  writeMemoryTable,
  writeU64,
  writeVringAddress,
  writeVringFile,
  writeVringState,
} from './payload.ts';
import { GUEST_BASE, Guest, layoutOf, TestBackend } from './testing/guest.ts';
import { resources } from './testing/resources.ts';

const refusal = { code: 'VHOST_USER_REFUSED' };
const MEMORY = 0x100000;

/** Runs `attack` with a front end that has agreed on everything, then serves an honest guest. */
async function survive(
  attack: (guest: Guest, backend: TestBackend) => void,
  before = resources(),
): Promise<void> {
  {
    await using backend = new TestBackend();
    {
      using guest = new Guest(backend);
      attack(guest, backend);
    }
    using honest = new Guest(backend).start();
    honest.send('as if nothing had been');
    assert.deepEqual(honest.receive(), ['as if nothing had been']);
  }
  assert.deepEqual(resources(), before);
}

/** Sends what the protocol forbids, and expects to be thrown out for this reason. */
function isThrownOut(guest: Guest, backend: TestBackend, reason: RegExp): void {
  backend.settle();
  const detached = backend.last('detached');
  assert.ok(detached?.event === 'detached', 'the connection goes on');
  assert.match(detached.reason, reason);
  assert.equal(detached.code, 'VHOST_USER_BAD_MESSAGE');
  assert.equal(guest.front.isConnected(), false);
}

describe('messages', () => {
  const headers: [string, number, number, number, RegExp][] = [
    ['an unknown request', 99, 1, 0, /request 99 is not known/],
    ['request 0', 0, 1, 0, /request 0 is not known/],
    ['one of the back end’s requests', 2 ** 32 - 1, 1, 0, /is not known/],
    ['another version', REQUEST.GET_FEATURES, 2, 0, /flags 0x2/],
    ['a reply', REQUEST.GET_FEATURES, 1 | FLAG_REPLY, 0, /flags 0x5/],
    ['a payload of 4 GiB', REQUEST.SET_FEATURES, 1, 2 ** 32 - 1, /cannot have 4294967295 bytes/],
    ['a payload where none belongs', REQUEST.GET_FEATURES, 1, 8, /cannot have 8 bytes/],
    ['no payload where one belongs', REQUEST.SET_FEATURES, 1, 0, /cannot have 0 bytes/],
    ['a payload one byte short', REQUEST.SET_VRING_ADDR, 1, 39, /cannot have 39 bytes/],
    ['a table of nine regions', REQUEST.SET_MEM_TABLE, 1, 8 + 9 * 32, /cannot have 296 bytes/],
    ['a table of half a region', REQUEST.SET_MEM_TABLE, 1, 8 + 16, /cannot have 24 bytes/],
    ['a third layout of crypto sessions', REQUEST.CREATE_CRYPTO_SESSION, 1, 640, /cannot have 640 bytes/],
    ['more configuration than there can be', REQUEST.GET_CONFIG, 1, 12 + 257, /cannot have 269 bytes/],
  ];
  for (const [what, request, flags, size, reason] of headers) {
    it(`${what} ends the connection`, () =>
      survive((guest, backend) => {
        const header = new Uint32Array([request, flags, size]);
        guest.front.socket.send(new Uint8Array(header.buffer));
        isThrownOut(guest, backend, reason);
      }));
  }

  const lies: [string, RequestName, Uint8Array, RegExp][] = [
    [
      'a table that counts more regions than it has',
      'SET_MEM_TABLE',
      Uint8Array.of(8, 0, 0, 0, 0, 0, 0, 0),
      /8 regions/,
    ],
    ['2^32 - 1 regions', 'SET_MEM_TABLE', new Uint8Array(8).fill(255), /4294967295 regions/],
    [
      'a configuration range that lies',
      'SET_CONFIG',
      withSize(writeConfigRange({ offset: 0, flags: 0, bytes: new Uint8Array(4) }), 200),
      /200 bytes/,
    ],
    ['a configuration offset of 2^32 - 1', 'GET_CONFIG', new Uint8Array(13).fill(255), /of configuration/],
    [
      'a ring index with more bits than it has',
      'SET_VRING_KICK',
      writeU64((2n ** 32n) | 0x100n),
      /no ring's index/,
    ],
  ];
  for (const [what, name, payload, reason] of lies) {
    it(`${what} ends the connection`, () =>
      survive((guest, backend) => {
        guest.front.send(name, payload);
        isThrownOut(guest, backend, reason);
      }));
  }

  it('half a message and silence stalls nothing but itself', () =>
    survive((guest, backend) => {
      guest.start();
      const message = encodeMessage(REQUEST.SET_FEATURES, 0, writeU64(RING_FEATURES));
      for (const byte of message.subarray(0, message.length - 1)) {
        guest.front.socket.send(Uint8Array.of(byte));
        guest.send('still served');
        assert.deepEqual(guest.receive(), ['still served']);
      }
      guest.front.socket.send(message.subarray(-1));
      guest.front.send('GET_STATUS');
      backend.settle();
      assert.equal(guest.front.socket.waitReadable(0), true);
    }));

  it('half a message and a hang-up is nothing special', () =>
    survive((guest) => {
      using event = EventFd.create();
      const message = encodeMessage(REQUEST.SET_VRING_KICK, 0, writeU64(0n));
      guest.front.socket.send(message.subarray(0, 15), [event.descriptor]);
    }));

  it('a front end that never reads its replies is let go', () =>
    survive((guest, backend) => {
      const question = encodeMessage(REQUEST.GET_FEATURES, 0, new Uint8Array(0));
      for (let i = 0; i < 5000; i++) {
        if (!guest.front.socket.send(question)) break;
        if (i % 16 === 0) backend.settle();
      }
      backend.settle();
      const detached = backend.last('detached');
      assert.ok(detached?.event === 'detached');
      assert.match(detached.reason, /does not read its replies/);
    }));
});

describe('descriptors', () => {
  it('missing, superfluous or far too many end the connection, and are closed', async () => {
    const table = writeMemoryTable([regionAt(GUEST_BASE), regionAt(0x400000)]);
    const kick = writeVringFile({ index: 0, hasDescriptor: true });
    const cases: [RequestName, Uint8Array, number, RegExp][] = [
      ['SET_MEM_TABLE', table, 0, /with 0 descriptors instead of 2/],
      ['SET_MEM_TABLE', table, 1, /with 1 descriptors instead of 2/],
      ['SET_MEM_TABLE', table, 3, /with 3 descriptors instead of 2/],
      ['SET_MEM_TABLE', table, 9, /9 descriptors in one message/],
      ['SET_MEM_TABLE', table, 16, /16 descriptors in one message/],
      ['ADD_MEM_REG', writeMemoryRegion(regionAt(GUEST_BASE)), 0, /instead of 1/],
      ['ADD_MEM_REG', writeMemoryRegion(regionAt(GUEST_BASE)), 2, /at most 1/],
      ['SET_VRING_KICK', kick, 0, /instead of 1/],
      ['SET_VRING_KICK', kick, 2, /at most 1/],
      ['SET_VRING_CALL', writeVringFile({ index: 0, hasDescriptor: false }), 1, /instead of 0/],
      ['SET_INFLIGHT_FD', new Uint8Array(24), 0, /instead of 1/],
      ['GET_FEATURES', new Uint8Array(0), 1, /at most 0/],
      ['SET_STATUS', writeU64(1n), 8, /at most 0/],
    ];
    for (const [name, payload, count, reason] of cases) {
      await survive((guest, backend) => {
        using file = createSharedMemory('test', MEMORY);
        guest.front.send(name, payload, new Array<FileDescriptor>(count).fill(file));
        isThrownOut(guest, backend, reason);
      });
    }
  });

  it('in parts of one message count together', () =>
    survive((guest, backend) => {
      using file = createSharedMemory('test', MEMORY);
      const message = encodeMessage(REQUEST.SET_MEM_TABLE, 0, writeMemoryTable([regionAt(GUEST_BASE)]));
      for (let i = 0; i < message.length; i += 4) guest.front.socket.send(message.subarray(i, i + 4), [file]);
      isThrownOut(guest, backend, /9 descriptors in one message/);
    }));

  it('of the wrong kind are refused: an eventfd for memory, memory for an eventfd', () =>
    survive((guest) => {
      using event = EventFd.create();
      using file = createSharedMemory('test', MEMORY);
      const { front } = guest;
      const table = writeMemoryTable([regionAt(GUEST_BASE)]);
      assert.throws(() => front.order('SET_MEM_TABLE', table, [event.descriptor]), refusal);
      const payload = writeVringFile({ index: 0, hasDescriptor: true });
      for (const name of ['SET_VRING_KICK', 'SET_VRING_CALL', 'SET_VRING_ERR'] as const) {
        assert.throws(() => front.order(name, payload, [file]), refusal);
        const absent = writeVringFile({ index: 2, hasDescriptor: true });
        assert.throws(() => front.order(name, absent, [event.descriptor]), refusal);
      }
      assert.throws(
        () => front.order('SET_VRING_KICK', writeVringFile({ index: 0, hasDescriptor: false })),
        refusal,
      );
    }));

  it('that keep the connection itself open, sent with half a message, end it', () =>
    survive((guest, backend) => {
      const message = encodeMessage(REQUEST.SET_VRING_KICK, 0, writeU64(0n));
      guest.front.socket.send(message.subarray(0, 13), [guest.front.socket.descriptor]);
      isThrownOut(guest, backend, /socket:\[\d+\] is neither an eventfd nor memory/);
    }));

  it('that keep the connection itself open are no socket for requests', () =>
    survive((guest, backend) => {
      const message = encodeMessage(REQUEST.SET_BACKEND_REQ_FD, 0, new Uint8Array(0));
      guest.front.socket.send(message, [guest.front.socket.descriptor]);
      isThrownOut(guest, backend, /socket:\[\d+\] is neither/);
    }));

  for (const [when, length] of [
    ['with half a message', 5],
    ['with a whole one', 12],
  ] as const) {
    it(`that keep the connection open from within a socket for requests, sent ${when}, do not`, async () => {
      const before = resources();
      await survive((guest, backend) => {
        const [ours, theirs] = UnixSocket.pair();
        const hide = () => ours.send(Uint8Array.of(1), [guest.front.socket.descriptor, ours.descriptor]);
        assert.equal(hide(), true);
        const message = encodeMessage(REQUEST.SET_BACKEND_REQ_FD, 0, new Uint8Array(0));
        guest.front.socket.send(message.subarray(0, length), [theirs.descriptor]);
        backend.settle();
        assert.equal(guest.front.isConnected(), true);
        assert.equal(hide(), false, 'nothing can be sent over it any more');
        for (const socket of [ours, theirs]) socket[Symbol.dispose]();
        guest[Symbol.dispose]();
        assert.ok(backend.last('detached'), 'that the front end is gone is noticed');
      }, before);
    });
  }

  it('a message that brings a socket brings nothing else', () =>
    survive((guest, backend) => {
      using event = EventFd.create();
      const message = encodeMessage(REQUEST.SET_BACKEND_REQ_FD, 0, new Uint8Array(0));
      guest.front.socket.send(message, [event.descriptor]);
      isThrownOut(guest, backend, /SET_BACKEND_REQ_FD came without a socket/);
    }));

  it('a socket comes with no other message', () =>
    survive((guest, backend) => {
      const [ours, theirs] = UnixSocket.pair();
      using _ours = ours;
      using _theirs = theirs;
      const message = encodeMessage(REQUEST.SET_VRING_KICK, 0, writeU64(0n));
      guest.front.socket.send(message, [theirs.descriptor]);
      isThrownOut(guest, backend, /a socket came with a message that needs none/);
    }));

  it('an eventfd for calls whose counter is full does not stall the ring', () =>
    survive((guest) => {
      guest.start();
      const { call } = guest.ring!;
      fill(call);
      guest.send('one');
      assert.deepEqual(guest.receive(), ['one']);
      guest.send('two');
      assert.deepEqual(guest.receive(), ['two']);
    }));
});

describe('memory', () => {
  const cases: [string, MemoryRegion[]][] = [
    [
      'regions that overlap for the guest',
      [regionAt(GUEST_BASE), { ...regionAt(0x180000), userAddress: 0x7fff_0000_0000 }],
    ],
    [
      'regions that overlap for the front end',
      [regionAt(GUEST_BASE), { ...regionAt(0x400000), userAddress: 0x7f00_0010_0010 }],
    ],
    ['the same region twice', [regionAt(GUEST_BASE), regionAt(GUEST_BASE)]],
    ['a region larger than its file', [{ ...regionAt(GUEST_BASE), size: MEMORY + 4096 }]],
    ['a region that begins behind its file', [{ ...regionAt(GUEST_BASE), mmapOffset: MEMORY }]],
    ['an empty region', [{ ...regionAt(GUEST_BASE), size: 0 }]],
    ['an offset that wraps', [{ ...regionAt(GUEST_BASE), mmapOffset: 2 ** 53 - 16 }]],
    ['an unaligned offset', [{ ...regionAt(GUEST_BASE), size: 4096, mmapOffset: 1 }]],
    ['an unaligned address', [{ ...regionAt(GUEST_BASE), guestAddress: GUEST_BASE + 8 }]],
    ['an address that wraps', [{ ...regionAt(GUEST_BASE), guestAddress: 2 ** 53 - 4096 }]],
    ['a user address that wraps', [{ ...regionAt(GUEST_BASE), userAddress: 2 ** 53 - 4096 }]],
    ['more memory than there is address space', [{ ...regionAt(GUEST_BASE), size: 2 ** 50 }]],
  ];
  for (const [what, regions] of cases) {
    it(`${what}: refused, and what was there stays`, () =>
      survive((guest) => {
        guest.start();
        using file = createSharedMemory('test', MEMORY);
        const files = regions.map(() => file);
        assert.throws(() => guest.front.order('SET_MEM_TABLE', writeMemoryTable(regions), files), refusal);
        if (regions.length === 1) {
          const region = regions[0]!;
          assert.throws(() => guest.front.order('ADD_MEM_REG', writeMemoryRegion(region), [file]), refusal);
        }
        guest.send('still there');
        assert.deepEqual(guest.receive(), ['still there']);
      }));
  }

  it('region fields of 2^63 end the connection', async () => {
    for (let field = 0; field < 4; field++) {
      await survive((guest, backend) => {
        using file = createSharedMemory('test', MEMORY);
        const payload = writeMemoryTable([regionAt(GUEST_BASE)]);
        new DataView(payload.buffer).setBigUint64(8 + 8 * field, 2n ** 63n, true);
        guest.front.send('SET_MEM_TABLE', payload, [file]);
        isThrownOut(guest, backend, /is not below 2\^53/);
      });
    }
  });

  it('that can shrink is refused: it was the end of the process when it did', () =>
    survive((guest) => {
      using file = createUnsealedMemory('test', MEMORY);
      const table = writeMemoryTable([regionAt(GUEST_BASE)]);
      assert.throws(() => guest.front.order('SET_MEM_TABLE', table, [file]), refusal);
      assert.match(
        JSON.stringify(guest.backend.last('refused')),
        /not sealed against shrinking.* allowUnsealed/,
      );
      resize(file, 0);
    }));

  it('that is sealed cannot shrink, whoever tries, and a front end may try', () =>
    survive((guest) => {
      guest.start();
      assert.throws(() => resize(guest.memory.file, 0), { code: 'EPERM' });
      guest.send('still there');
      assert.deepEqual(guest.receive(), ['still there']);
    }));

  it('slots run out', () =>
    survive((guest) => {
      const slots = guest.front.getMaxMemorySlots();
      using file = createSharedMemory('test', 4096);
      const region = (i: number) => ({ ...regionAt(i * 4096), size: 4096, userAddress: i * 4096 });
      for (let i = 0; i < slots; i++) guest.front.addMemory({ file, region: region(i) });
      assert.throws(() => guest.front.addMemory({ file, region: region(slots) }), refusal);
    }));
});

describe('rings', () => {
  it('sizes that are none are refused', () =>
    survive((guest) => {
      for (const num of [0, 3, 1000, 128, 65535, 65536, 2 ** 31, 2 ** 32 - 1]) {
        assert.throws(
          () => guest.front.order('SET_VRING_NUM', writeVringState({ index: 0, num })),
          refusal,
          `${num}`,
        );
      }
    }));

  it('indices of rings that are not there are refused', () =>
    survive((guest) => {
      for (const index of [2, 255, 2 ** 31, 2 ** 32 - 1]) {
        const payload = writeVringState({ index, num: 16 });
        for (const name of ['SET_VRING_NUM', 'SET_VRING_BASE', 'SET_VRING_ENABLE'] as const) {
          assert.throws(() => guest.front.order(name, payload), refusal);
        }
        const address = { index, flags: 0, descriptor: 0, available: 0, used: 0 };
        assert.throws(() => guest.front.order('SET_VRING_ADDR', writeVringAddress(address)), refusal);
      }
      assert.throws(() => guest.front.stopRing(2), { code: 'VHOST_USER_DISCONNECTED' });
    }));

  it('bases of more than 16 bits are refused', () =>
    survive((guest) => {
      assert.throws(
        () => guest.front.order('SET_VRING_BASE', writeVringState({ index: 0, num: 65536 })),
        refusal,
      );
    }));

  const user = 0x7f00_0000_0000 + GUEST_BASE;
  const addresses: [string, number, number, number][] = [
    ['null', 0, 0, 0],
    ['outside of memory', user + MEMORY, user, user + 0x2000],
    ['across the end of memory', user, user + 0x1000, user + MEMORY - 8],
    ['guest-physical instead of the front end’s', GUEST_BASE, GUEST_BASE + 0x1000, GUEST_BASE + 0x2000],
    ['unaligned', user + 8, user + 0x1001, user + 0x2002],
  ];
  for (const [what, descriptor, available, used] of addresses) {
    it(`addresses ${what} are refused when the ring is to start`, () =>
      survive((guest) => {
        const { front } = guest;
        using kick = EventFd.create();
        front.setFeatures(RING_FEATURES);
        front.setMemory([guest.memory]);
        front.order('SET_VRING_NUM', writeVringState({ index: 0, num: 64 }));
        front.order('SET_VRING_ADDR', writeVringAddress({ index: 0, flags: 0, descriptor, available, used }));
        const payload = writeVringFile({ index: 0, hasDescriptor: true });
        assert.throws(() => front.order('SET_VRING_KICK', payload, [kick.descriptor]), refusal);
        kick.signal();
        guest.backend.settle();
      }));
  }

  it('cannot change while they run', () =>
    survive((guest) => {
      guest.start();
      const { front } = guest;
      assert.throws(() => front.order('SET_VRING_NUM', writeVringState({ index: 0, num: 16 })), refusal);
      assert.throws(() => front.order('SET_VRING_BASE', writeVringState({ index: 0, num: 16 })), refusal);
      const moved = { index: 0, flags: 0, descriptor: user, available: user + 0x4000, used: user + 0x6000 };
      assert.throws(() => front.order('SET_VRING_ADDR', writeVringAddress(moved)), refusal);
      front.order(
        'SET_VRING_ADDR',
        writeVringAddress({ ...moved, available: user + 0x1000, used: user + 0x2000 }),
      );
      guest.send('unmoved');
      assert.deepEqual(guest.receive(), ['unmoved']);
    }));

  it('a storm of kicks without requests is only noise', () =>
    survive((guest) => {
      guest.start();
      for (let i = 0; i < 1000; i++) {
        guest.ring!.kick.signal();
        guest.backend.backend.step(0);
      }
      guest.send('heard');
      assert.deepEqual(guest.receive(), ['heard']);
    }));

  it('a used index that lies at the start harms only its driver', () =>
    survive((guest) => {
      guest.start();
      guest.front.stopRing(0);
      const { bytes } = guest.memory.guestRegion;
      new DataView(bytes.buffer).setUint16(layoutOf(0).usedRing - GUEST_BASE + 2, 0xfffe, true);
      using ring = guest.front.startRing(0, layoutOf(0), 77);
      ring.kick.signal();
      guest.backend.settle();
      assert.match(JSON.stringify(guest.backend.last('broken')), /VIRTQUEUE_AVAILABLE_JUMP/);
    }));
});

describe('an in-flight area', () => {
  const HEADER = 16;

  function areaFrom(guest: Guest, change: (view: DataView) => void): void {
    const { area, file } = guest.front.getInflight(1, 64);
    using _file = file;
    using mapping = new SharedMapping(file, 0, area.mmapSize);
    change(new DataView(mapping.bytes.buffer));
    guest.front.setInflight(file, area);
  }

  function claimValid(view: DataView): void {
    view.setUint16(8, 1, true);
    view.setUint16(10, 64, true);
  }

  it('full of noise is taken for a new one', () =>
    survive((guest) => {
      areaFrom(guest, (view) => {
        for (let i = 0; i < view.byteLength; i++) view.setUint8(i, 255);
      });
      guest.start();
      guest.send('fine');
      assert.deepEqual(guest.receive(), ['fine']);
    }));

  it('that claims requests which never were breaks its own ring', () =>
    survive((guest, backend) => {
      areaFrom(guest, (view) => {
        claimValid(view);
        for (let head = 0; head < 64; head++) view.setUint8(HEADER + 16 * head, 1);
      });
      guest.start();
      backend.settle();
      assert.match(JSON.stringify(backend.last('broken')), /VIRTQUEUE_EMPTY_DESCRIPTOR/);
    }));

  it('whose list of the last batch loops, or leads out of it, ends', () =>
    survive((guest) => {
      areaFrom(guest, (view) => {
        claimValid(view);
        view.setUint16(12, 5, true);
        view.setUint16(14, 1, true);
        view.setUint16(HEADER + 16 * 5 + 6, 5, true);
        view.setUint16(HEADER + 16 * 6 + 6, 65535, true);
      });
      guest.start();
      guest.send('fine');
      assert.deepEqual(guest.receive(), ['fine']);
    }));

  it('that changes while it is used harms nobody', () =>
    survive((guest, backend) => {
      const { area, file } = guest.front.getInflight(2, 64);
      using _file = file;
      guest.front.setInflight(file, area);
      guest.start();
      using mapping = new SharedMapping(file, 0, area.mmapSize);
      for (let i = 0; i < 20; i++) {
        mapping.bytes.fill(i * 13);
        guest.send(`${i}`);
        assert.deepEqual(guest.receive(), [`${i}`]);
      }
      assert.equal(backend.last('broken'), undefined);
    }));
});

describe('random messages', () => {
  const seconds = Number(process.env.SKYTALE_FUZZ_SECONDS ?? 1);
  const seed = Number(process.env.SKYTALE_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));

  it(`for ${seconds} s (SKYTALE_FUZZ_SECONDS) from seed ${seed} (SKYTALE_FUZZ_SEED)`, async (t) => {
    t.diagnostic(`seed ${seed}`);
    const before = resources();
    const random = generator(seed);
    const until = Date.now() + seconds * 1000;
    let connections = 0;
    let messages = 0;
    {
      await using backend = new TestBackend();
      using sealed = createSharedMemory('test', MEMORY);
      using unsealed = createUnsealedMemory('test', MEMORY);
      using event = EventFd.create();
      while (Date.now() < until || connections < 20) {
        using guest = new Guest(backend);
        connections += 1;
        if (random(2) === 0) guest.start();
        const files = [sealed, unsealed, event.descriptor, guest.front.socket.descriptor, guest.memory.file];
        for (let i = random(40); i > 0 && guest.front.isConnected(); i--) {
          messages += 1;
          sendRandom(guest.front, random, files);
          if (random(4) === 0) scribble(guest, random);
          drain(guest.front, backend);
        }
        // A trace of what the guest held back must not outlive it, however it held it.
        backend.device.answerAll();
      }
      using honest = new Guest(backend).start();
      honest.send('unharmed');
      assert.deepEqual(honest.receive(), ['unharmed'], `seed ${seed}`);
    }
    assert.deepEqual(resources(), before, `seed ${seed}`);
    t.diagnostic(`${connections} connections, ${messages} messages`);
  });
});

function regionAt(guestAddress: number): MemoryRegion {
  return { guestAddress, size: MEMORY, userAddress: 0x7f00_0000_0000 + guestAddress, mmapOffset: 0 };
}

function withSize(payload: Uint8Array, size: number): Uint8Array {
  new DataView(payload.buffer).setUint32(4, size, true);
  return payload;
}

/** Adds so much to an eventfd that adding 1 would wait. */
function fill(event: EventFd): void {
  writeFileSync(event.descriptor.number, new BigUint64Array([2n ** 64n - 2n]));
}

/** A small generator of our own, so that a seed says all: mulberry32. */
function generator(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

const NAMES = Object.keys(REQUEST) as RequestName[];
const INTERESTING = [
  0n,
  1n,
  2n,
  8n,
  16n,
  64n,
  0x100n,
  0x1000n,
  0x100000n,
  0x7f0000100000n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 63n,
  2n ** 64n - 16n,
];
const EMPTY = /^(GET|RESET)_(?!VRING|CONFIG|INFLIGHT)|OWNER/;
const STATE = /VRING_(NUM|BASE|ENABLE)/;
const WITH_DESCRIPTOR = new Set<RequestName>([
  'ADD_MEM_REG',
  'SET_VRING_KICK',
  'SET_VRING_CALL',
  'SET_VRING_ERR',
  'SET_INFLIGHT_FD',
]);
const SIZES: Partial<Record<RequestName, number[]>> = {
  SET_MEM_TABLE: [8, 40, 72, 264],
  SET_VRING_ADDR: [40],
  ADD_MEM_REG: [40],
  REM_MEM_REG: [40],
  GET_CONFIG: [12, 20, 268],
  SET_CONFIG: [12, 20, 268],
  CREATE_CRYPTO_SESSION: [632, 1072],
  GET_INFLIGHT_FD: [20, 24],
  SET_INFLIGHT_FD: [20, 24],
};

/** A message that is mostly well-formed and full of interesting numbers; now and then pure noise. */
function sendRandom(front: FrontEnd, random: (below: number) => number, files: FileDescriptor[]): void {
  const pick = <T>(list: readonly T[]): T => list[random(list.length)]!;
  if (random(30) === 0) {
    const noise = Uint8Array.from({ length: 1 + random(100) }, () => random(256));
    front.socket.send(noise, random(2) === 0 ? [pick(files)] : []);
    return;
  }
  const name = pick(NAMES);
  const payload = new Uint8Array(
    random(40) === 0 ? random(100) : pick(SIZES[name] ?? [EMPTY.test(name) ? 0 : 8]),
  );
  const view = new DataView(payload.buffer);
  for (let at = 0; at + 8 <= payload.length; at += 8) {
    if (random(8) === 0) {
      view.setBigUint64(at, pick(INTERESTING), true);
    } else {
      view.setUint32(at, random(3), true);
      if (STATE.test(name)) view.setUint32(at + 4, pick([0, 1, 16, 64, 1000, 2 ** 31]), true);
    }
  }
  if (name === 'SET_MEM_TABLE') randomTable(view, random);
  if (name.endsWith('CONFIG') && payload.length >= 12) view.setUint32(4, payload.length - 12, true);
  const wanted =
    name === 'SET_MEM_TABLE' ? Math.floor(payload.length / 32) : WITH_DESCRIPTOR.has(name) ? 1 : 0;
  const count = random(30) === 0 ? random(16) : wanted;
  const flags = random(20) === 0 ? 0 : FLAG_NEED_REPLY;
  front.socket.send(
    encodeMessage(REQUEST[name], flags, payload),
    Array.from({ length: count }, () => pick(files)),
  );
}

/** A memory table whose fields are right, but for a few. */
function randomTable(view: DataView, random: (below: number) => number): void {
  for (let at = 8; at + 32 <= view.byteLength; at += 32) {
    const address = GUEST_BASE * (at >> 5);
    const fields = [address, 0x80000, 0x7f00_0000_0000 + address, 0];
    for (const [i, field] of fields.entries()) {
      if (random(16) !== 0) view.setBigUint64(at + 8 * i, BigInt(field), true);
    }
  }
  if (view.byteLength >= 8) view.setBigUint64(0, BigInt((view.byteLength - 8) >> 5), true);
}

/** What a driver might write anywhere in the memory it shares. */
function scribble(guest: Guest, random: (below: number) => number): void {
  const { bytes } = guest.memory.guestRegion;
  for (let i = random(50); i > 0; i--) bytes[random(0x3000)] = random(256);
  guest.ring?.kick.signal();
}

/** Lets the back end work, and throws its replies away. */
function drain(front: FrontEnd, backend: TestBackend): void {
  backend.settle();
  const descriptors: FileDescriptor[] = [];
  while (typeof front.socket.receive(replies, 0, replies.bytes.length, descriptors) === 'number');
  closeAll(descriptors);
}

const replies = pinnedBuffer(65536);
