/**
 * Loaded into the process of every test file. What a test leaves open (after a failure above all: a server that listens,
 * a client that waits) would keep the process, and with it the whole run, from ever ending; here it ends a while after
 * the last test, as a failure that says what was open.
 */
import { after } from 'node:test';

/** Enough for sockets and workers that are closing when the last test returns. */
const GRACE_MS = 10_000;

after(() => {
  setTimeout(() => {
    const open = process.getActiveResourcesInfo().join(', ');
    console.error(`The tests left something open, so their process did not end by itself: ${open}.`);
    process.exit(1);
  }, GRACE_MS).unref();
});
