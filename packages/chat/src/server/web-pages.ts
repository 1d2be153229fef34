/** What a server hands out over HTTP besides its own few answers: the page for browsers, which is no part of this package. */
export interface WebPages {
  /** @param path without the query; `undefined` where there is no such page */
  get(path: string): WebPage | undefined;
}

/** One file of it. The bytes are in memory once, for all who ask. */
export interface WebPage {
  readonly body: Uint8Array;
  /** The same in Brotli (RFC 7932), for those who take that: every browser, where the page is of use to it. */
  readonly brotli?: Uint8Array | undefined;
  /** Content type, security policy, caching: all but what depends on the request. */
  readonly headers: Readonly<Record<string, string>>;
  /** Names these bytes, in double quotes (RFC 9110, 8.8.3). */
  readonly etag: string;
}
