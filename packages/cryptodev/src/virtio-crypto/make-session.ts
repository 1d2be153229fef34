import type { Completion } from '../completion.ts';
import { CryptoError } from '../crypto-error.ts';
import type { Engine } from '../engine.ts';
import { AeadSession } from './aead-session.ts';
import { AkcipherSession } from './akcipher-session.ts';
import { ChainSession } from './chain-session.ts';
import { CipherSession } from './cipher-session.ts';
import { DigestSession } from './digest-session.ts';
import type { Session } from './session.ts';
import type { SessionPlan } from './session-plan.ts';
import { status } from './wire.ts';

/**
 * Makes a session; its keys must stay as they are until it is made.
 * @returns it, or the status that says why there is none; it never throws or rejects
 */
export function makeSession(engine: Engine, plan: SessionPlan): Completion<Session | number> {
  try {
    const made = make(engine, plan);
    return made instanceof Promise ? made.catch(statusOf) : made;
  } catch (error) {
    return statusOf(error);
  }
}

function make(engine: Engine, plan: SessionPlan): Completion<Session | number> {
  switch (plan.kind) {
    case 'cipher':
      return CipherSession.create(engine, plan);
    case 'hash':
    case 'mac':
      return DigestSession.create(engine, plan);
    case 'chain':
      return ChainSession.create(engine, plan);
    case 'aead':
      return AeadSession.create(engine, plan);
    case 'akcipher':
      return AkcipherSession.create(engine, plan);
  }
}

/** The status that says what an engine threw. */
export function statusOf(error: unknown): number {
  if (!(error instanceof CryptoError)) return status.ERR;
  switch (error.code) {
    case 'CRYPTO_UNKNOWN_ALGORITHM':
    case 'CRYPTO_WRONG_OPERATION':
      return status.NOTSUPP;
    case 'CRYPTO_AUTHENTICATION_FAILED':
      return status.BADMSG;
    default:
      return status.ERR;
  }
}
