/** Chromium, driven as a person would, for tests of the page. */
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';

const flags = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-dev-shm-usage', '--no-first-run'],
  ...[
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--disable-crash-reporter',
  ],
  // A name that is not this machine's own: pages from there are no secure context.
  '--host-resolver-rules=MAP chat.example 127.0.0.1',
];

/** How long a test waits for anything on a page, in milliseconds. */
const PATIENCE_MS = 20_000;

export const screens = {
  desktop: { viewport: { width: 1180, height: 760 } },
  phone: { viewport: { width: 390, height: 780 }, isMobile: true, hasTouch: true },
} as const;

/** A browser whose people each have a profile of their own. Disposing of it ends it. */
export class WebBrowser implements AsyncDisposable {
  readonly #browser: Browser;

  private constructor(browser: Browser) {
    this.#browser = browser;
  }

  static async launch(): Promise<WebBrowser> {
    return new WebBrowser(await chromium.launch({ executablePath: '/usr/bin/chromium', args: flags }));
  }

  /** A new profile: nothing of the others' storage. */
  async profile(options: Parameters<Browser['newContext']>[0] = screens.desktop): Promise<Profile> {
    const context = await this.#browser.newContext({ reducedMotion: 'reduce', ...options });
    context.setDefaultTimeout(PATIENCE_MS);
    return new Profile(context);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
  }
}

export class Profile implements AsyncDisposable {
  readonly context: BrowserContext;
  /** What pages complained of: errors that nobody caught, and what their policy refused. */
  readonly complaints: string[] = [];

  constructor(context: BrowserContext) {
    this.context = context;
  }

  /** @param before runs in the page before its own scripts */
  async open(url: string, before?: string): Promise<Page> {
    const page = await this.context.newPage();
    page.on('pageerror', (error) => this.complaints.push(String(error)));
    page.on('console', (message) => {
      if (
        message.type() === 'error' &&
        !/net::ERR_|Failed to load resource|WebSocket connection|Cross-Origin-Opener-Policy/.test(
          message.text(),
        )
      ) {
        this.complaints.push(message.text());
      }
    });
    if (before !== undefined) await page.addInitScript(before);
    await page.goto(url);
    return page;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.context.close();
  }
}
