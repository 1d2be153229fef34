/**
 * The sessions of a VMM that keeps the control queue to itself, as QEMU's cryptodev-vhost-user does, and
 * sends each as a vhost-user message: CREATE_CRYPTO_SESSION and CLOSE_CRYPTO_SESSION. The payload is a C
 * structure of QEMU's, which has had three forms:
 * - QEMU from 8.0 on, and DPDK from 24.11 on: 1072 bytes, with an opcode before it and AKCIPHER beside the rest;
 * - QEMU 7.1 and 7.2: 632 bytes;
 * - QEMU up to 7.0, and DPDK before: 632 bytes too, with an opcode in the middle.
 */
import { type Offer, planAkcipher, planChain, planCipher, type SessionPlan } from './session-plan.ts';
import { hashMode, opcode, service, sessionOperation, status, symOp } from './wire.ts';

/** CryptoDevBackendSymSessionInfo: offsets of its fields, the last four of one byte. */
const info = {
  cipherAlgorithm: 0,
  keyLength: 4,
  hashAlgorithm: 8,
  resultLength: 12,
  authKeyLength: 16,
  opType: 24,
  direction: 25,
  hashMode: 26,
  chainOrder: 27,
} as const;
/** Where the keys are, in all forms, and how long they can be: VHOST_CRYPTO_SYM_…_MAX_KEY_LEN. */
const keys = { cipher: 56, maxCipherLength: 64, auth: 120, maxAuthLength: 512 } as const;
/** CryptoDevBackendAsymSessionInfo of the first form, and the key behind it. */
const asymmetric = {
  algorithm: 8,
  keyType: 12,
  keyLength: 16,
  parameters: 32,
  key: 40,
  maxKeyLength: 1024,
} as const;

const current = { length: 1072, opcode: 0, info: 8, sessionId: 1064 } as const;
const old = { length: 632, sessionId: 0, info: 8 } as const;
const older = { ...old, opcode: 8, info: 12 } as const;

const createCipher = opcode(service.CIPHER, sessionOperation.CREATE);
const createAkcipher = opcode(service.AKCIPHER, sessionOperation.AKCIPHER_CREATE);

/** What session a CREATE_CRYPTO_SESSION asks for, or the status that says why it cannot be. */
export function planOfMessage(message: Uint8Array, offer: Offer): SessionPlan | number {
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  if (message.length === current.length) {
    if (view.getUint32(current.opcode + 4, true) !== 0) return status.NOTSUPP;
    switch (view.getUint32(current.opcode, true)) {
      case createCipher:
        return planSymmetric(message, view, current.info, offer);
      case createAkcipher:
        return planAsymmetric(message, view, offer);
      default:
        return status.NOTSUPP;
    }
  }
  if (message.length !== old.length) return status.ERR;
  return planSymmetric(message, view, isOlder(view) ? older.info : old.info, offer);
}

/**
 * Makes the message its own answer: with the id of the session, or one that is negative, and without keys.
 * @param id undefined if there is no session
 */
export function answerMessage(message: Uint8Array, id: number | undefined): void {
  const isCurrent = message.length === current.length;
  message.fill(0, isCurrent ? asymmetric.key : keys.cipher, isCurrent ? current.sessionId : message.length);
  const at = isCurrent ? current.sessionId : old.sessionId;
  if (at + 8 > message.length) return;
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  view.setBigInt64(at, BigInt(id ?? -1), true);
}

/**
 * In the older form there is the kind of session where the old has padding, and the opcode where that has the
 * algorithm.
 */
function isOlder(view: DataView): boolean {
  const opType = view.getUint8(older.info + info.opType);
  return (
    view.getUint32(older.opcode, true) === createCipher &&
    (opType === symOp.CIPHER || opType === symOp.ALGORITHM_CHAINING)
  );
}

function planSymmetric(message: Uint8Array, view: DataView, at: number, offer: Offer): SessionPlan | number {
  const keyLength = view.getUint32(at + info.keyLength, true);
  if (keyLength > keys.maxCipherLength) return status.ERR;
  const cipher = planCipher(
    offer,
    view.getUint32(at + info.cipherAlgorithm, true),
    view.getUint8(at + info.direction),
    message.subarray(keys.cipher, keys.cipher + keyLength),
  );
  const opType = view.getUint8(at + info.opType);
  if (opType === symOp.CIPHER) return cipher;
  if (opType !== symOp.ALGORITHM_CHAINING) return status.NOTSUPP;
  const mode = view.getUint8(at + info.hashMode);
  const authKeyLength = mode === hashMode.PLAIN ? 0 : view.getUint32(at + info.authKeyLength, true);
  if (authKeyLength > keys.maxAuthLength) return status.ERR;
  return planChain(offer, cipher, {
    order: view.getUint8(at + info.chainOrder),
    hashMode: mode,
    algo: view.getUint32(at + info.hashAlgorithm, true),
    resultLength: view.getUint32(at + info.resultLength, true),
    authKey: message.subarray(keys.auth, keys.auth + authKeyLength),
  });
}

function planAsymmetric(message: Uint8Array, view: DataView, offer: Offer): SessionPlan | number {
  const { algorithm, keyType, keyLength, parameters, key, maxKeyLength } = asymmetric;
  const length = view.getUint32(keyLength, true);
  if (length > maxKeyLength) return status.ERR;
  return planAkcipher(
    offer,
    view.getUint32(algorithm, true),
    view.getUint32(keyType, true),
    [view.getUint32(parameters, true), view.getUint32(parameters + 4, true)],
    message.subarray(key, key + length),
  );
}
