/** HASH and MAC (5.9.7.4 and 5.9.7.5). */
import type { Segments } from '@skytale/virtio';
import { hashes } from '../algorithms.ts';
import { andThen, type Completion } from '../completion.ts';
import type { Engine, EngineDigest } from '../engine.ts';
import type { DataRequest } from './data-request.ts';
import { Session } from './session.ts';
import type { DigestPlan } from './session-plan.ts';
import { hashData, opcode, service, status } from './wire.ts';

/** A digest of whole messages, each by itself. */
export class MessageDigest {
  /** Of the result, in bytes. */
  readonly resultLength: number;
  readonly #digestLength: number;
  readonly #digest: EngineDigest;
  /** An operation failed half-way: the state is not fresh. */
  #isDirty = false;

  private constructor(plan: DigestPlan, digest: EngineDigest) {
    this.resultLength = plan.resultLength;
    this.#digestLength = hashes[plan.hash].digestLength;
    this.#digest = digest;
  }

  static create(engine: Engine, plan: DigestPlan): Completion<MessageDigest> {
    const { mac, hash, key } = plan;
    const made = mac === undefined ? engine.createHash(hash) : engine.createMac(mac, key);
    return andThen(made, (digest) => new MessageDigest(plan, digest));
  }

  /** Writes the digest of `first` and `second` behind it into `result`. */
  compute(first: Segments, second: Segments, result: Uint8Array): Completion<void> {
    const digest = this.#digest;
    const output = result.subarray(0, this.#digestLength);
    const fresh = this.#isDirty ? digest.reset() : undefined;
    this.#isDirty = true;
    return andThen(fresh, () =>
      andThen(first.count > 0 ? digest.update(first) : undefined, () =>
        andThen(second.count > 0 ? digest.update(second) : undefined, () =>
          andThen(digest.digest(output), () => {
            this.#isDirty = false;
          }),
        ),
      ),
    );
  }

  close(): void {
    this.#digest.close();
  }
}

export class DigestSession extends Session {
  readonly service: typeof service.HASH | typeof service.MAC;
  readonly #opcode: number;
  readonly #digest: MessageDigest;

  private constructor(plan: DigestPlan, digest: MessageDigest) {
    super();
    this.service = plan.mac === undefined ? service.HASH : service.MAC;
    this.#opcode = opcode(this.service, 0);
    this.#digest = digest;
  }

  static create(engine: Engine, plan: DigestPlan): Completion<DigestSession> {
    return andThen(MessageDigest.create(engine, plan), (digest) => new DigestSession(plan, digest));
  }

  protected override operate(request: DataRequest): Completion<number> {
    const { resultLength } = this.#digest;
    if (request.opcode !== this.#opcode) return status.ERR;
    if (request.field(hashData.resultLength) !== resultLength) return status.ERR;
    if (!request.takeSource(request.field(hashData.sourceLength))) return status.ERR;
    request.aad.clear();
    return andThen(this.#digest.compute(request.source, request.aad, request.result), () =>
      request.giveResult(resultLength) ? status.OK : status.ERR,
    );
  }

  protected override end(): void {
    this.#digest.close();
  }
}
