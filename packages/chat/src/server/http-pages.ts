import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';

const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Skytale</title>
<p>This is a Skytale chat server. It carries end-to-end encrypted messages that it cannot read.</p>
<p>To join a room you need an invite link from one of its members: <code>skytale chat INVITE</code></p>
</html>
`;

/**
 * Answers plain HTTP: a page that says what this is, and /healthz for monitoring. One request, then the connection ends.
 * @param refusalOf why a request's connection is not to be served, if so
 */
export function answerHttp(
  healthy: () => boolean,
  refusalOf: (request: IncomingMessage) => string | undefined,
): RequestListener {
  return (request: IncomingMessage, response: ServerResponse) => {
    response.setHeader('Connection', 'close');
    response.setHeader('X-Content-Type-Options', 'nosniff');
    response.setHeader('Content-Security-Policy', "default-src 'none'");
    const path = request.url?.split('?', 1)[0];
    const refusal = refusalOf(request);
    if (refusal !== undefined) {
      send(response, 503, 'text/plain', `${refusal}\n`);
    } else if (request.method !== 'GET' && request.method !== 'HEAD') {
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
