/** The built page in memory, with the headers that go with each file: for whoever serves it over HTTP. Runs on Node, knows no server. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A file of the page as it is served. */
export type WebAsset = {
  readonly body: Uint8Array;
  /** The same in Brotli, of what is worth it. */
  readonly brotli: Uint8Array | undefined;
  readonly headers: Readonly<Record<string, string>>;
  /** In double quotes. */
  readonly etag: string;
};

export type WebAssets = {
  /** The hash of every file, by its path: what `verify-web` compares. Hexadecimal SHA-256. */
  readonly hashes: ReadonlyMap<string, string>;
  /** @param path without the query; the page itself is `/` and `/r/ROOM` */
  get(path: string): WebAsset | undefined;
};

/** What `assets.json` says of a file. */
export type AssetEntry = {
  /** From the root of the origin; `/` is the page itself. */
  readonly path: string;
  /** Below the directory of the build. */
  readonly file: string;
  /** Hexadecimal. */
  readonly sha256: string;
  /** In bytes. */
  readonly size: number;
  readonly type: string;
};

/** Of all files together, in bytes. A build far above that is none of ours. */
const MAX_TOTAL_BYTES = 8 * 1024 * 1024;

const roomPage = /^\/r\/[\w-]{22}\/?$/;

/** Scripts come from files of this origin alone, and nothing makes script or markup of a text. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self'",
  "worker-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  'trusted-types skytale',
].join('; ');

/** A worker has the policy of its own script: WebAssembly is for it alone. */
const WORKER_POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "connect-src 'self'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

/** Everything else is no document; opened as one, it may do nothing. */
const FILE_POLICY = "default-src 'none'; frame-ancestors 'none'";

const common = {
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy':
    'camera=(), microphone=(), geolocation=(), payment=(), usb=(), serial=(), hid=(), display-capture=()',
} as const;

/** The directory that `build.ts` writes. */
export const builtPage: string = join(import.meta.dirname, '../dist');

/**
 * Reads the page into memory, once.
 * @returns `undefined` if it was never built
 * @throws {Error} if a file is not what the build wrote
 */
export function webAssets(directory = builtPage): WebAssets | undefined {
  if (!existsSync(join(directory, 'assets.json'))) return undefined;
  const entries = readEntries(directory);
  const total = entries.reduce((sum, { size }) => sum + size, 0);
  if (total > MAX_TOTAL_BYTES) throw new Error(`${directory}: ${total} bytes are too many for the page.`);
  const assets = new Map(entries.map((entry) => [entry.path, readAsset(directory, entry)]));
  const shell = assets.get('/');
  if (shell === undefined) throw damaged(directory, 'assets.json');
  return {
    hashes: new Map(entries.map(({ path, sha256 }) => [path, sha256])),
    get: (path) => (roomPage.test(path) ? shell : assets.get(path)),
  };
}

/** What is written of each file of the page. */
export function readEntries(directory: string): readonly AssetEntry[] {
  return JSON.parse(readFileSync(join(directory, 'assets.json'), 'utf8')) as AssetEntry[];
}

function readAsset(directory: string, { path, file, sha256, type }: AssetEntry): WebAsset {
  const body = readFileSync(join(directory, file));
  if (createHash('sha256').update(body).digest('hex') !== sha256) throw damaged(directory, file);
  const packed = join(directory, `${file}.br`);
  return {
    body,
    brotli: existsSync(packed) ? readFileSync(packed) : undefined,
    etag: `"${sha256.slice(0, 32)}"`,
    headers: {
      ...common,
      'Content-Type': type,
      'Content-Security-Policy': policyOf(path),
      // What has its hash in its name never changes; everything else is asked for again.
      'Cache-Control': path.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
    },
  };
}

function policyOf(path: string): string {
  if (path === '/') return PAGE_POLICY;
  return /worker[^/]*\.js$/.test(path) ? WORKER_POLICY : FILE_POLICY;
}

function damaged(directory: string, file: string): Error {
  return new Error(
    `${join(directory, file)} is not what the build wrote. Build the page again: node packages/web/build.ts`,
  );
}
