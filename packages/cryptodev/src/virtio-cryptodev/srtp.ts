/** CIOCAUTHCRYPT of SRTP type (6.9.3): encryption of a part of a packet, then a MAC over it, as in RFC 3711. */
import { timingSafeEqual } from 'node:crypto';
import type { Segments } from '@skytale/virtio';
import { andThen, type Completion } from '../completion.ts';
import { prepareCipher, runCipher, writeIv } from './crypt.ts';
import { errno } from './errno.ts';
import type { Job } from './job.ts';
import type { Session } from './session.ts';
import { tagLengthOf } from './tls.ts';
import { COP_ENCRYPT, maxSrtpOffset } from './wire.ts';

/** The shortest tag of SRTP, of 32 bits: RFC 3711, 5.2; RFC 4568, 6.2. */
const shortestTag = 4;

/** Carries out one packet. @returns the status */
export function srtpCrypt(session: Session, job: Job): Completion<number> {
  const { op, dataLength, authLength, argument: offset, macLength } = job.header;
  const { blockSize } = session.properties;
  if (session.cipher === undefined || blockSize !== 1) return errno.EINVAL;
  if (authLength === 0 || offset > maxSrtpOffset || offset + dataLength > authLength) return errno.EINVAL;
  if (op !== COP_ENCRYPT && dataLength === 0) return errno.EINVAL;
  const tagLength = tagLengthOf(session, job, shortestTag);
  if (tagLength === undefined) return errno.EINVAL;
  if (macLength < tagLength) return errno.EFAULT;
  if (!job.reserve(dataLength)) return errno.EPROTO;
  const status = prepareCipher(session, job, dataLength);
  if (status !== 0) return status;

  job.auth.slice(offset, dataLength, job.source);
  return op === COP_ENCRYPT ? encrypt(session, job, tagLength) : decrypt(session, job, tagLength);
}

function encrypt(session: Session, job: Job, tagLength: number): Completion<number> {
  return andThen(runCipher(session, job), () => {
    const mac = job.mac.subarray(0, session.properties.digestSize);
    return andThen(packetMac(session, job, job.destination, mac), () => finish(session, job, tagLength));
  });
}

function decrypt(session: Session, job: Job, tagLength: number): Completion<number> {
  const mac = new Uint8Array(session.properties.digestSize);
  return andThen(packetMac(session, job, job.source, mac), () => {
    if (!timingSafeEqual(job.mac.subarray(0, tagLength), mac.subarray(0, tagLength))) return errno.EBADMSG;
    return andThen(runCipher(session, job), () => finish(session, job, tagLength));
  });
}

/** Writes into `mac` the MAC over the packet with `encrypted` as its data; nothing without a MAC in the session. */
function packetMac(session: Session, job: Job, encrypted: Segments, mac: Uint8Array): Completion<void> {
  const { digest } = session;
  if (digest === undefined) return;
  const { argument: offset, dataLength, authLength } = job.header;
  const behind = offset + dataLength;
  return andThen(digest.reset(), () =>
    andThen(digest.update(job.auth.slice(0, offset, job.part)), () =>
      andThen(digest.update(encrypted), () =>
        andThen(digest.update(job.auth.slice(behind, authLength - behind, job.part)), () =>
          digest.finish(mac),
        ),
      ),
    ),
  );
}

function finish(session: Session, job: Job, tagLength: number): number {
  job.dataLength = job.header.dataLength;
  job.macLength = tagLength;
  writeIv(session, job);
  return 0;
}
