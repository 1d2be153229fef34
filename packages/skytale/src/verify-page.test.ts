import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { verifyPage } from './verify-page.ts';

const hashOf = (text: string) => createHash('sha256').update(text).digest('hex');
const hashes = new Map([
  ['/', hashOf('the page')],
  ['/assets/a.js', hashOf('a script')],
]);

async function differencesOf(listener: RequestListener) {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    return await verifyPage(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, hashes);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const honest = (path: string | undefined) =>
  path === '/' || path?.startsWith('/r/') ? 'the page' : path === '/assets/a.js' ? 'a script' : undefined;

describe('a page that a server delivers', () => {
  it('is the installed one, or it is said which file is not', async () => {
    assert.deepEqual(await differencesOf(({ url }, response) => response.end(honest(url))), []);
    const lying = await differencesOf(({ url }, response) =>
      response.end(url?.startsWith('/r/') ? 'another page' : honest(url)),
    );
    assert.deepEqual(lying, [{ path: '/r/AAAAAAAAAAAAAAAAAAAAAA', what: 'is another', answered: true }]);
  });

  it('is not fetched from elsewhere, not without end, and need not be there', async () => {
    const moved = await differencesOf((_request, response) =>
      response.writeHead(302, { location: 'http://127.0.0.1:9/' }).end(),
    );
    assert.match(moved[0]!.what, /^cannot be fetched/);
    assert.equal(moved[0]!.answered, false);
    const gone = await differencesOf((_request, response) => response.writeHead(404).end());
    assert.deepEqual(gone[0], { path: '/', what: 'is not there (status 404)', answered: true });
    const endless = await differencesOf((_request, response) => {
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536)));
      };
      response.on('drain', more);
      more();
    });
    assert.deepEqual(endless[0], { path: '/', what: 'is too long', answered: true });
  });
});
