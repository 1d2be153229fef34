/** A certificate for tests, made for each run. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TlsSettings } from './settings.ts';

/** Of `localhost`, signed by itself. */
export function newCertificate(): TlsSettings {
  const directory = mkdtempSync(join(tmpdir(), 'skytale-tls-'));
  try {
    const [key, cert] = [join(directory, 'key'), join(directory, 'cert')];
    const command =
      'req -x509 -newkey ed25519 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=DNS:localhost';
    execFileSync('openssl', [...command.split(' '), '-keyout', key, '-out', cert], { stdio: 'ignore' });
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  } finally {
    rmSync(directory, { recursive: true });
  }
}
