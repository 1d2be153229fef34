/** CIPHER (5.9.7.6), without a hash. */
import type { CipherProperties } from '../algorithms.ts';
import { ciphers } from '../algorithms.ts';
import { andThen, type Completion } from '../completion.ts';
import type { Direction } from '../crypto-device.ts';
import type { Engine, EngineCipher } from '../engine.ts';
import { deferred } from '../request-batch.ts';
import type { DataRequest } from './data-request.ts';
import { Session } from './session.ts';
import type { CipherPlan } from './session-plan.ts';
import { cipherData, opcode, operation, service, status, symOp } from './wire.ts';

/** The opcodes of the two directions. */
export const cipherOpcode: Record<Direction, number> = {
  encrypt: opcode(service.CIPHER, operation.ENCRYPT),
  decrypt: opcode(service.CIPHER, operation.DECRYPT),
};

export class CipherSession extends Session {
  readonly service = service.CIPHER;
  readonly #cipher: EngineCipher;
  readonly #direction: Direction;
  readonly #opcode: number;
  readonly #ivLength: number;
  readonly #blockSize: number;
  readonly #maxLength: number;

  private constructor(plan: CipherPlan, cipher: EngineCipher) {
    super();
    const { ivLength, blockSize, maxLength = Infinity }: CipherProperties = ciphers[plan.cipher];
    this.#cipher = cipher;
    this.#direction = plan.direction;
    this.#opcode = cipherOpcode[plan.direction];
    this.#ivLength = ivLength;
    this.#blockSize = blockSize;
    this.#maxLength = maxLength;
  }

  static create(engine: Engine, plan: CipherPlan): Completion<CipherSession> {
    return andThen(engine.createCipher(plan.cipher, plan.key), (cipher) => new CipherSession(plan, cipher));
  }

  protected override operate(request: DataRequest): Completion<number> {
    if (request.opType !== symOp.CIPHER || request.opcode !== this.#opcode) return status.ERR;
    const length = request.field(cipherData.sourceLength);
    if (length % this.#blockSize !== 0 || length > this.#maxLength) return status.ERR;
    if (request.field(cipherData.destinationLength) !== length) return status.ERR;
    const ivLength = request.field(cipherData.ivLength);
    if (ivLength !== this.#ivLength) return status.ERR;
    const iv = request.takeIv(ivLength);
    if (iv === undefined || !request.takeSource(length) || !request.takeDestination(length))
      return status.ERR;
    const { source, destination, batch } = request;
    // The session of a stateless request ends with it.
    if (!request.isStateless && batch.isWorth(length)) {
      batch.makeWay(source, destination);
      if (batch.add(request, this.#cipher, this.#direction, iv, source, destination)) return deferred;
    }
    batch.run();
    const later = this.#cipher.crypt(this.#direction, iv, source, destination);
    return later === undefined ? status.OK : later.then(() => status.OK);
  }

  protected override end(): void {
    this.#cipher.close();
  }
}
