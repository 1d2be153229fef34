/** Certificates: those to trust, and whom a server's own one is for. */
import { X509Certificate } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { CommandError, UsageError } from './command-error.ts';
import { readGivenFile } from './given-file.ts';
import { displayLine } from './safe-text.ts';

const PEM = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]*-----END [A-Z0-9 ]*CERTIFICATE-----/g;

/**
 * The authorities of the setting ca-file, as the chat client takes them. OpenSSL would step over what it cannot read.
 * @throws {UsageError} if the file cannot be read, or what is in it cannot
 */
export function caOf(settings: { readonly 'ca-file': string | undefined }): { ca?: string } {
  const file = settings['ca-file'];
  if (file === undefined) return {};
  const ca = readGivenFile('ca-file', file);
  const certificates = ca.match(PEM) ?? [];
  if (certificates.length === 0) {
    throw new UsageError(
      `--ca-file: ${file} has no certificate in it. It must be PEM ("-----BEGIN CERTIFICATE-----").`,
    );
  }
  for (const [index, text] of certificates.entries()) {
    try {
      new X509Certificate(text);
    } catch (cause) {
      throw new UsageError(`--ca-file: certificate ${index + 1} in ${file} is damaged.`, { cause });
    }
  }
  return { ca };
}

const interfaces = () => Object.values(networkInterfaces()).flatMap((found) => found ?? []);

/** An IPv4 address of this machine that others can reach, if it has one. */
export const outerAddress = (): string | undefined =>
  interfaces().find(({ internal, family }) => !internal && family === 'IPv4')?.address;

/**
 * A host by which a server on this machine can be reached under its certificate.
 * @param file the certificate, PEM; of a chain the first
 * @param wanted hosts that lead here, best first
 * @param find the addresses of a name
 * @throws {CommandError} if the certificate is for none of them, nor for another name that leads here
 */
export async function hostInCertificate(
  file: string,
  wanted: readonly string[],
  find: (name: string) => Promise<readonly string[]> = addressesOf,
): Promise<string> {
  const certificate = new X509Certificate(readFileSync(file));
  const fits = (host: string) =>
    isIP(host) === 0 ? certificate.checkHost(host) !== undefined : certificate.checkIP(host) !== undefined;
  const direct = wanted.find(fits);
  if (direct !== undefined) return direct;
  const names = [...(certificate.subjectAltName ?? '').matchAll(/DNS:([\w.-]+)(?=,|$)/g)].map(
    ([, name]) => name!,
  );
  const own = new Set(interfaces().map(({ address }) => address));
  for (const name of names) {
    const addresses = await find(name);
    if (addresses.some((address) => own.has(address))) return name;
  }
  throw new CommandError(
    `The certificate ${file} is for ${displayLine(certificate.subjectAltName ?? certificate.subject)}: none of these ` +
      `leads to this machine (${wanted.join(', ')}). Have one made for localhost or a name of this machine; or use ` +
      '"skytale serve", and "skytale invite --server tls://NAME:PORT" where NAME leads here.',
  );
}

async function addressesOf(name: string): Promise<readonly string[]> {
  try {
    return (await lookup(name, { all: true })).map(({ address }) => address);
  } catch {
    return [];
  }
}
