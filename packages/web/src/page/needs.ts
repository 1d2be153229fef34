/** What the page needs of a browser, and why it does not run without. */

export type Missing =
  /** Plain HTTP from another machine: the browser keeps everything from the page that encryption and storage need. */
  { readonly kind: 'insecure'; readonly origin: string } | { readonly kind: 'old'; readonly what: string };

/** What is missing, or `undefined`. */
export function missingOf(window: Window & typeof globalThis): Missing | undefined {
  if (!window.isSecureContext) return { kind: 'insecure', origin: window.location.origin };
  const what = (
    [
      ['crypto', 'encryption (Web Crypto)'],
      ['indexedDB', 'storage (IndexedDB)'],
      ['Worker', 'background work (Workers)'],
      ['WebSocket', 'connections (WebSocket)'],
      ['BroadcastChannel', 'talk between tabs (BroadcastChannel)'],
    ] as const
  ).find(([name]) => window[name] === undefined)?.[1];
  if (what !== undefined) return { kind: 'old', what };
  return window.navigator.locks === undefined
    ? { kind: 'old', what: 'locks between tabs (Web Locks)' }
    : undefined;
}
