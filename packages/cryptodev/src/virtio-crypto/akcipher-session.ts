/**
 * AKCIPHER (5.9.7.8). A result may be shorter than `dst_data_len`: the used length of the chain, less the
 * status, says how long it is, while the status is in the last byte of the chain all the same. Linux's driver
 * and QEMU have it so.
 */
import type { EngineKey } from '../asymmetric.ts';
import { andThen, type Completion } from '../completion.ts';
import type { Engine } from '../engine.ts';
import type { DataRequest } from './data-request.ts';
import { Session } from './session.ts';
import type { AkcipherPlan } from './session-plan.ts';
import { akcipherData, opcode, operation, service, status } from './wire.ts';

/** The most bytes that a request works on: more than any key can take. */
const maxLength = 4096;

const opcodes = {
  encrypt: opcode(service.AKCIPHER, operation.ENCRYPT),
  decrypt: opcode(service.AKCIPHER, operation.DECRYPT),
  sign: opcode(service.AKCIPHER, operation.SIGN),
  verify: opcode(service.AKCIPHER, operation.VERIFY),
} as const;

export class AkcipherSession extends Session {
  readonly service = service.AKCIPHER;
  readonly #key: EngineKey;

  private constructor(key: EngineKey) {
    super();
    this.#key = key;
  }

  static create(engine: Engine, plan: AkcipherPlan): Completion<AkcipherSession | number> {
    const { asymmetric } = engine;
    if (asymmetric === undefined) return status.NOTSUPP;
    return andThen(asymmetric.createKey(plan.options), (key) => new AkcipherSession(key));
  }

  protected override operate(request: DataRequest): Completion<number> {
    const sourceLength = request.field(akcipherData.sourceLength);
    const destinationLength = request.field(akcipherData.destinationLength);
    if (sourceLength > maxLength) return status.ERR;
    if (request.opcode === opcodes.verify) return this.#verify(request, sourceLength, destinationLength);
    const operate = this.#operation(request.opcode);
    if (operate === undefined) return status.ERR;
    if (!request.takeSource(sourceLength) || !request.takeDestination(destinationLength)) return status.ERR;
    const source = request.source.toBytes();
    return andThen(operate(source), (result) => {
      source.fill(0);
      const fits = result.length <= destinationLength;
      if (fits) request.destination.copyFrom(0, result.length, result);
      if (fits) request.written = result.length + 1;
      result.fill(0);
      return fits ? status.OK : status.ERR;
    });
  }

  protected override end(): void {
    this.#key.close();
  }

  #operation(code: number): ((data: Uint8Array) => Completion<Uint8Array>) | undefined {
    switch (code) {
      case opcodes.encrypt:
        return (data) => this.#key.encrypt(data);
      case opcodes.decrypt:
        return (data) => this.#key.decrypt(data);
      case opcodes.sign:
        return (data) => this.#key.sign(data);
      default:
        return undefined;
    }
  }

  /** The source is the signature, and behind it, as long as the destination is said to be, the signed digest. */
  #verify(request: DataRequest, signatureLength: number, digestLength: number): Completion<number> {
    if (digestLength > maxLength || !request.takeSource(signatureLength + digestLength)) return status.ERR;
    const both = request.source.toBytes();
    const signature = both.subarray(0, signatureLength);
    return andThen(this.#key.verify(signature, both.subarray(signatureLength)), (isRight) =>
      isRight ? status.OK : status.KEY_REJECTED,
    );
  }
}
