/** Chromium for tests, on pages that a server of this process makes of modules of this repository. */
import { constants, readdirSync, readFileSync } from 'node:fs';
import { access, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { build, type Rolldown } from 'vite';
import type { Outcome } from './in-page-test.ts';

const program = '/usr/bin/chromium';

const flags = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-dev-shm-usage'],
  ...['--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
];

const standIns = {
  'node:test': join(import.meta.dirname, 'in-page-test.ts'),
  'node:assert/strict': join(import.meta.dirname, 'in-page-assert.ts'),
};

/** Files by their paths, that begin with `/`. */
type Files = ReadonlyMap<string, { readonly type: string; readonly body: string | Uint8Array }>;

/**
 * Bundles modules, each to `/NAME.js`; what they make workers of, too.
 * @param modules their absolute paths, by name
 */
export async function bundle(modules: Readonly<Record<string, string>>): Promise<Files> {
  const built = await build({
    configFile: false,
    root: import.meta.dirname,
    base: '/',
    logLevel: 'error',
    resolve: { alias: standIns },
    worker: { format: 'es' },
    build: {
      ...{ write: false, minify: false, target: 'esnext', modulePreload: false, emptyOutDir: false },
      rolldownOptions: { input: { ...modules }, output: { entryFileNames: '[name].js' } },
    },
  });
  const outputs = (Array.isArray(built) ? built : [built]) as Rolldown.RolldownOutput[];
  return new Map(
    outputs
      .flatMap(({ output }) => output)
      .map((file) => [
        `/${file.fileName}`,
        { type: 'text/javascript', body: file.type === 'chunk' ? file.code : file.source },
      ]),
  );
}

/**
 * A server on loopback of some files, and of an empty page for each `/NAME` of which there is a script `/NAME.js`. What is asked for by
 * WebSocket goes to a chat server.
 */
export class FileServer implements AsyncDisposable {
  readonly origin: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /**
   * Ends the waiting of requests for `/hold`, which are answered then, also those that come later: whoever asks in the way of old cannot do
   * anything meanwhile.
   */
  readonly letGo: () => void;
  /** Whether the chat server is reached. */
  isOnline = true;

  /** @param chatPort where the chat server listens for HTTP on this machine, if there is one */
  static async listen(files: Files, chatPort?: number): Promise<FileServer> {
    const hold = Promise.withResolvers<void>();
    const server = createServer(({ url = '/' }, response) => {
      const { pathname } = new URL(url, 'http://localhost');
      if (pathname === '/hold') {
        void hold.promise.then(() => response.end());
        return;
      }
      const file = files.get(pathname);
      if (file !== undefined) {
        response.writeHead(200, { 'content-type': file.type }).end(file.body);
      } else if (files.has(`${pathname}.js`)) {
        const page = `<!doctype html><link rel=icon href=data:><script type=module src="${pathname}.js"></script>`;
        response.writeHead(200, { 'content-type': 'text/html' }).end(page);
      } else {
        response.writeHead(404).end();
      }
    });
    server.listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    return new FileServer(server, chatPort, hold.resolve);
  }

  private constructor(server: Server, chatPort: number | undefined, letGo: () => void) {
    this.letGo = letGo;
    this.#server = server;
    server.on('upgrade', (request: IncomingMessage, socket: Socket) => {
      if (chatPort === undefined || !this.isOnline) socket.destroy();
      else this.#pass(request, socket, chatPort);
    });
    this.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** Cuts what goes to the chat server, and lets nothing through until it is online again. */
  goOffline(): void {
    this.isOnline = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  #pass({ url, rawHeaders }: IncomingMessage, socket: Socket, port: number): void {
    const upstream = connect(port, '127.0.0.1');
    const lines = rawHeaders.map((text, at) => (at % 2 === 0 ? `${text}: ` : `${text}\r\n`));
    upstream.write(`GET ${url} HTTP/1.1\r\n${lines.join('')}\r\n`);
    for (const [one, other] of [
      [socket, upstream],
      [upstream, socket],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => {});
      one.on('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.goOffline();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** A profile of Chromium's, which outlives the browser that uses it. */
export class Profile implements AsyncDisposable {
  readonly path: string;

  static async make(): Promise<Profile> {
    return new Profile(await mkdtemp(join(tmpdir(), 'skytale-profile-')));
  }

  private constructor(path: string) {
    this.path = path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** @throws {Error} if Chromium is not there, with what to do */
export async function openBrowser(profile: Profile): Promise<BrowserContext> {
  await access(program, constants.X_OK).catch(() => {
    throw new Error(`${program} is not there: install it, on Debian by "apt-get install chromium"`);
  });
  return await chromium.launchPersistentContext(profile.path, {
    executablePath: program,
    ignoreDefaultArgs: true,
    args: [...flags, `--user-data-dir=${profile.path}`, '--remote-debugging-pipe', 'about:blank'],
  });
}

/** Kills Chromium, all processes of it, in the middle of what they do; and waits until they are gone. */
export async function killBrowser(context: BrowserContext, profile: Profile): Promise<void> {
  const closed = new Promise((resolve) => context.once('close', resolve));
  const mark = `--user-data-dir=${profile.path}`;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const isOurs = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(mark);
      if (isOurs) process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It is gone.
    }
  }
  await closed;
}

/** Opens a page, of which errors that nobody catches, and what it logs as errors, end up in `problems`. */
export async function openPage(
  context: BrowserContext,
  url: string,
): Promise<{ page: Page; problems: string[] }> {
  const page = await context.newPage();
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(error.stack ?? error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text());
  });
  await page.goto(url);
  return { page, problems };
}

/**
 * Runs the tests that a page's script defines; each becomes a subtest.
 * @param page of a script that calls `runAll` in `globalThis.runTests`
 */
export async function runTestsOf(t: TestContext, page: Page): Promise<void> {
  const outcomes = (await page.evaluate('runTests()')) as Outcome[];
  if (outcomes.length === 0) throw new Error('the page has defined no test');
  for (const { path, error } of outcomes) {
    await t.test(path.join(' › '), () => {
      if (error !== undefined) throw new Error(error);
    });
  }
}
