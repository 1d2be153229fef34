/** Random sequences of operations on many sessions, against a model that has node:crypto and no state but what it must. */
import assert from 'node:assert/strict';
import { createCipheriv, createDecipheriv, createHash, createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { OpensslEngine } from '../engines/openssl.ts';
import { batchingEngine } from '../testing/batching-engine.ts';
import { errno } from './errno.ts';
import { lateEngine, RawDriver } from './testing/raw-driver.ts';
import { COP_DECRYPT, COP_ENCRYPT, flag, ioctl } from './wire.ts';

const AES_CBC = 11;
const SHA256 = 104;
const SHA256_HMAC = 18;
const macKey = new Uint8Array(32).fill(9);

/** A session as /dev/crypto describes it: an IV that chains, and the data hashed since the state was fresh. */
type ModelSession = {
  readonly id: number;
  readonly key: Uint8Array | undefined;
  readonly hash: 'none' | 'sha256' | 'hmac';
  iv: Uint8Array;
  parts: Uint8Array[];
};
type Model = { sessions: ModelSession[] };
type Command = fc.AsyncCommand<Model, RawDriver>;

const blocks = fc.nat(6).chain((count) => fc.uint8Array({ minLength: count * 16, maxLength: count * 16 }));
const ivBytes = fc.uint8Array({ minLength: 16, maxLength: 16 });
const pick = fc.nat(1000);

function cbc(decrypting: boolean, key: Uint8Array, iv: Uint8Array, data: Uint8Array): Buffer {
  const cipher = (decrypting ? createDecipheriv : createCipheriv)('aes-128-cbc', key, iv).setAutoPadding(
    false,
  );
  return Buffer.concat([cipher.update(data), cipher.final()]);
}

function digestOf({ hash, parts }: ModelSession): Buffer {
  const state = hash === 'hmac' ? createHmac('sha256', macKey) : createHash('sha256');
  for (const part of parts) state.update(part);
  return state.digest();
}

class Create implements Command {
  readonly cipherKey: Uint8Array | undefined;
  readonly hash: ModelSession['hash'];
  constructor(cipherKey: Uint8Array | undefined, hash: ModelSession['hash']) {
    this.cipherKey = cipherKey;
    this.hash = hash;
  }
  check(): boolean {
    return this.cipherKey !== undefined || this.hash !== 'none';
  }
  async run(model: Model, driver: RawDriver): Promise<void> {
    const { cipherKey, hash } = this;
    const id = await driver.session({
      ...(cipherKey && { cipher: AES_CBC, key: cipherKey }),
      ...(hash === 'sha256' && { mac: SHA256 }),
      ...(hash === 'hmac' && { mac: SHA256_HMAC, macKey }),
    });
    model.sessions.push({ id, key: cipherKey, hash, iv: new Uint8Array(16), parts: [] });
  }
  toString(): string {
    return `create ${this.cipherKey ? 'cbc' : ''} ${this.hash}`;
  }
}

class Crypt implements Command {
  readonly which: number;
  readonly op: number;
  readonly flags: number;
  readonly iv: Uint8Array | undefined;
  readonly data: Uint8Array;
  constructor(which: number, op: number, flags: number, iv: Uint8Array | undefined, data: Uint8Array) {
    this.which = which;
    this.op = op;
    this.flags = flags;
    this.iv = iv;
    this.data = data;
  }
  check({ sessions }: Model): boolean {
    return sessions.length > 0;
  }
  async run({ sessions }: Model, driver: RawDriver): Promise<void> {
    const session = sessions[this.which % sessions.length]!;
    const { op, flags, data } = this;
    const iv = session.key && this.iv;
    const macLength = session.hash === 'none' ? 0 : 32;
    const answer = await driver.crypt(session.id, { op, flags, data, macLength, ...(iv && { iv }) });
    if (session.key === undefined && op === COP_DECRYPT) {
      assert.equal(answer.status, errno.EINVAL);
      return;
    }
    assert.equal(answer.status, 0);
    let plaintext = data;
    if (session.key !== undefined) {
      if (iv) session.iv = iv;
      const expected = cbc(op === COP_DECRYPT, session.key, session.iv, data);
      assert.deepEqual(Buffer.from(answer.data), expected);
      const ciphertext = op === COP_DECRYPT ? data : expected;
      if (op === COP_DECRYPT) plaintext = expected;
      if (data.length > 0) session.iv = Uint8Array.from(ciphertext.subarray(-16));
      assert.deepEqual(Buffer.from(answer.iv), Buffer.from(flags & flag.writeIv ? session.iv : []));
    }
    if (session.hash !== 'none') this.#hash(session, plaintext, answer.mac);
  }
  #hash(session: ModelSession, plaintext: Uint8Array, mac: Uint8Array): void {
    const { flags, data } = this;
    if (flags === 0 || flags & flag.reset) session.parts = [];
    session.parts.push(Uint8Array.from(plaintext));
    const due = (flags & flag.final) !== 0 || (flags & flag.update) === 0 || data.length === 0;
    assert.deepEqual(Buffer.from(mac), due ? digestOf(session) : Buffer.alloc(0));
    if (due) session.parts = [];
  }
  toString(): string {
    return `crypt(${this.which}, op ${this.op}, flags ${this.flags}, ${this.iv ? 'iv' : 'no iv'}, ${this.data.length})`;
  }
}

class CopyHash implements Command {
  readonly target: number;
  readonly source: number;
  constructor(target: number, source: number) {
    this.target = target;
    this.source = source;
  }
  check({ sessions }: Model): boolean {
    return sessions.length > 0;
  }
  async run({ sessions }: Model, driver: RawDriver): Promise<void> {
    const target = sessions[this.target % sessions.length]!;
    const source = sessions[this.source % sessions.length]!;
    const request = { ioctl: ioctl.CIOCCPHASH, session: target.id, argument: source.id };
    const { status } = await driver.request(request);
    if (target === source) assert.equal(status, errno.EDEADLK);
    else if (target.hash === 'none' || target.hash !== source.hash) assert.equal(status, errno.EINVAL);
    else {
      assert.equal(status, 0);
      target.parts = [...source.parts];
    }
  }
  toString(): string {
    return `copy hash ${this.source} to ${this.target}`;
  }
}

class End implements Command {
  readonly which: number;
  constructor(which: number) {
    this.which = which;
  }
  check({ sessions }: Model): boolean {
    return sessions.length > 0;
  }
  async run({ sessions }: Model, driver: RawDriver): Promise<void> {
    const [session] = sessions.splice(this.which % sessions.length, 1);
    const { id } = session!;
    assert.equal((await driver.request({ ioctl: ioctl.CIOCFSESSION, session: id })).status, 0);
    assert.equal((await driver.crypt(id, { macLength: 32 })).status, errno.EINVAL);
    assert.equal(driver.device.statistics.sessions, sessions.length);
  }
  toString(): string {
    return `end ${this.which}`;
  }
}

const commands = fc.commands<Model, RawDriver, false>(
  [
    fc
      .tuple(fc.option(ivBytes, { nil: undefined }), fc.constantFrom('none', 'sha256', 'hmac'))
      .map(([key, hash]) => new Create(key, hash)),
    fc
      .tuple(pick, fc.constantFrom(COP_ENCRYPT, COP_DECRYPT), fc.nat(0x7f), fc.option(ivBytes), blocks)
      .map(([which, op, flags, iv, data]) => new Crypt(which, op, flags, iv ?? undefined, data)),
    fc.tuple(pick, pick).map(([target, source]) => new CopyHash(target, source)),
    pick.map((which) => new End(which)),
  ],
  { maxCommands: 60 },
);

describe('virtio-cryptodev device against a model of /dev/crypto', () => {
  for (const [title, engine] of Object.entries({
    sync: new OpensslEngine(),
    late: lateEngine(new OpensslEngine()),
    batching: batchingEngine(),
  })) {
    it(`agrees, ${title} engine`, () =>
      fc.assert(
        fc.asyncProperty(commands, fc.constantFrom([], [1, 5, 33]), async (sequence, cuts) => {
          const driver = await RawDriver.open({}, engine);
          driver.cuts = cuts;
          await fc.asyncModelRun(() => ({ model: { sessions: [] }, real: driver }), sequence);
          driver.device.reset();
        }),
        { numRuns: 100 },
      ));
  }
});
