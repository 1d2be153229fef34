import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { EventFd } from './event-fd.ts';
import { EventPoll } from './event-poll.ts';
import { closeAll, type FileDescriptor } from './file-descriptor.ts';
import { pinnedBuffer } from './libc.ts';
import {
  cannotShrink,
  createSharedMemory,
  createUnsealedMemory,
  MappingRefused,
  resize,
  SharedMapping,
} from './shared-memory.ts';
import { UnixListener, UnixSocket } from './unix-socket.ts';

const directory = mkdtempSync(join(tmpdir(), 'vhost-user-'));
after(() => rmSync(directory, { recursive: true }));

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

function sharedMappings(): number {
  return readFileSync('/proc/self/maps', 'utf8').split('memfd:').length - 1;
}

function connected(name: string): { front: UnixSocket; back: UnixSocket; [Symbol.dispose](): void } {
  using listener = new UnixListener(join(directory, name));
  const front = UnixSocket.connect(listener.path);
  const back = listener.accept()!;
  return {
    front,
    back,
    [Symbol.dispose]() {
      front[Symbol.dispose]();
      back[Symbol.dispose]();
    },
  };
}

describe('shared memory', () => {
  it('is the same for two mappings, and sealed', () => {
    using file = createSharedMemory('test', 8192);
    using first = new SharedMapping(file, 0, 8192);
    using second = new SharedMapping(file, 4096, 4096);
    first.bytes[4100] = 42;
    assert.equal(second.bytes[4], 42);
    assert.equal(cannotShrink(file), true);
    assert.throws(() => resize(file, 0), { code: 'EPERM' });
  });

  it('maps at offsets that are no multiple of a page', () => {
    using file = createSharedMemory('test', 12288);
    using whole = new SharedMapping(file, 0, 12288);
    using part = new SharedMapping(file, 5000, 100);
    whole.bytes[5099] = 7;
    assert.equal(part.bytes.length, 100);
    assert.equal(part.bytes[99], 7);
  });

  it('refuses memory that can shrink, and ranges outside of the file', () => {
    using unsealed = createUnsealedMemory('test', 4096);
    assert.throws(() => new SharedMapping(unsealed, 0, 4096), MappingRefused);
    new SharedMapping(unsealed, 0, 4096, { allowUnsealed: true })[Symbol.dispose]();

    using file = createSharedMemory('test', 8192);
    for (const [offset, length] of [
      [0, 8193],
      [8192, 1],
      [4096, 2 ** 53 - 4096],
      [0, 2 ** 63],
      [-4096, 4096],
      [0, 0],
      [Number.NaN, 1],
    ] as const) {
      assert.throws(() => new SharedMapping(file, offset, length), MappingRefused, `${offset} ${length}`);
    }
  });

  it('refuses an eventfd, a socket and a file on disk', () => {
    using event = EventFd.create();
    assert.throws(() => new SharedMapping(event.descriptor, 0, 4096), MappingRefused);
    using pair = connected('memory');
    assert.throws(() => new SharedMapping(pair.front.descriptor, 0, 4096), MappingRefused);
  });

  it('leaves stale views empty once it is unmapped', () => {
    using file = createSharedMemory('test', 4096);
    const mapping = new SharedMapping(file, 0, 4096);
    const view = mapping.bytes.subarray(16, 32);
    const words = new Int32Array(mapping.bytes.buffer);
    mapping[Symbol.dispose]();
    mapping[Symbol.dispose]();
    assert.equal(view.length, 0);
    assert.equal(words[0], undefined);
    assert.throws(() => view.set([1]), TypeError);
    assert.throws(() => Atomics.load(words, 0));
  });
});

describe('EventFd', () => {
  it('counts, waits and clears', () => {
    using event = EventFd.create();
    assert.equal(event.wait(0), false);
    event.signal();
    event.signal();
    assert.equal(event.wait(-1), true);
    assert.equal(event.clear(), false);
  });

  it('waits on after a signal', async () => {
    using event = EventFd.create();
    // Of the end of a child its parent is told by a signal, SIGCHLD, for which Node has a handler.
    const child = spawn('sleep', ['0.1']);
    await once(child, 'spawn');
    const start = performance.now();
    assert.equal(event.wait(400), false);
    assert.ok(performance.now() - start >= 399);
    await once(child, 'exit');
  });

  it('does not block on a counter that somebody filled', () => {
    using event = EventFd.create();
    writeFileSync(event.descriptor.number, new Uint8Array([0xfe, 255, 255, 255, 255, 255, 255, 255]));
    event.signal();
    assert.equal(event.clear(), true);
  });

  it('adopts eventfds only, and closes what it refuses', () => {
    const memory = createSharedMemory('test', 4096);
    assert.throws(() => EventFd.adopt(memory), /an eventfd is expected, this is \/memfd:test/);
    assert.equal(memory.number, -1);
  });
});

describe('EventPoll', () => {
  it('reports every signal of an eventfd that nobody reads', () => {
    using poll = new EventPoll();
    using event = EventFd.create();
    let kicks = 0;
    using _watch = poll.watch(event.descriptor, 'edge', () => kicks++);
    for (let i = 1; i <= 3; i++) {
      event.signal();
      poll.wait(-1);
      assert.equal(kicks, i);
    }
    assert.equal(poll.wait(0), 0);
  });

  it('forgets what is no longer watched, even in the same round', () => {
    using poll = new EventPoll();
    using a = EventFd.create();
    using b = EventFd.create();
    const calls: string[] = [];
    const watches = [a, b].map((event, i) =>
      poll.watch(event.descriptor, 'level', () => {
        calls.push(`${i}`);
        for (const watch of watches) watch[Symbol.dispose]();
      }),
    );
    a.signal();
    b.signal();
    poll.wait(-1);
    assert.equal(calls.length, 1);
    assert.equal(poll.wait(0), 0);
  });
});

describe('UnixSocket', () => {
  it('carries bytes and descriptors', () => {
    using pair = connected('carry');
    using event = EventFd.create();
    const target = pinnedBuffer(16);
    const descriptors: FileDescriptor[] = [];
    assert.equal(pair.back.receive(target, 0, 16, descriptors), 'empty');
    assert.equal(pair.front.send(new Uint8Array([1, 2, 3]), [event.descriptor, event.descriptor]), true);
    assert.equal(pair.back.waitReadable(-1), true);
    assert.equal(pair.back.receive(target, 4, 12, descriptors), 3);
    assert.deepEqual([...target.bytes.subarray(0, 8)], [0, 0, 0, 0, 1, 2, 3, 0]);
    assert.equal(descriptors.length, 2);
    using copy = EventFd.adopt(descriptors[0]!);
    event.signal();
    assert.equal(copy.clear(), true);
    closeAll(descriptors);
  });

  it('closes descriptors when far too many come', () => {
    using pair = connected('many');
    const before = openDescriptors();
    // As many as one of our own sends takes; the receiver has room for them and hands them all over.
    const sixteen = Array.from({ length: 16 }, () => pair.front.descriptor);
    pair.front.send(new Uint8Array(1), sixteen);
    const descriptors: FileDescriptor[] = [];
    assert.equal(pair.back.receive(pinnedBuffer(1), 0, 1, descriptors), 1);
    assert.equal(descriptors.length, 16);
    closeAll(descriptors);
    assert.equal(openDescriptors(), before);
  });

  it('notices that the peer closed or does not read', () => {
    using pair = connected('closed');
    const block = new Uint8Array(65536);
    let sent = 0;
    while (pair.front.send(block)) sent++;
    assert.ok(sent < 100);
    pair.front[Symbol.dispose]();
    const target = pinnedBuffer(65536);
    while (typeof pair.back.receive(target, 0, 65536, []) === 'number');
    assert.equal(pair.back.receive(target, 0, 1, []), 'closed');
    assert.equal(pair.back.send(block), false);
  });
});

describe('UnixListener', () => {
  it('removes its path, replaces an abandoned one, and leaves others alone', () => {
    const path = join(directory, 'listener');
    using listener = new UnixListener(path);
    assert.throws(() => new UnixListener(path), { code: 'EADDRINUSE' });
    // A process that died: its socket is closed, its path is still there.
    listener.descriptor[Symbol.dispose]();
    assert.ok(existsSync(path));
    const second = new UnixListener(path);
    second[Symbol.dispose]();
    assert.ok(!existsSync(path));
    writeFileSync(path, 'precious');
    assert.throws(() => new UnixListener(path), { code: 'EADDRINUSE' });
    assert.equal(readFileSync(path, 'utf8'), 'precious');
  });

  it('names a path that is too long', () => {
    assert.throws(() => new UnixListener(`/tmp/${'x'.repeat(104)}`), /has 1 to 107 bytes, this has 109/);
  });
});

it('every descriptor and mapping is released', () => {
  const round = () => {
    using file = createSharedMemory('leak', 4096);
    using _mapping = new SharedMapping(file, 0, 4096);
    using poll = new EventPoll();
    using event = EventFd.create();
    using _watch = poll.watch(event.descriptor, 'edge', () => {});
    using pair = connected('leak');
    pair.front.send(new Uint8Array(4), [event.descriptor]);
    const descriptors: FileDescriptor[] = [];
    pair.back.receive(pinnedBuffer(4), 0, 4, descriptors);
    closeAll(descriptors);
  };
  round();
  const before = [openDescriptors(), sharedMappings()];
  for (let i = 0; i < 20; i++) round();
  assert.deepEqual([openDescriptors(), sharedMappings()], before);
});
