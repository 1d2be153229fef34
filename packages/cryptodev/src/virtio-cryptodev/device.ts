/**
 * The device of `docs/virtio-cryptodev.md`: takes requests apart, finds handle and session, and has the
 * operation done by an engine, in the driver's memory. The driver is hostile: whatever it sends is
 * answered with a status, and never throws.
 */
import type { VirtioDevice, VirtioRequest } from '@skytale/virtio';
import { andThen, type Completion } from '../completion.ts';
import { type CipherEntry, cipherNumbers, type MacEntry, macNumbers } from '../cryptodev-numbers.ts';
import type { Engine } from '../engine.ts';
import { deferred, RequestBatch } from '../request-batch.ts';
import { SlotTable } from '../slot-table.ts';
import { authcrypt, type Limits } from './authcrypt.ts';
import { crypt, defer, finishDeferred } from './crypt.ts';
import { errno, errnoOf } from './errno.ts';
import { Job } from './job.ts';
import { type Operation, Session, type SessionPlan } from './session.ts';
import { sessionInfo } from './session-info.ts';
import {
  deviceId,
  encodeConfig,
  encodeSessionInfo,
  type Feature,
  featureBits,
  ioctl,
  protocolVersion,
  requestType,
} from './wire.ts';

export type VirtioCryptodevOptions = {
  /** Number of request queues, 1 unless told. */
  readonly queues?: number;
  /** Largest size of each queue, a power of two. */
  readonly queueSize?: number;
  readonly maxHandles?: number;
  /** For each handle. */
  readonly maxSessions?: number;
  /** For all handles together: what bounds the device's memory. */
  readonly maxTotalSessions?: number;
  /** In bytes. */
  readonly maxDataLength?: number;
  readonly maxAuthLength?: number;
  /** Where to count: numbers that somebody else sees too. */
  readonly statistics?: Statistics;
};

const defaults = {
  queues: 1,
  queueSize: 256,
  maxHandles: 4096,
  maxSessions: 16_384,
  maxTotalSessions: 65_536,
  maxDataLength: 16 * 1024 * 1024,
  maxAuthLength: 64 * 1024,
} as const satisfies Required<Omit<VirtioCryptodevOptions, 'statistics'>>;

/** Limits of cryptodev.h: CRYPTO_CIPHER_MAX_KEY_LEN, CRYPTO_HMAC_MAX_KEY_LEN. */
const maxKeyLength = 64;
const maxMacKeyLength = 512;

/** What an open file is on the device: its sessions. */
class Handle {
  readonly sessions: SlotTable<Session>;
  /** Sessions that an engine is still making. */
  creating = 0;
  closed = false;

  constructor(maxSessions: number) {
    this.sessions = new SlotTable(maxSessions);
  }
}

/** Counted since the device was made; `handles` and `sessions` are those open now. */
export type Statistics = {
  requests: number;
  /** Requests answered with a status other than 0, or not answerable. */
  errors: number;
  /** Source data of operations that succeeded. */
  bytes: number;
  handles: number;
  sessions: number;
};

export class VirtioCryptodevDevice implements VirtioDevice {
  readonly deviceId = deviceId;
  readonly features: bigint;
  readonly queueSizes: readonly number[];
  readonly config: Uint8Array;
  readonly statistics: Statistics;

  readonly #engine: Engine;
  readonly #limits: Required<Omit<VirtioCryptodevOptions, 'statistics'>> & Limits;
  readonly #ciphers: ReadonlyMap<number, CipherEntry>;
  readonly #macs: ReadonlyMap<number, MacEntry>;
  readonly #handles: SlotTable<Handle>;
  readonly #idleJobs: Job[] = [];
  readonly #batch: RequestBatch<Job>;
  /** Sessions of all handles that an engine is still making. */
  #creating = 0;
  #negotiated: bigint;

  constructor(engine: Engine, { statistics, ...options }: VirtioCryptodevOptions = {}) {
    this.statistics = statistics ?? { requests: 0, errors: 0, bytes: 0, handles: 0, sessions: 0 };
    this.#engine = engine;
    this.#batch = new RequestBatch(engine, (job, error) => {
      this.#finish(job, error === undefined ? finishDeferred(job) : errnoOf(error));
      job.session = undefined;
    });
    this.#limits = { ...defaults, ...options, has: (feature) => this.#has(feature) };
    this.#ciphers = offered(cipherNumbers, ({ name }) => name === 'null' || engine.supports(name));
    this.#macs = offered(macNumbers, ({ mac, hash }) => engine.supports(mac ?? hash));
    this.#handles = new SlotTable(this.#limits.maxHandles);
    this.features = featuresOf([...this.#ciphers.values()], [...this.#macs.values()]);
    this.#negotiated = this.features;
    this.queueSizes = new Array<number>(this.#limits.queues).fill(this.#limits.queueSize);
    this.config = encodeConfig({
      version: protocolVersion,
      ...this.#limits,
      maxKeyLength,
      maxMacKeyLength,
      ciphers: [...this.#ciphers.keys()],
      macs: [...this.#macs.keys()],
      engine: engine.name,
    });
  }

  activate(features: bigint): void {
    this.#negotiated = features & this.features;
  }

  handle(_queueIndex: number, request: VirtioRequest): void | Promise<void> {
    this.statistics.requests += 1;
    if (!Job.answerable(request)) {
      this.statistics.errors += 1;
      request.complete(0);
      return;
    }
    const job = this.#idleJobs.pop() ?? new Job();
    const status = this.#carryOut(job, request);
    if (status === deferred) return;
    if (typeof status === 'number') this.#finish(job, status);
    else return status.then((later) => this.#finish(job, later));
  }

  flush(): void {
    this.#batch.run();
  }

  reset(): void {
    this.#batch.run();
    this.#negotiated = this.features;
    for (const handle of this.#handles.removeAll()) {
      handle.closed = true;
      for (const session of handle.sessions.removeAll()) session.abandon();
    }
    this.statistics.handles = this.statistics.sessions = 0;
    // Their lists point into memory that may go away.
    this.#idleJobs.length = 0;
  }

  close(): void {
    this.reset();
  }

  /** @returns the status, or `deferred`; never throws or rejects */
  #carryOut(job: Job, request: VirtioRequest): Completion<number> {
    try {
      const malformed = job.begin(request, this.#limits.maxDataLength);
      const status = malformed !== 0 ? malformed : this.#dispatch(job);
      return typeof status === 'number' ? status : status.catch(errnoOf);
    } catch (error) {
      return errnoOf(error);
    }
  }

  #finish(job: Job, status: number): void {
    if (status === 0) this.statistics.bytes += job.header.dataLength;
    else this.statistics.errors += 1;
    job.complete(status);
    this.#idleJobs.push(job);
  }

  #dispatch(job: Job): Completion<number> {
    // All but these may need what the operations in the batch leave, or end their sessions.
    if (!isCrypt(job)) this.#batch.run();
    switch (job.header.type) {
      case requestType.ioctl:
        return this.#ioctl(job);
      case requestType.oneShot:
        return this.#oneShot(job);
      case requestType.open:
        return this.#open(job);
      case requestType.close:
        return this.#close(job);
      default:
        return errno.EINVAL;
    }
  }

  #ioctl(job: Job): Completion<number> {
    const handle = this.#handles.get(job.header.handle);
    if (handle === undefined) return errno.EBADF;
    switch (job.header.ioctl) {
      case ioctl.CIOCCRYPT:
        return this.#crypt(handle, job);
      case ioctl.CIOCAUTHCRYPT:
        return this.#operate(handle, job, authcrypt);
      case ioctl.CIOCGSESSION:
        return this.#createSession(handle, job);
      case ioctl.CIOCFSESSION:
        return this.#endSession(handle, job);
      case ioctl.CIOCGSESSINFO:
        return this.#sessionInfo(handle, job);
      case ioctl.CIOCCPHASH:
        return this.#copyHash(handle, job);
      default:
        return errno.EINVAL;
    }
  }

  #open(job: Job): number {
    job.id = this.#handles.add(new Handle(this.#limits.maxSessions));
    if (job.id === 0) return errno.ENFILE;
    this.statistics.handles += 1;
    return 0;
  }

  #close(job: Job): Completion<number> {
    const handle = this.#handles.remove(job.header.handle);
    if (handle === undefined) return errno.EBADF;
    this.statistics.handles -= 1;
    handle.closed = true;
    const sessions = handle.sessions.removeAll();
    this.statistics.sessions -= sessions.length;
    const closing = sessions.map((session) => session.close()).filter((later) => later instanceof Promise);
    return closing.length === 0 ? 0 : Promise.all(closing).then(() => 0);
  }

  /** In the batch, or at once after what is in it. */
  #crypt(handle: Handle, job: Job): Completion<number> {
    const session = handle.sessions.get(job.header.session);
    if (session !== undefined && defer(session, job, this.#batch)) return deferred;
    this.#batch.run();
    return session === undefined ? errno.EINVAL : session.run(crypt, job, this.#limits);
  }

  #operate(handle: Handle, job: Job, operation: Operation<Job, Limits>): Completion<number> {
    const session = handle.sessions.get(job.header.session);
    return session === undefined ? errno.EINVAL : session.run(operation, job, this.#limits);
  }

  #createSession(handle: Handle, job: Job): Completion<number> {
    if (handle.sessions.size + handle.creating >= this.#limits.maxSessions) return errno.EMFILE;
    if (this.statistics.sessions + this.#creating >= this.#limits.maxTotalSessions) return errno.ENOMEM;
    handle.creating += 1;
    this.#creating += 1;
    const made = this.#makeSession(job);
    const done = (): void => {
      handle.creating -= 1;
      this.#creating -= 1;
    };
    if (made instanceof Promise) {
      return made.finally(done).then((session) => this.#enterSession(handle, job, session));
    }
    done();
    return this.#enterSession(handle, job, made);
  }

  #enterSession(handle: Handle, job: Job, made: Session | number): Completion<number> {
    if (typeof made === 'number') return made;
    // Only an engine that answers later leaves time for that.
    if (handle.closed) return andThen(made.close(), () => errno.EBADF);
    job.id = handle.sessions.add(made);
    job.giveProperties(made.properties);
    this.statistics.sessions += 1;
    return 0;
  }

  #endSession(handle: Handle, job: Job): Completion<number> {
    const session = handle.sessions.remove(job.header.session);
    if (session === undefined) return 0;
    this.statistics.sessions -= 1;
    return andThen(session.close(), () => 0);
  }

  #sessionInfo(handle: Handle, job: Job): number {
    const session = handle.sessions.get(job.header.session);
    if (session === undefined) return errno.EINVAL;
    const info = encodeSessionInfo(sessionInfo(session, this.#engine.name));
    if (!job.reserve(info.length)) return errno.EPROTO;
    job.destination.copyFrom(0, info.length, info);
    job.dataLength = info.length;
    return 0;
  }

  #copyHash(handle: Handle, job: Job): Completion<number> {
    if (!this.#has('cphash')) return errno.EINVAL;
    const { session: targetId, argument: sourceId } = job.header;
    if (targetId === sourceId) return errno.EDEADLK;
    const target = handle.sessions.get(targetId);
    const source = handle.sessions.get(sourceId);
    if (target === undefined || source === undefined) return errno.ENOENT;
    const { digest } = target;
    const original = source.digest;
    if (digest === undefined || original === undefined) return errno.EINVAL;
    if (target.macEntry !== source.macEntry) return errno.EINVAL;

    const copy = (): Completion<number> => {
      if (target.isEnded || source.isEnded) return errno.EBADF;
      return andThen(digest.copyFrom(original), () => 0);
    };
    const waiting = [target.pending, source.pending].filter((pending) => pending !== undefined);
    const outcome = waiting.length === 0 ? copy() : Promise.all(waiting).then(copy);
    if (typeof outcome === 'number') return outcome;
    source.hold(outcome);
    return target.hold(outcome);
  }

  #oneShot(job: Job): Completion<number> {
    if (!this.#has('oneShot')) return errno.EINVAL;
    const { ioctl: number } = job.header;
    if (number !== ioctl.CIOCCRYPT && number !== ioctl.CIOCAUTHCRYPT) return errno.EINVAL;
    const operation: Operation<Job, Limits> = number === ioctl.CIOCCRYPT ? crypt : authcrypt;
    return andThen(this.#makeSession(job), (session) => {
      if (typeof session === 'number') return session;
      try {
        const outcome = session.run(operation, job, this.#limits);
        if (typeof outcome !== 'number') return outcome.finally(() => session.close());
        session.close();
        return outcome;
      } catch (error) {
        session.close();
        throw error;
      }
    });
  }

  /** @returns a session, or the status that says why there is none; never throws or rejects */
  #makeSession(job: Job): Completion<Session | number> {
    const keys = job.takeKeys();
    let made: Completion<Session | number>;
    try {
      const plan = this.#plan(job, keys);
      made = typeof plan === 'number' ? plan : Session.create(this.#engine, plan);
    } catch (error) {
      made = errnoOf(error);
    }
    if (made instanceof Promise) return made.catch(errnoOf).finally(() => keys.fill(0));
    keys.fill(0);
    return made;
  }

  /** Checks what the session is to be (6.5). @returns EINVAL if it cannot be */
  #plan(job: Job, keys: Uint8Array): SessionPlan | number {
    const { keyLength, macKeyLength } = job.header;
    const cipher = this.#ciphers.get(job.header.cipher);
    const mac = this.#macs.get(job.header.mac);
    if (job.header.cipher !== 0 && cipher === undefined) return errno.EINVAL;
    if (job.header.mac !== 0 && mac === undefined) return errno.EINVAL;
    if (cipher === undefined && mac === undefined) return errno.EINVAL;
    if (cipher !== undefined && !this.#accepts(cipher, keyLength)) return errno.EINVAL;
    if (cipher?.kind === 'aead' && (mac !== undefined || macKeyLength > 0)) return errno.EINVAL;
    if (mac !== undefined && !this.#has(mac.mac === undefined ? 'hash' : 'mac')) return errno.EINVAL;
    if (keyLength > maxKeyLength || macKeyLength > maxMacKeyLength) return errno.EINVAL;
    return { cipher, mac, key: keys.subarray(0, keyLength), macKey: keys.subarray(keyLength) };
  }

  #accepts(cipher: CipherEntry, keyLength: number): boolean {
    return cipher.keyLengths.includes(keyLength) && (cipher.kind !== 'aead' || this.#has('aead'));
  }

  #has(feature: Feature): boolean {
    return (this.#negotiated & (1n << BigInt(featureBits[feature]))) !== 0n;
  }
}

function isCrypt({ header }: Job): boolean {
  return header.type === requestType.ioctl && header.ioctl === ioctl.CIOCCRYPT;
}

function offered<T>(table: ReadonlyMap<number, T>, has: (entry: T) => boolean): ReadonlyMap<number, T> {
  return new Map([...table].filter(([, entry]) => has(entry)));
}

/** The services that these algorithms make possible (section 3). */
function featuresOf(ciphers: readonly CipherEntry[], macs: readonly MacEntry[]): bigint {
  const mac = macs.some((entry) => entry.mac !== undefined);
  const features: Record<Feature, boolean> = {
    hash: macs.some((entry) => entry.mac === undefined),
    mac,
    aead: ciphers.some((entry) => entry.kind === 'aead'),
    tls: mac,
    srtp: mac,
    cphash: macs.length > 0,
    oneShot: true,
  };
  const names = Object.keys(features) as Feature[];
  return names.reduce((bits, name) => (features[name] ? bits | (1n << BigInt(featureBits[name])) : bits), 0n);
}
