/**
 * The standard's crypto device (VIRTIO 1.3, section 5.9): sessions by the control queue, operations by the data
 * queues, done by an engine in the driver's memory. The driver is hostile: whatever it sends is answered with
 * a status, unless there is no byte for one, and never throws.
 */
import type { SavableDevice, VirtioRequest } from '@skytale/virtio';
import { andThen, type Completion } from '../completion.ts';
import type { Engine } from '../engine.ts';
import { deferred, RequestBatch } from '../request-batch.ts';
import { SlotTable } from '../slot-table.ts';
import { ControlRequest, type KeyLimits, roomForKeys, wipeAfter } from './control-request.ts';
import { DataRequest } from './data-request.ts';
import { makeSession, statusOf } from './make-session.ts';
import { restoreSessions, type SavedSessions, saveSessions } from './saved-sessions.ts';
import type { Session } from './session.ts';
import { copyOfPlan, type Offer, offerOf, type SessionPlan, wipePlan } from './session-plan.ts';
import { takePlan } from './stateless.ts';
import { answerMessage, planOfMessage } from './vhost-user-session.ts';
import {
  aeadData,
  akcipherData,
  createdSession,
  data,
  deviceId,
  encodeConfig,
  featureBit,
  flagSessionMode,
  hardwareReady,
  hasBit,
  hashData,
  legacyDataFields,
  maxDataLength,
  type ServiceName,
  type ServiceNumber,
  service,
  serviceNames,
  status,
  symData,
} from './wire.ts';

export type VirtioCryptoOptions = {
  /** Number of data queues, 1 unless told. */
  readonly dataQueues?: number;
  /** Largest size of each queue, a power of two; 1024 unless told, as QEMU has it. */
  readonly queueSize?: number;
  /** Whether there is a control queue. Without one, sessions come by `createSession`. */
  readonly controlQueue?: boolean;
  /** At most 65,536. */
  readonly maxSessions?: number;
  /** Largest content of one request, source and destination both counted, in bytes. */
  readonly maxSize?: number;
  /**
   * Whether sessions are saved with the device. It then keeps their keys itself, beside the engine, until they end.
   * Without it a driver finds its sessions closed when its machine is put back.
   */
  readonly savesSessions?: boolean;
  /** Where to count: numbers that somebody else sees too. */
  readonly statistics?: Statistics;
};

const defaults = {
  dataQueues: 1,
  queueSize: 1024,
  controlQueue: true,
  maxSessions: 16_384,
  maxSize: 64 * 1024 * 1024,
  savesSessions: false,
} as const satisfies Required<Omit<VirtioCryptoOptions, 'statistics'>>;

/** Ids of sessions are positive in 31 bits, which is what survives every VMM's own idea of their type. */
const idBits = 31;
/** QEMU's own. */
const keyLimits: KeyLimits = {
  maxCipherKeyLength: 64,
  maxAuthKeyLength: 512,
  maxAkcipherKeyLength: 8192,
};

/** The fixed-length fields of requests in session mode, once VIRTIO_CRYPTO_F_REVISION_1 is negotiated. */
const fieldLengths: Record<ServiceNumber, number> = {
  [service.CIPHER]: symData.length,
  [service.HASH]: hashData.length,
  [service.MAC]: hashData.length,
  [service.AEAD]: aeadData.length,
  [service.AKCIPHER]: akcipherData.length,
};

/** Counted since the device was made; `sessions` are those open now. */
export type Statistics = {
  requests: number;
  /** Requests answered with a status other than OK, or not answerable. */
  errors: number;
  /** Source data of operations that succeeded. */
  bytes: number;
  sessions: number;
};

export class VirtioCryptoDevice implements SavableDevice {
  readonly deviceId = deviceId;
  readonly features: bigint;
  readonly queueSizes: readonly number[];
  readonly config: Uint8Array;
  readonly statistics: Statistics;
  readonly #engine: Engine;
  readonly #offer: Offer;
  readonly #maxSize: number;
  readonly #savesSessions: boolean;
  readonly #controlQueue: number;
  readonly #sessions: SlotTable<Session>;
  /** Sessions that an engine is still making. */
  #making = 0;
  /** Counts resets: what is made for an earlier life is not wanted. */
  #life = 0;
  readonly #control = new ControlRequest(keyLimits);
  readonly #created = new Uint8Array(createdSession.length);
  readonly #createdView = new DataView(this.#created.buffer);
  readonly #idle: DataRequest[] = [];
  readonly #batch: RequestBatch<DataRequest>;
  #negotiated = 0n;
  #isRevision1 = false;
  #headerLength = data.fields + legacyDataFields;

  constructor(engine: Engine, options: VirtioCryptoOptions = {}) {
    const { dataQueues, queueSize, controlQueue, maxSessions, maxSize, savesSessions } = {
      ...defaults,
      ...options,
    };
    if (!(Number.isInteger(dataQueues) && dataQueues >= 1 && dataQueues <= 0xffff)) {
      throw new RangeError(`a crypto device has 1 to 65535 data queues, not ${dataQueues}`);
    }
    this.statistics = options.statistics ?? { requests: 0, errors: 0, bytes: 0, sessions: 0 };
    this.#engine = engine;
    this.#batch = new RequestBatch(engine, (job, error) => {
      this.#finish(job, error === undefined ? status.OK : statusOf(error));
    });
    this.#offer = offerOf(engine);
    this.#maxSize = maxSize;
    this.#savesSessions = savesSessions;
    this.#controlQueue = controlQueue ? dataQueues : -1;
    this.#sessions = new SlotTable(maxSessions, idBits, (open) => {
      this.statistics.sessions = open;
    });
    this.queueSizes = new Array<number>(dataQueues + (controlQueue ? 1 : 0)).fill(queueSize);
    const { ciphers, hashes, macs, aeads, akciphers } = this.#offer;
    const services = servicesOf(this.#offer);
    this.features = featuresOf(services);
    this.config = encodeConfig({
      status: hardwareReady,
      maxDataQueues: dataQueues,
      services: services.map((name) => service[name]),
      ciphers: [...ciphers.keys()],
      hashes: [...hashes.keys()],
      macs: [...macs.keys()],
      aeads: [...aeads.keys()],
      akciphers: [...akciphers.keys()],
      maxCipherKeyLength: keyLimits.maxCipherKeyLength,
      maxAuthKeyLength: keyLimits.maxAuthKeyLength,
      maxSize,
    });
  }

  activate(features: bigint): void {
    this.#isRevision1 = hasBit(features, featureBit.REVISION_1);
    // Stateless mode requires REVISION_1 (5.9.3.1).
    this.#negotiated = this.#isRevision1 ? features & this.features : 0n;
    this.#headerLength = this.#isRevision1 ? maxDataLength : data.fields + legacyDataFields;
  }

  handle(queueIndex: number, request: VirtioRequest): void | Promise<void> {
    this.statistics.requests += 1;
    if (request.writable.byteLength === 0) {
      this.statistics.errors += 1;
      request.complete(0);
      return;
    }
    return queueIndex === this.#controlQueue ? this.#handleControl(request) : this.#handleData(request);
  }

  flush(): void {
    this.#batch.run();
  }

  reset(): void {
    this.#batch.run();
    this.#life += 1;
    this.activate(0n);
    for (const session of this.#sessions.removeAll()) session.abandon();
    // Their lists point into memory that may go away.
    this.#idle.length = 0;
  }

  close(): void {
    this.reset();
  }

  /** Its sessions as far as they are to be saved, keys included, and in any case which ids were given out. */
  saveState(): SavedSessions {
    return saveSessions(this.#sessions);
  }

  /** @throws {RangeError} if the state is another device's, or the engine cannot do with it */
  restoreState(state: unknown): Promise<void> {
    return restoreSessions(this.#sessions, this.#engine, state as SavedSessions);
  }

  /**
   * Answers CREATE_CRYPTO_SESSION of vhost-user in place: for a VMM that keeps the control queue to itself. There
   * is no session with an engine that answers later.
   * @param message the payload, in one of the forms of vhost-user-session.ts
   */
  createSession(message: Uint8Array): void {
    const plan = planOfMessage(message, this.#offer);
    const made = typeof plan === 'number' ? plan : this.#make(plan);
    if (made instanceof Promise) void made.then((session) => typeof session !== 'number' && session.close());
    const session = made instanceof Promise || typeof made === 'number' ? undefined : made;
    answerMessage(message, session && this.#sessions.add(session));
    if (session === undefined) this.statistics.errors += 1;
  }

  /** Carries out CLOSE_CRYPTO_SESSION of vhost-user. @throws {RangeError} if no session has that id */
  closeSession(id: bigint): void {
    this.#batch.run();
    const session = this.#sessions.remove(Number(id & 0xffff_ffffn), Number(id >> 32n));
    if (session === undefined) throw new RangeError(`there is no session ${id}`);
    session.close();
  }

  #handleControl(request: VirtioRequest): void | Promise<void> {
    // It may end a session of an operation in the batch.
    this.#batch.run();
    const control = this.#control;
    const { readable, writable } = request;
    if (!control.begin(readable, this.#isRevision1)) return this.#refuse(request, status.ERR);
    if (control.destroyedService !== undefined) return this.#answerDestroyed(request, this.#destroy());
    if (writable.byteLength < createdSession.length) return this.#refuse(request, status.ERR);
    const plan = control.plan(this.#offer);
    const made = typeof plan === 'number' ? plan : this.#make(plan);
    control.end(made);
    if (!(made instanceof Promise)) return this.#answerCreated(request, made);
    const life = this.#life;
    return made.then((session) => {
      if (life === this.#life || typeof session === 'number') this.#answerCreated(request, session);
      else this.#discard(request, session);
    });
  }

  /** @returns a session, or the status that says why there is none */
  #make(plan: SessionPlan): Completion<Session | number> {
    if (this.#sessions.size + this.#making >= this.#sessions.limit) return this.#statusOfFull;
    const made = this.#savesSessions ? this.#makeKept(plan) : makeSession(this.#engine, plan);
    if (!(made instanceof Promise)) return made;
    this.#making += 1;
    return made.finally(() => {
      this.#making -= 1;
    });
  }

  #makeKept(plan: SessionPlan): Completion<Session | number> {
    const kept = copyOfPlan(plan);
    return andThen(makeSession(this.#engine, plan), (session) => {
      if (typeof session === 'number') wipePlan(kept);
      else session.plan = kept;
      return session;
    });
  }

  #destroy(): number {
    const control = this.#control;
    const id = control.sessionId;
    if (id === undefined) return status.ERR;
    if (this.#sessions.get(...id)?.service !== control.destroyedService) return status.ERR;
    void this.#sessions.remove(...id)!.close();
    return status.OK;
  }

  /** The reset came while it was made: nobody can know of it. */
  #discard(request: VirtioRequest, session: Session): void {
    session.close();
    request.complete(0);
  }

  #answerCreated(request: VirtioRequest, made: Session | number): void {
    const id = typeof made === 'number' ? 0 : this.#sessions.add(made);
    let outcome: number = typeof made === 'number' ? made : status.OK;
    if (id === 0 && typeof made !== 'number') {
      // Others were faster, while an engine that answers later made this one.
      void made.close();
      outcome = this.#statusOfFull;
    }
    if (outcome !== status.OK) this.statistics.errors += 1;
    this.#createdView.setUint32(createdSession.sessionId, id, true);
    this.#createdView.setUint32(createdSession.status, outcome, true);
    request.writable.copyFrom(0, createdSession.length, this.#created);
    request.complete(createdSession.length);
  }

  /** NOSPC came with REVISION_1 (5.9.7.1). */
  get #statusOfFull(): number {
    return this.#isRevision1 ? status.NOSPC : status.ERR;
  }

  /** virtio_crypto_destroy_session_input is one byte, the first. */
  #answerDestroyed(request: VirtioRequest, outcome: number): void {
    const { writable } = request;
    if (outcome !== status.OK) this.statistics.errors += 1;
    writable.memory[0]!.bytes[writable.offset[0]!] = outcome;
    request.complete(1);
  }

  /** A control request that has no room for the answer to it still finds its status, in the last byte. */
  #refuse(request: VirtioRequest, outcome: number): void {
    const { writable } = request;
    if (writable.byteLength >= createdSession.length) {
      this.#answerCreated(request, outcome);
      return;
    }
    this.statistics.errors += 1;
    const last = writable.count - 1;
    writable.memory[last]!.bytes[writable.offset[last]! + writable.length[last]! - 1] = outcome;
    request.complete(writable.byteLength);
  }

  #handleData(request: VirtioRequest): void | Promise<void> {
    const job = this.#idle.pop() ?? new DataRequest(this.#batch);
    const outcome = this.#carryOut(job, request);
    if (outcome === deferred) return;
    if (typeof outcome === 'number') this.#finish(job, outcome);
    else return outcome.then((later) => this.#finish(job, later));
  }

  #finish(job: DataRequest, outcome: number): void {
    if (outcome === status.OK) this.statistics.bytes += job.bytes;
    else this.statistics.errors += 1;
    job.complete(outcome);
    this.#idle.push(job);
  }

  /** @returns the status, or `deferred`; never throws or rejects */
  #carryOut(job: DataRequest, request: VirtioRequest): Completion<number> {
    try {
      if (!job.begin(request, this.#headerLength, this.#maxSize)) return status.ERR;
      const outcome = this.#dispatch(job);
      return typeof outcome === 'number' ? outcome : outcome.catch(statusOf);
    } catch (error) {
      return statusOf(error);
    }
  }

  #dispatch(job: DataRequest): Completion<number> {
    const number = job.opcode >>> 8;
    if (number > service.AKCIPHER) return status.NOTSUPP;
    // All but ciphers, who see to it themselves, may need what the operations in the batch leave.
    if (number !== service.CIPHER) this.#batch.run();
    if (this.#isRevision1 && (job.flag & flagSessionMode) === 0) {
      return this.#runStateless(job, number as ServiceNumber);
    }
    const length = this.#isRevision1 ? fieldLengths[number as ServiceNumber] : legacyDataFields;
    if (!job.endHeader(length)) return status.ERR;
    if (number === service.CIPHER) job.opType = job.rawField(symData.opType);
    const session = this.#sessions.get(job.sessionId, job.sessionIdHigh);
    return session?.service === number ? session.run(job) : status.INVSESS;
  }

  #runStateless(job: DataRequest, number: ServiceNumber): Completion<number> {
    if (!hasBit(this.#negotiated, statelessBit(serviceNames[number]!))) return status.NOTSUPP;
    const keys = roomForKeys(keyLimits, number).bytes;
    let made: Completion<Session | number> = status.ERR;
    this.#batch.run();
    try {
      const plan = takePlan(job, number, this.#offer, keyLimits, keys);
      made = typeof plan === 'number' ? plan : makeSession(this.#engine, plan);
    } finally {
      wipeAfter(made, keys);
    }
    return andThen(made, (session) => (typeof session === 'number' ? session : runOnce(session, job)));
  }
}

function runOnce(session: Session, job: DataRequest): Completion<number> {
  try {
    const outcome = session.run(job);
    if (typeof outcome !== 'number') return outcome.finally(() => session.close());
    session.close();
    return outcome;
  } catch (error) {
    session.close();
    throw error;
  }
}

function servicesOf({ ciphers, hashes, macs, aeads, akciphers }: Offer): ServiceName[] {
  const tables = { CIPHER: ciphers, HASH: hashes, MAC: macs, AEAD: aeads, AKCIPHER: akciphers };
  return serviceNames.filter((name) => tables[name].size > 0);
}

function statelessBit(name: ServiceName): number {
  return featureBit[`${name}_STATELESS_MODE`];
}

function featuresOf(services: readonly ServiceName[]): bigint {
  return services.reduce(
    (features, name) => features | (1n << BigInt(statelessBit(name))),
    1n << BigInt(featureBit.REVISION_1),
  );
}
