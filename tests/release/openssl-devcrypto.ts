/**
 * OpenSSL on /dev/crypto, by an engine that others wrote: OpenSSL 3.0 of Debian's source package with `devcrypto`,
 * in a guest with our driver and device. Its ciphers both ways and its digests have to give the answers of the host's
 * OpenSSL, TLS servers that fork serve clients at the same time, and `openssl speed` runs in eight processes. Run it
 * before a release: the first run builds OpenSSL, ten minutes on two cores; later ones take three.
 *
 *   npx node tests/release/openssl-devcrypto.ts
 *
 * It prints what it found as tables, and fails if anything was wrong.
 */
import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import { cp, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { debianKernel, type Guest, runInTree } from '@skytale/vm';
import { TemporaryDirectory } from '../support/directory.ts';
import { type CryptodevGuest, GuestBuild, launchCryptodevGuest } from '../support/guest-driver.ts';
import { openSsl, openSslTree } from './openssl-build.ts';

/** By the engine's names: OpenSSL's, which are Node's too, and the bytes of key and IV */
const ciphers: Record<string, readonly [name: string, key: number, iv: number]> = {
  'DES-EDE3-CBC': ['des-ede3-cbc', 24, 8],
  'AES-128-CBC': ['aes-128-cbc', 16, 16],
  'AES-192-CBC': ['aes-192-cbc', 24, 16],
  'AES-256-CBC': ['aes-256-cbc', 32, 16],
  'AES-128-CTR': ['aes-128-ctr', 16, 16],
  'AES-192-CTR': ['aes-192-ctr', 24, 16],
  'AES-256-CTR': ['aes-256-ctr', 32, 16],
  'AES-128-ECB': ['aes-128-ecb', 16, 0],
  'AES-192-ECB': ['aes-192-ecb', 24, 0],
  'AES-256-ECB': ['aes-256-ecb', 32, 0],
};
const digests = ['MD5', 'SHA1', 'RIPEMD160', 'SHA224', 'SHA256', 'SHA384', 'SHA512'];
/** Bytes of data: none, around a block, within and over a page, more than is copied, more than one request of any size. */
const sizes = [0, 1, 15, 16, 4096, 100_001, 1 << 20];
/** Suites of TLS 1.2 whose ciphers the engine has; GCM it has not. */
const suites = [
  'ECDHE-ECDSA-AES128-SHA',
  'ECDHE-ECDSA-AES256-SHA',
  'ECDHE-ECDSA-AES128-SHA256',
  'ECDHE-ECDSA-AES256-SHA384',
];
const [workers, connections, speedProcesses] = [4, 12, 8];
