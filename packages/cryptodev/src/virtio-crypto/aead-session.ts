/**
 * AEAD (5.9.7.7). The standard leaves some things open; here:
 * - the IV part has `iv_len` bytes, and of CCM is the nonce and nothing else;
 * - sealed data, as destination or as source, is the ciphertext with the tag behind it, and `src_data_len` and
 *   `dst_data_len` count both;
 * - `tag_len` and the `aad_len` of the session may be 0: the tag is then the session's, and it is each request's
 *   `aad_len` that counts.
 */
import type { AeadName } from '../algorithms.ts';
import { aeads } from '../algorithms.ts';
import { andThen, type Completion } from '../completion.ts';
import type { Direction } from '../crypto-device.ts';
import type { Engine, EngineAead } from '../engine.ts';
import type { DataRequest } from './data-request.ts';
import { Session } from './session.ts';
import type { AeadPlan } from './session-plan.ts';
import { aeadData, opcode, operation, service, stateless, status } from './wire.ts';

/** Length of J0, which GCM may be given instead of a 96-bit IV. */
const j0Length = 16;
const gcmIvLength = 12;
/** The most bytes in one call of OpenSSL's, as CCM needs it. */
const maxCcmLength = 2 ** 31 - 1;

export class AeadSession extends Session {
  readonly service = service.AEAD;
  readonly #aead: AeadName;
  readonly #direction: Direction;
  readonly #opcode: number;
  readonly #tagLength: number;
  readonly #cipher: EngineAead;

  private constructor(plan: AeadPlan, cipher: EngineAead) {
    super();
    this.#aead = plan.aead;
    this.#direction = plan.direction;
    this.#opcode = opcode(service.AEAD, plan.direction === 'encrypt' ? operation.ENCRYPT : operation.DECRYPT);
    this.#tagLength = plan.tagLength;
    this.#cipher = cipher;
  }

  static create(engine: Engine, plan: AeadPlan): Completion<AeadSession> {
    const made = engine.createAead(plan.aead, plan.key, plan.tagLength);
    return andThen(made, (cipher) => new AeadSession(plan, cipher));
  }

  protected override operate(request: DataRequest): Completion<number> {
    const fields = request.isStateless ? stateless.aead : aeadData;
    const tagLength = request.field(fields.tagLength);
    if (request.opcode !== this.#opcode) return status.ERR;
    if (tagLength !== 0 && tagLength !== this.#tagLength) return status.ERR;
    const sourceLength = request.field(fields.sourceLength);
    const isEncryption = this.#direction === 'encrypt';
    const textLength = isEncryption ? sourceLength : sourceLength - this.#tagLength;
    const resultLength = isEncryption ? sourceLength + this.#tagLength : textLength;
    if (textLength < 0 || request.field(fields.destinationLength) < resultLength) return status.ERR;
    const iv = request.takeIv(request.field(fields.ivLength));
    if (iv === undefined || !request.takeSource(sourceLength)) return status.ERR;
    if (!request.takeAad(request.field(fields.aadLength)) || !request.takeDestination(resultLength)) {
      return status.ERR;
    }
    const nonce = this.#nonceOf(iv, textLength, request.aad.byteLength);
    if (typeof nonce === 'number') return nonce;
    return isEncryption ? this.#seal(request, nonce, textLength) : this.#open(request, nonce, textLength);
  }

  protected override end(): void {
    this.#cipher.close();
  }

  /** @returns a status if the algorithm, or the engine, has no such nonce */
  #nonceOf(iv: Uint8Array, textLength: number, aadLength: number): Uint8Array | number {
    const [shortest, longest] = aeads[this.#aead].nonceLengths;
    if (this.#aead === 'aes-gcm' && iv.length === j0Length) {
      // The J0 of a 96-bit IV is that IV and a counter of 1 (SP 800-38D, 7.1). Others would take GHASH bare.
      const isOfIv = iv[12] === 0 && iv[13] === 0 && iv[14] === 0 && iv[15] === 1;
      return isOfIv ? iv.subarray(0, gcmIvLength) : status.NOTSUPP;
    }
    if (iv.length < shortest || iv.length > longest) return status.ERR;
    if (this.#aead !== 'aes-ccm') return iv;
    // SP 800-38C, A.1: the nonce and the length of the text share 15 bytes.
    const most = Math.min(2 ** (8 * (15 - iv.length)) - 1, maxCcmLength);
    return textLength > most || aadLength > maxCcmLength ? status.ERR : iv;
  }

  #seal(request: DataRequest, nonce: Uint8Array, textLength: number): Completion<number> {
    const { source, destination, aad, part } = request;
    const tag = request.result.subarray(0, this.#tagLength);
    const text = destination.slice(0, textLength, part);
    return andThen(this.#cipher.seal(nonce, aad, source, text, tag), () => {
      destination.copyFrom(textLength, tag.length, tag);
      return status.OK;
    });
  }

  #open(request: DataRequest, nonce: Uint8Array, textLength: number): Completion<number> {
    const { source, destination, aad, part } = request;
    const tag = request.result.subarray(0, this.#tagLength);
    source.copyTo(textLength, tag.length, tag);
    const text = source.slice(0, textLength, part);
    return andThen(this.#cipher.open(nonce, aad, text, destination, tag), (isAuthentic) =>
      isAuthentic ? status.OK : status.BADMSG,
    );
  }
}
