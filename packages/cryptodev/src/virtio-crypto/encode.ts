/**
 * The headers of requests as drivers write them: for our own driver, for tests and for benchmarks. What
 * follows them (keys, IV, data) is the caller's to send behind. `isRevision1`: VIRTIO_CRYPTO_F_REVISION_1 was
 * negotiated. Nothing is checked here.
 */
import {
  aeadData,
  aeadSession,
  akcipherData,
  akcipherSession,
  chainData,
  chainSession,
  cipherData,
  cipherSession,
  control,
  data,
  destroySession,
  flagSessionMode,
  hashData,
  hashSession,
  legacyControlFields,
  legacyDataFields,
  macSession,
  opcode,
  operation,
  type ServiceNumber,
  service,
  sessionOperation,
  stateless,
  symData,
  symOp,
  symSession,
} from './wire.ts';

type Header = Uint8Array<ArrayBuffer>;
/** Offsets among the fixed-length fields, and their values. */
type Fields = readonly (readonly [offset: number, value: number])[];

export type CipherSpec = { readonly algo: number; readonly op: number; readonly keyLength: number };
export type DigestSpec = {
  readonly algo: number;
  readonly resultLength: number;
  readonly authKeyLength?: number;
};
export type ChainSpec = {
  readonly order: number;
  readonly hashMode: number;
  readonly cipher: CipherSpec;
  readonly hash: DigestSpec;
};
export type AeadSpec = CipherSpec & { readonly tagLength: number };
/** `parameters`: of RSA its padding and its hash, of ECDSA its curve and 0. */
export type AkcipherSpec = {
  readonly algo: number;
  readonly keyType: number;
  readonly keyLength: number;
  readonly parameters: readonly [number, number];
};

export function encodeCipherSession(spec: CipherSpec, isRevision1: boolean): Header {
  const fields = [...cipherFields(spec, 0), [symSession.opType, symOp.CIPHER]] as const;
  return controlHeader(
    service.CIPHER,
    sessionOperation.CREATE,
    spec.algo,
    symSession.length,
    fields,
    isRevision1,
  );
}

export function encodeChainSession(spec: ChainSpec, isRevision1: boolean): Header {
  const { algo, resultLength, authKeyLength = 0 } = spec.hash;
  const fields = [
    [chainSession.order, spec.order],
    [chainSession.hashMode, spec.hashMode],
    ...cipherFields(spec.cipher, chainSession.cipher),
    [chainSession.hash.algo, algo],
    [chainSession.hash.resultLength, resultLength],
    [chainSession.hash.authKeyLength, authKeyLength],
    [symSession.opType, symOp.ALGORITHM_CHAINING],
  ] as const;
  const { CREATE } = sessionOperation;
  return controlHeader(service.CIPHER, CREATE, spec.cipher.algo, symSession.length, fields, isRevision1);
}

/** With a key, a session of MAC; without, of HASH. */
export function encodeDigestSession(spec: DigestSpec, isRevision1: boolean): Header {
  const { algo, resultLength, authKeyLength } = spec;
  const { CREATE } = sessionOperation;
  if (authKeyLength === undefined) {
    const fields = [
      [hashSession.algo, algo],
      [hashSession.resultLength, resultLength],
    ] as const;
    return controlHeader(service.HASH, CREATE, algo, hashSession.length, fields, isRevision1);
  }
  const fields = [
    [macSession.algo, algo],
    [macSession.resultLength, resultLength],
    [macSession.authKeyLength, authKeyLength],
  ] as const;
  return controlHeader(service.MAC, CREATE, algo, macSession.length, fields, isRevision1);
}

export function encodeAeadSession(spec: AeadSpec, isRevision1: boolean): Header {
  const fields = [
    [aeadSession.algo, spec.algo],
    [aeadSession.keyLength, spec.keyLength],
    [aeadSession.tagLength, spec.tagLength],
    [aeadSession.op, spec.op],
  ] as const;
  const { CREATE } = sessionOperation;
  return controlHeader(service.AEAD, CREATE, spec.algo, aeadSession.length, fields, isRevision1);
}

export function encodeAkcipherSession(spec: AkcipherSpec, isRevision1: boolean): Header {
  const fields = [
    [akcipherSession.algo, spec.algo],
    [akcipherSession.keyType, spec.keyType],
    [akcipherSession.keyLength, spec.keyLength],
    [akcipherSession.parameters, spec.parameters[0]],
    [akcipherSession.parameters + 4, spec.parameters[1]],
  ] as const;
  const { AKCIPHER_CREATE } = sessionOperation;
  return controlHeader(
    service.AKCIPHER,
    AKCIPHER_CREATE,
    spec.algo,
    akcipherSession.length,
    fields,
    isRevision1,
  );
}

export function encodeDestroySession(of: ServiceNumber, id: bigint, isRevision1: boolean): Header {
  const { DESTROY, AKCIPHER_DESTROY } = sessionOperation;
  const low = of === service.AKCIPHER ? AKCIPHER_DESTROY : DESTROY;
  const header = controlHeader(of, low, 0, destroySession.length, [], isRevision1);
  new DataView(header.buffer).setBigUint64(control.fields + destroySession.sessionId, id, true);
  return header;
}

export type CipherRequest = {
  readonly ivLength: number;
  readonly sourceLength: number;
  readonly destinationLength: number;
};
export type ChainRequest = CipherRequest & {
  readonly cipherStart: number;
  readonly cipherLength: number;
  readonly hashStart: number;
  readonly hashLength: number;
  readonly aadLength: number;
  readonly resultLength: number;
};
export type DigestRequest = { readonly sourceLength: number; readonly resultLength: number };
export type AeadRequest = CipherRequest & { readonly aadLength: number; readonly tagLength: number };
export type AkcipherRequest = { readonly sourceLength: number; readonly destinationLength: number };

/** Whose session a request is in, and which operation of its service it is. */
export type InSession = { readonly id: bigint; readonly operation?: number };

export function encodeCipherData(of: InSession, request: CipherRequest): Header {
  const fields = [...cipherRequestFields(request, 0), [symData.opType, symOp.CIPHER]] as const;
  // With and without REVISION_1 these fields have 48 bytes.
  return dataHeader(service.CIPHER, of, symData.length, fields, true);
}

export function encodeChainData(of: InSession, request: ChainRequest): Header {
  const fields = [...chainRequestFields(request, 0), [symData.opType, symOp.ALGORITHM_CHAINING]] as const;
  return dataHeader(service.CIPHER, of, symData.length, fields, true);
}

export function encodeDigestData(
  kind: typeof service.HASH | typeof service.MAC,
  of: InSession,
  request: DigestRequest,
  isRevision1: boolean,
): Header {
  const fields = [
    [hashData.sourceLength, request.sourceLength],
    [hashData.resultLength, request.resultLength],
  ] as const;
  return dataHeader(kind, of, hashData.length, fields, isRevision1);
}

export function encodeAeadData(of: InSession, request: AeadRequest, isRevision1: boolean): Header {
  const fields = aeadRequestFields(request, aeadData);
  return dataHeader(service.AEAD, of, aeadData.length, fields, isRevision1);
}

export function encodeAkcipherData(of: InSession, request: AkcipherRequest, isRevision1: boolean): Header {
  const fields = [
    [akcipherData.sourceLength, request.sourceLength],
    [akcipherData.destinationLength, request.destinationLength],
  ] as const;
  return dataHeader(service.AKCIPHER, of, akcipherData.length, fields, isRevision1);
}

// In stateless mode. The keys come first behind the header.

export function encodeStatelessCipher(spec: CipherSpec, request: CipherRequest, low: number): Header {
  const fields = [
    ...cipherFields(spec, stateless.cipher.algo),
    ...cipherRequestFields(request, stateless.cipher.data),
    [stateless.sym.opType, symOp.CIPHER],
  ] as const;
  return statelessHeader(service.CIPHER, low, stateless.sym.length, fields);
}

export function encodeStatelessChain(spec: ChainSpec, request: ChainRequest, low: number): Header {
  const { order, cipher, hash, data: at } = stateless.chain;
  const fields = [
    [order, spec.order],
    [order + 4, request.aadLength],
    ...cipherFields(spec.cipher, cipher),
    [hash.algo, spec.hash.algo],
    [hash.authKeyLength, spec.hash.authKeyLength ?? 0],
    [hash.hashMode, spec.hashMode],
    ...chainRequestFields(request, at),
    [stateless.sym.opType, symOp.ALGORITHM_CHAINING],
  ] as const;
  return statelessHeader(service.CIPHER, low, stateless.sym.length, fields);
}

export function encodeStatelessDigest(spec: DigestSpec, request: DigestRequest): Header {
  const { algo, authKeyLength } = spec;
  const { mac, hash } = stateless;
  if (authKeyLength === undefined) {
    const fields = [
      [hash.algo, algo],
      [hash.sourceLength, request.sourceLength],
      [hash.resultLength, request.resultLength],
    ] as const;
    return statelessHeader(service.HASH, 0, hash.length, fields);
  }
  const fields = [
    [mac.algo, algo],
    [mac.authKeyLength, authKeyLength],
    [mac.sourceLength, request.sourceLength],
    [mac.resultLength, request.resultLength],
  ] as const;
  return statelessHeader(service.MAC, 0, mac.length, fields);
}

export function encodeStatelessAead(spec: AeadSpec, request: AeadRequest, low: number): Header {
  const fields = [...cipherFields(spec, stateless.aead.algo), ...aeadRequestFields(request, stateless.aead)];
  return statelessHeader(service.AEAD, low, stateless.aead.length, fields);
}

export function encodeStatelessAkcipher(spec: AkcipherSpec, request: AkcipherRequest, low: number): Header {
  const { algo, keyType, keyLength, parameters, sourceLength, destinationLength, length } =
    stateless.akcipher;
  const fields = [
    [algo, spec.algo],
    [keyType, spec.keyType],
    [keyLength, spec.keyLength],
    [parameters, spec.parameters[0]],
    [parameters + 4, spec.parameters[1]],
    [sourceLength, request.sourceLength],
    [destinationLength, request.destinationLength],
  ] as const;
  return statelessHeader(service.AKCIPHER, low, length, fields);
}

export const direct = { encrypt: operation.ENCRYPT, decrypt: operation.DECRYPT } as const;

function cipherFields(spec: CipherSpec, at: number): Fields {
  return [
    [at + cipherSession.algo, spec.algo],
    [at + cipherSession.keyLength, spec.keyLength],
    [at + cipherSession.op, spec.op],
  ];
}

function cipherRequestFields(request: CipherRequest, at: number): Fields {
  return [
    [at + cipherData.ivLength, request.ivLength],
    [at + cipherData.sourceLength, request.sourceLength],
    [at + cipherData.destinationLength, request.destinationLength],
  ];
}

function chainRequestFields(request: ChainRequest, at: number): Fields {
  return [
    ...cipherRequestFields(request, at),
    [at + chainData.cipherStart, request.cipherStart],
    [at + chainData.cipherLength, request.cipherLength],
    [at + chainData.hashStart, request.hashStart],
    [at + chainData.hashLength, request.hashLength],
    [at + chainData.aadLength, request.aadLength],
    [at + chainData.resultLength, request.resultLength],
  ];
}

type AeadOffsets = { readonly [field in keyof AeadRequest]: number };

function aeadRequestFields(request: AeadRequest, at: AeadOffsets): Fields {
  return [
    [at.ivLength, request.ivLength],
    [at.aadLength, request.aadLength],
    [at.sourceLength, request.sourceLength],
    [at.destinationLength, request.destinationLength],
    [at.tagLength, request.tagLength],
  ];
}

function controlHeader(
  of: ServiceNumber,
  low: number,
  algo: number,
  length: number,
  fields: Fields,
  isRevision1: boolean,
): Header {
  const header = new Uint8Array(control.fields + (isRevision1 ? length : legacyControlFields));
  const view = new DataView(header.buffer);
  view.setUint32(control.opcode, opcode(of, low), true);
  view.setUint32(control.algo, algo, true);
  for (const [offset, value] of fields) view.setUint32(control.fields + offset, value, true);
  return header;
}

function dataHeader(
  of: ServiceNumber,
  session: InSession,
  length: number,
  fields: Fields,
  isRevision1: boolean,
): Header {
  const header = new Uint8Array(data.fields + (isRevision1 ? length : legacyDataFields));
  const view = new DataView(header.buffer);
  view.setUint32(data.opcode, opcode(of, session.operation ?? 0), true);
  view.setBigUint64(data.sessionId, session.id, true);
  view.setUint32(data.flag, flagSessionMode, true);
  for (const [offset, value] of fields) view.setUint32(data.fields + offset, value, true);
  return header;
}

function statelessHeader(of: ServiceNumber, low: number, length: number, fields: Fields): Header {
  const header = dataHeader(of, { id: 0n, operation: low }, length, fields, true);
  new DataView(header.buffer).setUint32(data.flag, 0, true);
  return header;
}
