/** CIOCAUTHCRYPT: its three types (6.9), and the first of them, AEAD (6.9.1). */
import { andThen, type Completion } from '../completion.ts';
import type { EngineAead } from '../engine.ts';
import { errno } from './errno.ts';
import type { Job } from './job.ts';
import type { Session, SessionAead } from './session.ts';
import { srtpCrypt } from './srtp.ts';
import { tlsCrypt } from './tls.ts';
import { COP_DECRYPT, COP_ENCRYPT, type Feature, flag } from './wire.ts';

/** What the driver negotiated and the device allows. */
export type Limits = {
  has(feature: Feature): boolean;
  readonly maxDataLength: number;
  readonly maxAuthLength: number;
};

/** Carries out CIOCAUTHCRYPT. @returns the status */
export function authcrypt(session: Session, job: Job, limits: Limits): Completion<number> {
  const { op, flags, authLength } = job.header;
  if (op !== COP_ENCRYPT && op !== COP_DECRYPT) return errno.EINVAL;
  if (session.cipherEntry === undefined) return errno.EINVAL;
  if ((flags & flag.srtp) !== 0) {
    const possible = limits.has('srtp') && authLength <= limits.maxDataLength;
    return possible ? srtpCrypt(session, job) : errno.EINVAL;
  }
  if (authLength > limits.maxAuthLength) return errno.EINVAL;
  if ((flags & flag.tls) !== 0) return limits.has('tls') ? tlsCrypt(session, job) : errno.EINVAL;
  return aeadCrypt(session, job);
}

function aeadCrypt(session: Session, job: Job): Completion<number> {
  const { aead } = session;
  if (aead === undefined) return errno.EINVAL;
  const { op, flags, dataLength, ivLength, tagLength: asked } = job.header;
  if (ivLength !== session.properties.ivSize) return errno.EINVAL;
  if (!aead.accepts(asked)) return errno.EINVAL;
  const tagLength = asked === 0 ? aead.tagLength : asked;
  const textLength = op === COP_ENCRYPT ? dataLength : dataLength - tagLength;
  if (textLength < 0) return errno.EINVAL;
  const nonce = nonceOf(aead, job, textLength);
  if (nonce === undefined) return errno.EINVAL;
  if (!job.reserve(op === COP_ENCRYPT ? textLength + tagLength : textLength)) return errno.EPROTO;

  return andThen(aead.withTag(asked), (cipher) => {
    job.macLength = tagLength;
    if ((flags & flag.writeIv) !== 0) job.giveIv(job.ivOf(ivLength));
    return op === COP_ENCRYPT
      ? seal(cipher, job, nonce, textLength, tagLength)
      : open(cipher, job, nonce, textLength, tagLength);
  });
}

function seal(
  cipher: EngineAead,
  job: Job,
  nonce: Uint8Array,
  textLength: number,
  tagLength: number,
): Completion<number> {
  const text = job.destination.slice(0, textLength, job.part);
  const tag = job.macOf(tagLength);
  return andThen(cipher.seal(nonce, job.auth, job.source, text, tag), () => {
    job.destination.copyFrom(textLength, tagLength, tag);
    job.dataLength = textLength + tagLength;
    return 0;
  });
}

function open(
  cipher: EngineAead,
  job: Job,
  nonce: Uint8Array,
  textLength: number,
  tagLength: number,
): Completion<number> {
  const text = job.source.slice(0, textLength, job.part);
  const tag = job.macOf(tagLength);
  job.source.copyTo(textLength, tagLength, tag);
  return andThen(cipher.open(nonce, job.auth, text, job.destination, tag), (authentic) => {
    if (!authentic) return errno.EBADMSG;
    job.dataLength = textLength;
    return 0;
  });
}

/** The nonce in the IV; undefined if the IV or the length of the text is not one that CCM can have (4.1). */
function nonceOf(aead: SessionAead, job: Job, textLength: number): Uint8Array | undefined {
  const { ivLength } = job.header;
  if (aead.entry.name !== 'aes-ccm') return job.ivOf(ivLength);
  const lengthOfLength = job.iv[0]! + 1;
  if (lengthOfLength < 2 || lengthOfLength > 8) return undefined;
  if (textLength >= 2 ** (8 * lengthOfLength)) return undefined;
  return job.iv.subarray(1, 16 - lengthOfLength);
}
