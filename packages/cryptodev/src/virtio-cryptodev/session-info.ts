/** CIOCGSESSINFO: what a session's algorithms are called (6.6). */
import type { Session } from './session.ts';
import { kernelDriverOnly, type SessionInfo } from './wire.ts';

/** @param engine what does the work, as it is to appear in the driver names */
export function sessionInfo(session: Session, engine: string): SessionInfo {
  const cipherName = session.cipherEntry?.linuxName ?? '';
  const hashName = session.macEntry?.linuxName ?? '';
  return {
    cipherName,
    cipherDriverName: driverName(cipherName, engine),
    hashName,
    hashDriverName: driverName(hashName, engine),
    alignMask: 0,
    flags: kernelDriverOnly,
  };
}

/** As Linux does it: `cbc(aes)` by `openssl` is `cbc-aes-openssl`. */
function driverName(name: string, engine: string): string {
  return name === '' ? '' : `${name.replaceAll(/[(),]+/g, '-').replace(/-$/, '')}-${engine}`;
}
