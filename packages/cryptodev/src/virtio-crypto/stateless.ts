/**
 * Requests in stateless mode (VIRTIO_CRYPTO_F_…_STATELESS_MODE): each brings its session with it. Whether a
 * request is one says its flag; those that name a session keep the session's form, also where stateless mode
 * was negotiated (5.9.7.4 to 5.9.7.8 describe the forms by mode, 5.9.7.3 by what was negotiated).
 */
import type { KeyLimits } from './control-request.ts';
import type { DataRequest } from './data-request.ts';
import {
  type Offer,
  planAead,
  planAkcipher,
  planChain,
  planCipher,
  planHash,
  planMac,
  type SessionPlan,
} from './session-plan.ts';
import {
  chainData,
  data,
  hashData,
  hashMode,
  type ServiceNumber,
  service,
  stateless,
  status,
  symOp,
} from './wire.ts';

/**
 * Takes what says of what session the request is, and leaves it at the operation.
 * @param keys room for them; whoever calls wipes it
 * @returns the status that says what is wrong with it
 */
export function takePlan(
  request: DataRequest,
  number: ServiceNumber,
  offer: Offer,
  limits: KeyLimits,
  keys: Uint8Array,
): SessionPlan | number {
  request.isStateless = true;
  switch (number) {
    case service.CIPHER:
      return takeSym(request, offer, limits, keys);
    case service.HASH:
      return takeHash(request, offer);
    case service.MAC:
      return takeMac(request, offer, limits, keys);
    case service.AEAD:
      return takeAead(request, offer, limits, keys);
    case service.AKCIPHER:
      return takeAkcipher(request, offer, limits, keys);
  }
}

function takeSym(
  request: DataRequest,
  offer: Offer,
  limits: KeyLimits,
  keys: Uint8Array,
): SessionPlan | number {
  if (!request.endHeader(stateless.sym.length)) return status.ERR;
  request.opType = request.rawField(stateless.sym.opType);
  if (request.opType === symOp.CIPHER) {
    request.base = data.fields + stateless.cipher.data;
    return takeCipher(request, 0, offer, limits, keys);
  }
  if (request.opType !== symOp.ALGORITHM_CHAINING) return status.NOTSUPP;
  const { order, cipher: cipherAt, hash, data: at } = stateless.chain;
  request.base = data.fields + at;
  const cipher = takeCipher(request, cipherAt, offer, limits, keys);
  if (typeof cipher === 'number') return cipher;
  const rest = keys.subarray(cipher.key.length);
  const mode = request.rawField(hash.hashMode);
  const authKeyLength = mode === hashMode.PLAIN ? 0 : request.rawField(hash.authKeyLength);
  const authKey = takeKey(request, authKeyLength, limits.maxAuthKeyLength, rest);
  if (authKey === undefined) return status.ERR;
  return planChain(offer, cipher, {
    order: request.rawField(order),
    hashMode: mode,
    algo: request.rawField(hash.algo),
    resultLength: request.field(chainData.resultLength),
    authKey,
  });
}

function takeCipher(
  request: DataRequest,
  at: number,
  offer: Offer,
  limits: KeyLimits,
  keys: Uint8Array,
): ReturnType<typeof planCipher> {
  const { algo, keyLength, op } = stateless.cipher;
  const key = takeKey(request, request.rawField(at + keyLength), limits.maxCipherKeyLength, keys);
  if (key === undefined) return status.ERR;
  return planCipher(offer, request.rawField(at + algo), request.rawField(at + op), key);
}

function takeHash(request: DataRequest, offer: Offer): SessionPlan | number {
  const { algo, sourceLength, resultLength, length } = stateless.hash;
  if (!request.endHeader(length)) return status.ERR;
  request.base = data.fields + sourceLength - hashData.sourceLength;
  return planHash(offer, request.rawField(algo), request.rawField(resultLength));
}

function takeMac(
  request: DataRequest,
  offer: Offer,
  limits: KeyLimits,
  keys: Uint8Array,
): SessionPlan | number {
  const { algo, authKeyLength, sourceLength, resultLength, length } = stateless.mac;
  if (!request.endHeader(length)) return status.ERR;
  request.base = data.fields + sourceLength - hashData.sourceLength;
  const key = takeKey(request, request.rawField(authKeyLength), limits.maxAuthKeyLength, keys);
  if (key === undefined) return status.ERR;
  return planMac(offer, request.rawField(algo), request.rawField(resultLength), key);
}

function takeAead(
  request: DataRequest,
  offer: Offer,
  limits: KeyLimits,
  keys: Uint8Array,
): SessionPlan | number {
  const { algo, keyLength, op, tagLength, length } = stateless.aead;
  if (!request.endHeader(length)) return status.ERR;
  const key = takeKey(request, request.rawField(keyLength), limits.maxCipherKeyLength, keys);
  if (key === undefined) return status.ERR;
  return planAead(offer, request.rawField(algo), request.rawField(op), request.rawField(tagLength), key);
}

function takeAkcipher(
  request: DataRequest,
  offer: Offer,
  limits: KeyLimits,
  keys: Uint8Array,
): SessionPlan | number {
  const { algo, keyType, keyLength, parameters, sourceLength, length } = stateless.akcipher;
  if (!request.endHeader(length)) return status.ERR;
  request.base = data.fields + sourceLength;
  const key = takeKey(request, request.rawField(keyLength), limits.maxAkcipherKeyLength, keys);
  if (key === undefined) return status.ERR;
  const both = [request.rawField(parameters), request.rawField(parameters + 4)] as const;
  return planAkcipher(offer, request.rawField(algo), request.rawField(keyType), both, key);
}

function takeKey(
  request: DataRequest,
  length: number,
  limit: number,
  keys: Uint8Array,
): Uint8Array | undefined {
  if (length > limit || !request.takeKey(length, keys)) return undefined;
  return keys.subarray(0, length);
}
