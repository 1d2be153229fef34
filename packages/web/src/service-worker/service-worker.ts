/**
 * The page's own files, kept so that it opens without the server; nothing else is kept, and nothing of what is said passes here. The
 * build puts this into `service-worker.js`, behind the names of the files.
 */
/// <reference lib="webworker" />

/** Paths of the shell, first of all `/`; and what tells this build from another. */
declare const SHELL: readonly string[];
declare const BUILD: string;

const worker = globalThis as unknown as ServiceWorkerGlobalScope;
const PREFIX = 'skytale-shell-';
/** A server that does not answer within this time, in milliseconds, is as good as gone. */
const PATIENCE_MS = 4000;

worker.addEventListener('install', (event) => {
  event.waitUntil(
    caches
      .open(PREFIX + BUILD)
      .then((cache) => cache.addAll(SHELL.map((path) => new Request(path, { cache: 'no-cache' }))))
      .then(() => worker.skipWaiting()),
  );
});

worker.addEventListener('activate', (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => names.filter((name) => name.startsWith(PREFIX) && name !== PREFIX + BUILD))
      .then((old) => Promise.all(old.map((name) => caches.delete(name))))
      .then(() => worker.clients.claim()),
  );
});

worker.addEventListener('fetch', (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== 'GET' || origin !== worker.location.origin) return;
  if (request.mode === 'navigate') {
    // The address may hold a secret behind its "#": it is used for nothing here.
    if (pathname === '/' || pathname.startsWith('/r/')) event.respondWith(shell(request));
  } else if (SHELL.includes(pathname)) {
    event.respondWith(caches.match(pathname).then((kept) => kept ?? fetch(request)));
  }
});

/** What the server has now; without it, what is kept. */
async function shell(request: Request): Promise<Response> {
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), PATIENCE_MS);
  try {
    const fresh = await fetch(request, { signal: patience.signal });
    if (fresh.ok) return fresh;
    return (await caches.match('/')) ?? fresh;
  } catch (error) {
    const kept = await caches.match('/');
    if (kept === undefined) throw error;
    return kept;
  } finally {
    clearTimeout(timer);
  }
}
