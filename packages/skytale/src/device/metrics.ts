/** Counters for Prometheus, in its text format 0.0.4, over HTTP. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type Address, formatAddress } from '../setting-values.ts';
import type { CryptoCounters } from './served-crypto.ts';

export type Metric = {
  readonly name: string;
  readonly type: 'counter' | 'gauge';
  readonly help: string;
  readonly value: number;
};

/** The counters by the names that docs/virtual-machines.md lists. */
export function metricsOf({ requests, errors, bytes, sessions, transport }: CryptoCounters): Metric[] {
  const counter = (name: string, help: string, value: number): Metric => ({
    name: `skytale_${name}_total`,
    type: 'counter',
    help,
    value,
  });
  return [
    counter('device_requests', 'Requests of guests.', requests),
    counter('device_errors', 'Requests answered with an error.', errors),
    counter('device_bytes', 'Bytes of source data of operations that succeeded.', bytes),
    { name: 'skytale_device_sessions', type: 'gauge', help: 'Sessions open now.', value: sessions },
    counter('vhost_user_connections', 'Virtual machines that attached.', transport.connections),
    counter('vhost_user_messages', 'Messages of virtual machine monitors.', transport.messages),
    counter('vhost_user_refused', 'Messages that were refused.', transport.refused),
    counter(
      'vhost_user_protocol_errors',
      'Connections ended because of a wrong message.',
      transport.protocolErrors,
    ),
    counter('vhost_user_broken', 'Times that a driver broke its device.', transport.broken),
    counter('vhost_user_kicks', 'Notifications from drivers.', transport.kicks),
    counter('vhost_user_calls', 'Interrupts to drivers.', transport.calls),
    counter('vhost_user_readable_bytes', 'Bytes that drivers gave to read.', transport.readableBytes),
    counter('vhost_user_writable_bytes', 'Bytes that drivers gave room for.', transport.writableBytes),
  ];
}

/** The text that Prometheus reads; every metric has these labels. */
export function expositionText(metrics: readonly Metric[], labels: Readonly<Record<string, string>>): string {
  const written = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return metrics
    .map(
      ({ name, type, help, value }) =>
        `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name}{${written.join(',')}} ${value}\n`,
    )
    .join('');
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

export type MetricsServer = AsyncDisposable & {
  /** Where it answers. */
  readonly url: string;
};

/** Connections at one time: one Prometheus has one. Others are closed at once. */
const mostConnections = 16;
/** How long a request may take to come. */
const requestWithinMs = 10_000;
/** All header lines of a request, in bytes. */
const mostHeaderBytes = 8 * 1024;
/** How long a connection is kept for the next request. */
const idleWithinMs = 5_000;

/**
 * Answers `GET /metrics` with what `text` returns.
 * @throws {Error} of the system, such as EADDRINUSE, if it cannot listen there
 */
export async function serveMetrics(address: Address, text: () => string): Promise<MetricsServer> {
  const limits = {
    maxHeaderSize: mostHeaderBytes,
    headersTimeout: requestWithinMs,
    requestTimeout: requestWithinMs,
    keepAliveTimeout: idleWithinMs,
  };
  const server = createServer(limits, (request, response) => answer(request, response, text));
  server.maxConnections = mostConnections;
  const listening = Promise.withResolvers<void>();
  // Later ones too, as where the system has no descriptor for a connection: without a listener they end the process.
  server.on('error', listening.reject);
  server.listen(address.port, address.host, listening.resolve);
  await listening.promise;
  const { port } = server.address() as { port: number };
  return {
    url: `http://${formatAddress({ ...address, port })}/metrics`,
    async [Symbol.asyncDispose]() {
      const { promise, resolve } = Promise.withResolvers<void>();
      server.close(() => resolve());
      server.closeAllConnections();
      await promise;
    },
  };
}

function answer(request: IncomingMessage, response: ServerResponse, text: () => string): void {
  if (request.url?.split('?')[0] !== '/metrics') {
    response.writeHead(404, plain).end('There is nothing but /metrics here.\n');
  } else if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { ...plain, Allow: 'GET, HEAD' }).end();
  } else {
    response.writeHead(200, { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text());
  }
}

const plain = { 'Content-Type': 'text/plain; charset=utf-8' };
