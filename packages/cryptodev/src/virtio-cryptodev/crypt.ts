/** CIOCCRYPT: ciphers (6.7), hashes and MACs (6.8), and both in one session. */
import type { CipherProperties } from '../algorithms.ts';
import { andThen, type Completion } from '../completion.ts';
import type { PlainCipherEntry } from '../cryptodev-numbers.ts';
import type { RequestBatch } from '../request-batch.ts';
import { chainIv, rememberBlock } from './chained-iv.ts';
import { errno } from './errno.ts';
import type { Job } from './job.ts';
import type { RunningDigest } from './running-digest.ts';
import type { Session } from './session.ts';
import { COP_DECRYPT, COP_ENCRYPT, flag, maxIvLength } from './wire.ts';

/** Carries out CIOCCRYPT. @returns the status */
export function crypt(session: Session, job: Job): Completion<number> {
  const { header } = job;
  if (header.op !== COP_ENCRYPT && header.op !== COP_DECRYPT) return errno.EINVAL;
  if (session.aead !== undefined) return errno.EINVAL;
  const { digest } = session;
  if (session.cipher === undefined) {
    if (header.op === COP_DECRYPT) return errno.EINVAL;
    if (!job.reserve(0)) return errno.EPROTO;
    return addToDigest(digest!, job, job.source);
  }

  if (!job.reserve(header.dataLength)) return errno.EPROTO;
  const status = prepareCipher(session, job, header.dataLength);
  if (status !== 0) return status;
  if (digest === undefined) {
    const outcome = runCipher(session, job);
    // Without a closure, unless the engine answers later: most requests come this way.
    if (outcome === undefined) return finishCipher(session, job, 0);
    return outcome.then(() => finishCipher(session, job, 0));
  }
  // The digest is that of the plaintext: before encryption, after decryption.
  if (header.op === COP_ENCRYPT) {
    return andThen(addToDigest(digest, job, job.source), (missing) =>
      andThen(runCipher(session, job), () => finishCipher(session, job, missing)),
    );
  }
  return andThen(runCipher(session, job), () =>
    andThen(addToDigest(digest, job, job.destination), (missing) => finishCipher(session, job, missing)),
  );
}

/**
 * Puts an operation in the batch if it can be there: a cipher's that brings its IV, so that it needs nothing of the
 * operations before it.
 * @returns false if it is to be carried out by `crypt`, which also says what may be wrong with it
 * @throws {CryptoError} what the engine has against it
 */
export function defer(session: Session, job: Job, batch: RequestBatch<Job>): boolean {
  const { op, dataLength, ivLength } = job.header;
  if (!batch.isWorth(dataLength)) return false;
  const { cipher, chaining } = session;
  // What is remembered of others is plaintext, which is not to stay in a job.
  if (cipher === undefined || chaining !== 'ciphertext') return false;
  if (session.digest !== undefined || session.pending !== undefined) return false;
  if (op !== COP_ENCRYPT && op !== COP_DECRYPT) return false;
  if (ivLength !== maxIvLength || ivLength !== session.iv.length || !job.reserve(dataLength)) return false;
  batch.makeWay(job.source, job.destination);
  const decrypting = op === COP_DECRYPT;
  rememberBlock(chaining, decrypting, job.source, job.lastBlock);
  const direction = decrypting ? 'decrypt' : 'encrypt';
  if (!batch.add(job, cipher, direction, job.iv, job.source, job.destination)) return false;
  job.session = session;
  return true;
}

/** Does what is left to do after the batch of a deferred operation has run, in the order of operations. @returns the status */
export function finishDeferred(job: Job): number {
  const session = job.session!;
  chainIv(session.chaining, job.header.op === COP_DECRYPT, session.iv, job.lastBlock, job.destination);
  return finishCipher(session, job, 0);
}

/** Checks what concerns the cipher, and then takes the IV: the last thing that can fail. @returns 0 or EINVAL */
export function prepareCipher(session: Session, job: Job, length: number): number {
  const { properties }: { properties: CipherProperties } = plainCipher(session);
  if (length % properties.blockSize !== 0) return errno.EINVAL;
  if (properties.maxLength !== undefined && length > properties.maxLength) return errno.EINVAL;
  return takeIv(session, job);
}

/** Makes the IV given, if one is, the session's. @returns 0 or EINVAL */
export function takeIv(session: Session, job: Job): number {
  const given = job.header.ivLength;
  if (given === 0) return 0;
  const { iv } = session;
  if (given !== iv.length) return errno.EINVAL;
  for (let i = 0; i < given; i++) iv[i] = job.iv[i]!;
  return 0;
}

/** Encrypts or decrypts `source` to `destination` and chains the IV. */
export function runCipher(session: Session, job: Job): void | Promise<void> {
  const decrypting = job.header.op === COP_DECRYPT;
  const { chaining, iv, lastBlock } = session;
  rememberBlock(chaining, decrypting, job.source, lastBlock);
  const direction = decrypting ? 'decrypt' : 'encrypt';
  const outcome = session.cipher!.crypt(direction, iv, job.source, job.destination);
  if (outcome instanceof Promise) {
    return outcome.then(() => chainIv(chaining, decrypting, iv, lastBlock, job.destination));
  }
  chainIv(chaining, decrypting, iv, lastBlock, job.destination);
}

/** Gives back the stored IV if WRITE_IV asks for it. */
export function writeIv(session: Session, job: Job): void {
  if ((job.header.flags & flag.writeIv) !== 0) job.giveIv(session.iv);
}

function plainCipher(session: Session): PlainCipherEntry {
  return session.cipherEntry as PlainCipherEntry;
}

function finishCipher(session: Session, job: Job, status: number): number {
  job.dataLength = job.header.dataLength;
  writeIv(session, job);
  return status;
}

/**
 * The three steps of 6.8.
 * @returns 0, or EFAULT if a digest is due and there is no room for it
 */
function addToDigest(digest: RunningDigest, job: Job, data: Job['source']): Completion<number> {
  const { flags } = job.header;
  const restart = flags === 0 || (flags & flag.reset) !== 0;
  return andThen(restart ? digest.reset() : undefined, () =>
    andThen(data.byteLength > 0 ? digest.update(data) : undefined, () => finishDigest(digest, job)),
  );
}

function finishDigest(digest: RunningDigest, job: Job): Completion<number> {
  const { flags, dataLength, macLength } = job.header;
  const due = (flags & flag.final) !== 0 || (flags & flag.update) === 0 || dataLength === 0;
  if (!due) return 0;
  return andThen(digest.finish(job.macOf(digest.length)), () => {
    if (macLength < digest.length) return errno.EFAULT;
    job.macLength = digest.length;
    return 0;
  });
}
