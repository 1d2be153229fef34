/**
 * Algorithm chaining (5.9.7.6): one request for a cipher and a hash or MAC, each over its own part of the
 * source. The destination is as long as the source, and equal to it outside of what the cipher works on.
 *
 * The hash is over the associated data and then over its part: of the source if it comes first, of the
 * destination if the cipher does. It is given back, also when the direction is to decrypt; the driver compares.
 */
import type { CipherProperties } from '../algorithms.ts';
import { ciphers } from '../algorithms.ts';
import { andThen, attempt, type Completion } from '../completion.ts';
import type { Engine, EngineCipher } from '../engine.ts';
import { copySegments } from '../segment-copy.ts';
import { cipherOpcode } from './cipher-session.ts';
import type { DataRequest } from './data-request.ts';
import { MessageDigest } from './digest-session.ts';
import { Session } from './session.ts';
import type { ChainPlan } from './session-plan.ts';
import { chainData, cipherData, service, status, symOp } from './wire.ts';

export class ChainSession extends Session {
  readonly service = service.CIPHER;
  readonly #plan: Omit<ChainPlan['cipher'], 'key'>;
  readonly #isHashFirst: boolean;
  readonly #properties: CipherProperties;
  readonly #cipher: EngineCipher;
  readonly #digest: MessageDigest;

  private constructor(plan: ChainPlan, cipher: EngineCipher, digest: MessageDigest) {
    super();
    const { kind, cipher: name, direction } = plan.cipher;
    this.#plan = { kind, cipher: name, direction };
    this.#isHashFirst = plan.isHashFirst;
    this.#properties = ciphers[name];
    this.#cipher = cipher;
    this.#digest = digest;
  }

  static create(engine: Engine, plan: ChainPlan): Completion<ChainSession> {
    return andThen(MessageDigest.create(engine, plan.digest), (digest) => {
      const fail = (error: unknown): never => {
        digest.close();
        throw error;
      };
      const { cipher, key } = plan.cipher;
      return attempt(
        () => andThen(engine.createCipher(cipher, key), (made) => new ChainSession(plan, made, digest)),
        fail,
      );
    });
  }

  protected override operate(request: DataRequest): Completion<number> {
    const { direction } = this.#plan;
    if (request.opType !== symOp.ALGORITHM_CHAINING || request.opcode !== cipherOpcode[direction]) {
      return status.ERR;
    }
    const length = request.field(cipherData.sourceLength);
    if (request.field(cipherData.destinationLength) !== length) return status.ERR;
    if (request.field(chainData.resultLength) !== this.#digest.resultLength) return status.ERR;
    const iv = this.#takeParts(request, length);
    if (iv === undefined || !this.#arePartsInside(request, length)) return status.ERR;
    request.batch.run();
    const crypt = () => this.#crypt(request, iv);
    const hash = (whole: DataRequest['source']) => this.#hash(request, whole);
    const done = this.#isHashFirst
      ? andThen(hash(request.source), crypt)
      : andThen(crypt(), () => hash(request.destination));
    return andThen(done, () => (request.giveResult(this.#digest.resultLength) ? status.OK : status.ERR));
  }

  protected override end(): void {
    this.#cipher.close();
    this.#digest.close();
  }

  /** Stateless requests have the associated data before the source, others behind it. @returns the IV */
  #takeParts(request: DataRequest, length: number): Uint8Array | undefined {
    const ivLength = request.field(cipherData.ivLength);
    const aadLength = request.field(chainData.aadLength);
    if (ivLength !== this.#properties.ivLength) return undefined;
    const iv = request.takeIv(ivLength);
    const taken = request.isStateless
      ? request.takeAad(aadLength) && request.takeSource(length)
      : request.takeSource(length) && request.takeAad(aadLength);
    return taken && request.takeDestination(length) ? iv : undefined;
  }

  #arePartsInside(request: DataRequest, length: number): boolean {
    const { blockSize, maxLength = Infinity } = this.#properties;
    const cipherLength = request.field(chainData.cipherLength);
    if (cipherLength % blockSize !== 0 || cipherLength > maxLength) return false;
    return (
      request.field(chainData.cipherStart) + cipherLength <= length &&
      request.field(chainData.hashStart) + request.field(chainData.hashLength) <= length
    );
  }

  #crypt(request: DataRequest, iv: Uint8Array): Completion<void> {
    const start = request.field(chainData.cipherStart);
    const length = request.field(chainData.cipherLength);
    copySegments(request.source, request.destination);
    const part = request.destination.slice(start, length, request.part);
    return this.#cipher.crypt(this.#plan.direction, iv, part, part);
  }

  #hash(request: DataRequest, whole: DataRequest['source']): Completion<void> {
    const start = request.field(chainData.hashStart);
    const part = whole.slice(start, request.field(chainData.hashLength), request.otherPart);
    return this.#digest.compute(request.aad, part, request.result);
  }
}
