/** Chromium on a page whose modules are this repository's TypeScript, as it is. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { stripTypeScriptTypes } from 'node:module';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { TemporaryDirectory } from './directory.ts';

const root = join(import.meta.dirname, '../..');

/** Where modules that are named, not located, are; import maps do not reach workers. */
const packages: Record<string, string> = {
  v86: '/node_modules/v86/build/libv86.mjs',
  '@skytale/virtio': '/packages/virtio/src/index.ts',
  '@skytale/v86-host': '/packages/v86-host/src/index.ts',
};

const flags = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-dev-shm-usage'],
  ...['--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  '--disable-crash-reporter',
];

const program = '/usr/bin/chromium';

/** Why there is no Chromium, or false. */
export function missingChromium(): string | false {
  try {
    accessSync(program, constants.X_OK);
    return false;
  } catch {
    return `${program} is not there: install it, on Debian by "apt-get install chromium"`;
  }
}

/**
 * Opens a page that runs `module`, which finds `data` below `/data/`, and resolves with what it reports: the body of
 * a POST to `/report`.
 */
export async function runInChromium(
  module: string,
  data: Readonly<Record<string, Uint8Array | string>>,
): Promise<string> {
  using profile = new TemporaryDirectory();
  const { promise: report, resolve, reject } = Promise.withResolvers<string>();
  const server = createServer(async (request, response) => {
    try {
      if (request.method === 'POST') resolve((await buffer(request)).toString());
      serve(request, response, module, data);
    } catch (error) {
      reject(error);
      response.writeHead(404).end();
    }
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const browser = spawn(program, [...flags, `--user-data-dir=${profile.path}`, `http://127.0.0.1:${port}/`], {
    stdio: 'ignore',
    detached: true, // a process group of its own, to end all of it
  });
  const ended = once(browser, 'exit');
  ended.then(([status]) => reject(new Error(`Chromium ended with status ${status}`)), reject);
  try {
    return await report;
  } finally {
    // Asked politely, it waits for its children, which otherwise would be nobody's.
    const timer = setTimeout(() => process.kill(-browser.pid!, 'SIGKILL'), 10_000);
    browser.kill('SIGTERM');
    await ended;
    clearTimeout(timer);
    server.closeAllConnections();
    server.close();
  }
}

const types: Record<string, string> = {
  '.ts': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
};

function serve(
  { url = '/' }: IncomingMessage,
  response: ServerResponse,
  module: string,
  data: Readonly<Record<string, Uint8Array | string>>,
): void {
  if (url === '/') {
    response.writeHead(200, { 'content-type': 'text/html' });
    response.end(`<!doctype html><link rel=icon href=data:><script type=module src="/${module}"></script>`);
  } else if (url === '/report') {
    response.writeHead(204).end();
  } else if (url.startsWith('/data/')) {
    response.writeHead(200).end(data[url.slice('/data/'.length)]);
  } else {
    const type = types[extname(url)];
    const content = readFileSync(join(root, new URL(url, 'http://localhost').pathname));
    response.writeHead(200, { 'content-type': type ?? 'application/octet-stream' });
    response.end(extname(url) === '.ts' ? javascript(content.toString()) : content);
  }
}

function javascript(source: string): string {
  return stripTypeScriptTypes(source).replaceAll(/ from '([^'.][^']*)'/g, (whole, name: string) =>
    packages[name] === undefined ? whole : ` from '${packages[name]}'`,
  );
}
