/** CIOCAUTHCRYPT of TLS type (6.9.2): MAC, then padding, then encryption, as in RFC 5246, 6.2.3. */
import { timingSafeEqual } from 'node:crypto';
import { Segments } from '@skytale/virtio';
import { hashes } from '../algorithms.ts';
import { andThen, type Completion } from '../completion.ts';
import { copySegments } from '../segment-copy.ts';
import { prepareCipher, runCipher, writeIv } from './crypt.ts';
import { errno } from './errno.ts';
import type { Job } from './job.ts';
import type { Session } from './session.ts';
import { COP_ENCRYPT } from './wire.ts';

/** With the byte that says how long it is. */
const longestPadding = 256;
/** Tags that are cut shorter than this are not worth their name: RFC 6066, section 7, has them of 80 bits. */
const shortestTag = 10;

/** Carries out one record. @returns the status */
export function tlsCrypt(session: Session, job: Job): Completion<number> {
  if (session.cipher === undefined) return errno.EINVAL;
  const tagLength = tagLengthOf(session, job, shortestTag);
  if (tagLength === undefined) return errno.EINVAL;
  return job.header.op === COP_ENCRYPT ? encrypt(session, job, tagLength) : decrypt(session, job, tagLength);
}

/** Length of the tag by 6.9.2 and 6.9.3; undefined if the session cannot have one of the length asked for. */
export function tagLengthOf(session: Session, job: Job, shortest: number): number | undefined {
  const { digestSize } = session.properties;
  const asked = job.header.tagLength;
  if (asked === 0) return digestSize;
  return asked >= shortest && asked <= digestSize ? asked : undefined;
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
    const end = new Uint8Array(new ArrayBuffer(Math.min(dataLength, longestPadding + tagLength)));
    job.destination.copyTo(dataLength - end.length, end.length, end);
    const { padding, isRight } =
      session.properties.blockSize > 1 ? paddingOf(end, tagLength) : { padding: 0, isRight: true };
    const longestText = Math.max(0, dataLength - tagLength);
    const textLength = Math.max(0, longestText - padding);
    const text = job.destination.slice(0, textLength, job.part);
    return andThen(recordMac(session, job, text), (mac) => {
      const tagEnd = end.length - padding;
      const tag = end.subarray(Math.max(0, tagEnd - tagLength), tagEnd);
      const authentic = tag.length === tagLength && timingSafeEqual(tag, mac.subarray(0, tagLength));
      end.fill(0);
      return andThen(digestTheRest(session, job, textLength, longestText), () => {
        if (authentic && isRight) return finish(session, job, textLength, tagLength);
        job.destination.fill(0);
        return errno.EBADMSG;
      });
    });
  });
}

/**
 * How many bytes of padding a record has: 0 if they are wrong, or leave no room for the tag (RFC 5246, 6.2.3.2, has the
 * MAC computed all the same, as if there were none). It looks at the same bytes and takes the same steps whatever they
 * are.
 * @param end the record's last bytes
 */
function paddingOf(end: Uint8Array, tagLength: number): { padding: number; isRight: boolean } {
  const value = end.at(-1)!;
  const length = value + 1;
  let difference = (end.length - tagLength - length) >> 31;
  for (let i = 0; i < end.length && i < longestPadding; i++) {
    const isPadding = (i - length) >> 31;
    difference |= isPadding & (end[end.length - 1 - i]! ^ value);
  }
  const isWrong = (difference | -difference) >> 31;
  return { padding: length & ~isWrong, isRight: isWrong === 0 };
}

/** As many zeros as a digest may have to go on with. */
const zeros = Segments.of(new Uint8Array(new ArrayBuffer(1024)));
const someZeros = new Segments();

/**
 * Has the hash compress as many blocks more as a record of the same length has with the shortest padding: how many it
 * takes for the MAC depends on the padding, and would tell of it (Vaudenay's oracle, and what AlFardan and Paterson made
 * of it: "Lucky Thirteen"). That makes the difference smaller by orders of magnitude; code that is compiled while it runs
 * cannot promise that there is none.
 */
function digestTheRest(
  session: Session,
  job: Job,
  textLength: number,
  longestText: number,
): Completion<void> {
  const { digest, macEntry } = session;
  if (digest === undefined || macEntry === undefined) return;
  const { blockSize } = hashes[macEntry.hash];
  const { authLength } = job.header;
  // Behind the message come a byte and its length, of an eighth of a block.
  const blocks = (length: number) => Math.ceil((authLength + length + 1 + blockSize / 8) / blockSize);
  const missing = blocks(longestText) - blocks(textLength);
  zeros.slice(0, missing * blockSize + 1, someZeros);
  return andThen(digest.update(someZeros), () => digest.reset());
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
