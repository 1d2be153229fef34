/** CIOCAUTHCRYPT of TLS type (6.9.2): MAC, then padding, then encryption, as in RFC 5246, 6.2.3. */
import { timingSafeEqual } from 'node:crypto';
import type { Completion } from '../engine.ts';
import { andThen } from './completion.ts';
import { prepareCipher, runCipher, writeIv } from './crypt.ts';
import { errno } from './errno.ts';
import type { Job } from './job.ts';
import { copySegments } from './segment-copy.ts';
import type { Session } from './session.ts';
import { COP_ENCRYPT } from './wire.ts';

/** With the byte that says how long it is. */
const longestPadding = 256;

/** Carries out one record. @returns the status */
export function tlsCrypt(session: Session, job: Job): Completion<number> {
  if (session.cipher === undefined) return errno.EINVAL;
  const tagLength = tagLengthOf(session, job);
  if (tagLength === undefined) return errno.EINVAL;
  return job.header.op === COP_ENCRYPT ? encrypt(session, job, tagLength) : decrypt(session, job, tagLength);
}

/** Length of the tag by 6.9.2 and 6.9.3; undefined if the session cannot have one of the length asked for. */
export function tagLengthOf(session: Session, job: Job): number | undefined {
  const { digestSize } = session.properties;
  const asked = job.header.tagLength;
  if (asked > digestSize) return undefined;
  return asked === 0 ? digestSize : asked;
}

function encrypt(session: Session, job: Job, tagLength: number): Completion<number> {
  const { dataLength } = job.header;
  const { blockSize } = session.properties;
  const unpadded = dataLength + tagLength;
  const padding = blockSize > 1 ? blockSize - (unpadded % blockSize) : 0;
  const total = unpadded + padding;
  if (!job.reserve(total)) return errno.EPROTO;
  const status = prepareCipher(session, job, total);
  if (status !== 0) return status;

  return andThen(recordMac(session, job, job.source), (mac) => {
    const trailer = new Uint8Array(tagLength + padding).fill(padding - 1);
    trailer.set(mac.subarray(0, tagLength));
    copySegments(job.source, job.destination);
    job.destination.copyFrom(dataLength, trailer.length, trailer);
    job.destination.slice(0, total, job.source);
    return andThen(runCipher(session, job), () => finish(session, job, total, tagLength));
  });
}

function decrypt(session: Session, job: Job, tagLength: number): Completion<number> {
  const { dataLength } = job.header;
  if (dataLength === 0) return errno.EINVAL;
  if (!job.reserve(dataLength)) return errno.EPROTO;
  const status = prepareCipher(session, job, dataLength);
  if (status !== 0) return status;

  return andThen(runCipher(session, job), () => {
    // The end of the record, read once: the driver can change its memory under us.
    const end = new Uint8Array(Math.min(dataLength, longestPadding + tagLength));
    job.destination.copyTo(dataLength - end.length, end.length, end);
    const padding = session.properties.blockSize > 1 ? paddingOf(end, tagLength) : 0;
    // With wrong padding the MAC is computed all the same: the time taken should not tell (Vaudenay's oracle).
    const textLength = Math.max(0, dataLength - tagLength - Math.max(0, padding));
    const text = job.destination.slice(0, textLength, job.part);
    return andThen(recordMac(session, job, text), (mac) => {
      const tagEnd = end.length - Math.max(0, padding);
      const tag = end.subarray(Math.max(0, tagEnd - tagLength), tagEnd);
      const authentic = tag.length === tagLength && timingSafeEqual(tag, mac.subarray(0, tagLength));
      if (authentic && padding >= 0) return finish(session, job, textLength, tagLength);
      job.destination.fill(0);
      return errno.EBADMSG;
    });
  });
}

/**
 * How many bytes of padding a record has.
 * @param end its last bytes
 * @returns -1 if the padding is wrong, or leaves no room for the tag
 */
function paddingOf(end: Uint8Array, tagLength: number): number {
  const value = end.at(-1)!;
  const length = value + 1;
  if (length + tagLength > end.length) return -1;
  let difference = 0;
  for (let i = end.length - length; i < end.length; i++) difference |= end[i]! ^ value;
  return difference === 0 ? length : -1;
}

/** The MAC over `auth` and `text`; empty without a MAC in the session. */
function recordMac(session: Session, job: Job, text: Job['source']): Completion<Uint8Array> {
  const { digest } = session;
  const mac = job.mac.subarray(0, session.properties.digestSize);
  if (digest === undefined) return mac;
  return andThen(digest.reset(), () =>
    andThen(digest.update(job.auth), () =>
      andThen(digest.update(text), () => andThen(digest.finish(mac), () => mac)),
    ),
  );
}

function finish(session: Session, job: Job, dataLength: number, tagLength: number): number {
  job.dataLength = dataLength;
  job.macLength = tagLength;
  writeIv(session, job);
  return 0;
}
