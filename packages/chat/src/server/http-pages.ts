import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { AdmittedSocket } from './sockets.ts';
import type { WebPage, WebPages } from './web-pages.ts';

const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Skytale</title>
<p>This is a Skytale chat server. It carries end-to-end encrypted messages that it cannot read.</p>
<p>To join a room you need an invite link from one of its members: <code>skytale chat INVITE</code></p>
</html>
`;

interface HttpParts {
  /** Whether a connection has one client: a proxy may send those of many over one, and each has to be counted for its own. */
  readonly keepAlive: boolean;
  readonly healthy: () => boolean;
  /** The socket of a request, counted for who sends it; `undefined` if it is closed. */
  readonly admittedOf: (request: IncomingMessage) => AdmittedSocket | undefined;
  /** Without them there is one page, that says what this is. */
  readonly pages: WebPages | undefined;
}

/**
 * Answers plain HTTP: the page for browsers, and /healthz for monitoring. A connection goes on only after a file of the page, of
 * which browsers fetch several; it ends after every other answer, and where a request brings more than its header.
 */
export function answerHttp({ keepAlive, healthy, admittedOf, pages }: HttpParts): RequestListener {
  return (request: IncomingMessage, response: ServerResponse) => {
    const path = request.url?.split('?', 1)[0] ?? '';
    const admitted = admittedOf(request);
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    const found = isRead && admitted?.refusal === undefined ? pages?.get(path) : undefined;
    if (found !== undefined) {
      admitted?.isAnswered();
      if (!keepAlive || hasBody(request)) response.setHeader('Connection', 'close');
      sendPage(request, response, found);
      return;
    }
    response.setHeader('Connection', 'close');
    response.setHeader('X-Content-Type-Options', 'nosniff');
    response.setHeader('Content-Security-Policy', "default-src 'none'");
    if (admitted?.refusal !== undefined) {
      send(response, 503, 'text/plain', `${admitted.refusal}\n`);
    } else if (!isRead) {
      response.setHeader('Allow', 'GET, HEAD');
      send(response, 405, 'text/plain', 'Only GET and HEAD are answered here.\n');
    } else if (path === '/healthz') {
      response.setHeader('Cache-Control', 'no-store');
      if (healthy()) send(response, 200, 'text/plain', 'ok\n');
      else send(response, 503, 'text/plain', 'stopping, or the message log has failed\n');
    } else if (path === '/') {
      send(response, 200, 'text/html', page);
    } else if (path === '/ws') {
      response.setHeader('Upgrade', 'websocket');
      send(response, 426, 'text/plain', 'This is for WebSocket.\n');
    } else {
      send(response, 404, 'text/plain', 'There is no such page.\n');
    }
  };
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    'Content-Type': `${type}; charset=utf-8`,
    'Content-Length': Buffer.byteLength(body),
  });
  response.end(response.req.method === 'HEAD' ? undefined : body);
}

/** What comes with a request is of no use, and there may be any amount: it would be read to its end where the connection goes on. */
function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

function sendPage({ method, headers }: IncomingMessage, response: ServerResponse, page: WebPage): void {
  // A proxy that compresses makes them weak; here that is the same (RFC 9110, 13.1.2).
  const known = headers['if-none-match']?.split(',').map((etag) => etag.trim().replace(/^W\//, '')) ?? [];
  const packed = takesBrotli(headers['accept-encoding']) ? page.brotli : undefined;
  const body = packed ?? page.body;
  for (const [name, value] of Object.entries(page.headers)) response.setHeader(name, value);
  response.setHeader('ETag', page.etag);
  response.setHeader('Vary', 'Accept-Encoding');
  if (known.includes(page.etag)) {
    response.writeHead(304).end();
    return;
  }
  if (packed !== undefined) response.setHeader('Content-Encoding', 'br');
  response.setHeader('Content-Length', body.length);
  response.writeHead(200).end(method === 'HEAD' ? undefined : body);
}

/** RFC 9110, 12.5.3, as far as browsers use it. */
function takesBrotli(accepted: string | string[] | undefined): boolean {
  return /(^|[,\s])br(?!\s*;\s*q=0(\.0+)?\s*(,|$))/i.test(String(accepted ?? ''));
}
