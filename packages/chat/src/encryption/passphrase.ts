import { type Bytes, utf8 } from '../bytes.ts';
import type { ChatCrypto } from '../crypto.ts';
import { InviteError } from './invite-error.ts';

export const SALT_BYTES = 16;
/** Of a passphrase for a new room, in characters: Argon2id slows guessing down, it cannot make up for "1234". */
export const MIN_PASSPHRASE = 8;

/** RFC 9106 section 4, second recommended option, on one lane; in KiB. About 0.15 s. Part of the link's version. */
const COST = { memory: 64 * 1024, passes: 3, parallelism: 1 } as const;

/**
 * The room secret that a passphrase stands for. Composed and decomposed accents are the same passphrase (Unicode
 * form NFC); everything else counts, spaces and case too.
 */
export async function stretchPassphrase(
  crypto: ChatCrypto,
  passphrase: string,
  salt: Uint8Array,
): Promise<Bytes> {
  const bytes = utf8(passphrase.normalize('NFC'));
  try {
    return await crypto.argon2id(bytes, salt, COST);
  } finally {
    bytes.fill(0);
  }
}

/** @throws {InviteError} INVITE_PASSPHRASE_TOO_SHORT */
export function checkNewPassphrase(passphrase: string): void {
  const length = [...passphrase.normalize('NFC')].length;
  if (length < MIN_PASSPHRASE) {
    throw new InviteError(
      'INVITE_PASSPHRASE_TOO_SHORT',
      `A passphrase of ${length} characters is too short; take ${MIN_PASSPHRASE} or more, best several words.`,
    );
  }
}
