/** The device behind a vhost-user socket: all that a driver can do, and the form in which QEMU keeps the control queue. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  FrontEnd,
  FrontMemory,
  type FrontRing,
  PROTOCOL_F_CRYPTO_SESSION,
  PROTOCOL_F_MQ,
  PROTOCOL_F_REPLY_ACK,
  serveDevice,
  VHOST_USER_F_PROTOCOL_FEATURES,
  VhostUserBackend,
  VhostUserTransport,
} from '@skytale/vhost-user';
import { DriverQueue, type QueueLayout, RING_FEATURES } from '@skytale/virtio';
import { cryptoDeviceCases } from '../packages/cryptodev/src/crypto-device.cases.ts';
import type { CryptoDevice } from '../packages/cryptodev/src/crypto-device.ts';
import { OpensslEngine } from '../packages/cryptodev/src/engines/openssl.ts';
import * as oracle from '../packages/cryptodev/src/oracle.ts';
import { VirtioCryptoDevice } from '../packages/cryptodev/src/virtio-crypto/device.ts';
import { VirtioCryptoDriver } from '../packages/cryptodev/src/virtio-crypto/driver.ts';
import { encodeCipherData } from '../packages/cryptodev/src/virtio-crypto/encode.ts';
import { virtioCryptoDeviceModule } from '../packages/cryptodev/src/virtio-crypto/index.ts';
import type { VirtioCryptoDeviceOptions } from '../packages/cryptodev/src/virtio-crypto/make-device.ts';
import { deviceId, status } from '../packages/cryptodev/src/virtio-crypto/wire.ts';

const deviceOptions: VirtioCryptoDeviceOptions = { device: { dataQueues: 2 } };

/** A device in a worker behind a socket, and its driver here; `close` ends both. */
async function open(): Promise<CryptoDevice> {
  const directory = mkdtempSync(join(tmpdir(), 'virtio-crypto-'));
  const socket = join(directory, 'socket');
  const server = await serveDevice({ socket, device: virtioCryptoDeviceModule, deviceOptions });
  const driver = await VirtioCryptoDriver.open(VhostUserTransport.connect(socket, { deviceId }));
  const close = driver.close.bind(driver);
  let closing: Promise<void> | undefined;
  driver.close = () => {
    closing ??= close()
      .then(() => server.stop())
      .finally(() => rmSync(directory, { recursive: true }));
    return closing;
  };
  return driver;
}

cryptoDeviceCases('virtio-crypto over vhost-user', open);

const key = Uint8Array.from({ length: 16 }, (_, i) => i);
const iv = new Uint8Array(16).fill(3);
const data = new Uint8Array(64).fill(4);
const GUEST_BASE = 0x100000;
const layout: QueueLayout = {
  size: 64,
  descriptorTable: GUEST_BASE,
  availableRing: GUEST_BASE + 0x1000,
  usedRing: GUEST_BASE + 0x2000,
};

/** QEMU's half as cryptodev-vhost-user plays it, with data queue 0 only, in the thread of the back end. */
class QemuFrontEnd implements AsyncDisposable {
  readonly front: FrontEnd;
  readonly #directory = mkdtempSync(join(tmpdir(), 'virtio-crypto-'));
  readonly #backend: VhostUserBackend;
  readonly #memory = new FrontMemory(0x100000, GUEST_BASE);
  readonly #queue: DriverQueue<number>;
  readonly #ring: FrontRing;

  constructor() {
    const socket = join(this.#directory, 'socket');
    const device = new VirtioCryptoDevice(new OpensslEngine(), { controlQueue: false });
    this.#backend = new VhostUserBackend(device, { socket, assumedFeatures: RING_FEATURES });
    this.front = FrontEnd.connect(socket, { idle: () => this.#settle() });
    this.front.negotiate(PROTOCOL_F_MQ | PROTOCOL_F_REPLY_ACK | PROTOCOL_F_CRYPTO_SESSION);
    // It passes on no more than this of what it has agreed on with its guest.
    this.front.setFeatures(VHOST_USER_F_PROTOCOL_FEATURES);
    this.front.setMemory([this.#memory]);
    this.#queue = new DriverQueue(this.#memory.guestRegion, layout, { eventIdx: true });
    this.#ring = this.front.startRing(0, layout);
  }

  /** A message of QEMU 7.2. */
  createSession(algo: number): bigint {
    const message = new Uint8Array(632);
    const view = new DataView(message.buffer);
    view.setUint32(8, algo, true);
    view.setUint32(12, key.length, true);
    message.set([1, 1], 32);
    message.set(key, 56);
    const answer = this.front.createCryptoSession(message);
    assert.equal(answer.length, 632);
    return new DataView(answer.buffer, answer.byteOffset).getBigInt64(0, true);
  }

  encrypt(id: bigint): { status: number; result: Uint8Array } {
    const { bytes } = this.#memory.guestRegion;
    const at = 0x10000;
    const lengths = { ivLength: 16, sourceLength: data.length, destinationLength: data.length };
    bytes.set(encodeCipherData({ id }, lengths), at);
    bytes.set(iv, at + 0x100);
    bytes.set(data, at + 0x200);
    bytes[at + 0x300] = 0xee;
    const address = GUEST_BASE + at;
    this.#queue.add(
      [
        { address, length: 72 },
        { address: address + 0x100, length: 16 },
        { address: address + 0x200, length: data.length },
      ],
      [
        { address: address + 0x200, length: data.length },
        { address: address + 0x300, length: 1 },
      ],
      7,
    );
    this.#ring.kick.signal();
    this.#settle();
    let used = 0;
    this.#queue.reap((_, written) => {
      used = written;
    });
    assert.equal(used, data.length + 1);
    return { status: bytes[at + 0x300]!, result: bytes.slice(at + 0x200, at + 0x200 + data.length) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ring[Symbol.dispose]();
    this.front[Symbol.dispose]();
    this.#memory[Symbol.dispose]();
    await this.#backend[Symbol.asyncDispose]();
    rmSync(this.#directory, { recursive: true });
  }

  #settle(): void {
    for (let i = 0; i < 10; i++) this.#backend.step(0);
  }
}

describe('virtio-crypto over vhost-user as QEMU’s cryptodev-vhost-user uses it', () => {
  it('serves sessions that come as messages', async () => {
    await using qemu = new QemuFrontEnd();
    const id = qemu.createSession(3);
    assert.ok(id > 0n);
    const { status: outcome, result } = qemu.encrypt(id);
    assert.equal(outcome, status.OK);
    assert.deepEqual(result, oracle.encrypt('aes-cbc', key, iv, data));
    assert.ok(qemu.createSession(1) < 0n, 'ARC4');
    qemu.front.closeCryptoSession(id);
    assert.equal(qemu.encrypt(id).status, status.INVSESS);
    // QEMU goes on closing sessions that a reset has taken away.
    qemu.front.closeCryptoSession(id);
    assert.ok(qemu.createSession(3) > 0n, 'and all goes on');
  });

  it('keeps sessions while a ring is stopped', async () => {
    await using qemu = new QemuFrontEnd();
    const id = qemu.createSession(3);
    assert.equal(qemu.encrypt(id).status, status.OK);
    const base = qemu.front.stopRing(0);
    assert.equal(base, 1);
    using _ring = qemu.front.startRing(0, layout, base);
    assert.ok(qemu.createSession(3) > 0n);
  });
});
