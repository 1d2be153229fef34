import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { expositionText, metricsOf, serveMetrics } from './metrics.ts';

const transport = {
  ...{ connections: 1, messages: 2, refused: 3, protocolErrors: 4, broken: 5 },
  ...{ kicks: 6, calls: 7, readableBytes: 8, writableBytes: 9 },
};
const metrics = metricsOf({ requests: 10, errors: 11, bytes: 12, sessions: 13, transport });

describe('metrics', () => {
  it('are written as Prometheus reads them, whatever is in a label', () => {
    const [metric] = metrics;
    assert.equal(
      expositionText([metric!], { model: 'virtio-crypto', socket: '/a "b"\\c\nd' }),
      '# HELP skytale_device_requests_total Requests of guests.\n' +
        '# TYPE skytale_device_requests_total counter\n' +
        'skytale_device_requests_total{model="virtio-crypto",socket="/a \\"b\\"\\\\c\\nd"} 10\n',
    );
  });

  it('are served to few at a time, so that idle connections take nothing from the device', async () => {
    await using server = await serveMetrics({ host: '127.0.0.1', port: 0 }, () => 'metric 1\n');
    const port = Number(new URL(server.url).port);
    const idle = Array.from({ length: 16 }, () => connect(port, '127.0.0.1'));
    await Promise.all(idle.map((socket) => once(socket, 'connect')));
    const refused = connect(port, '127.0.0.1').resume();
    await once(refused, 'close');
    idle[0]!.destroy();
    const ask = () => fetch(server.url, { headers: { connection: 'close' } }).then((answer) => answer.text());
    let answer: string | undefined;
    while (answer === undefined) answer = await ask().catch(() => undefined);
    assert.equal(answer, 'metric 1\n');
    for (const socket of idle) socket.destroy();
  });

  it('have names of their own, and are all documented', () => {
    const page = readFileSync(new URL('../../../../docs/virtual-machines.md', import.meta.url), 'utf8');
    const documented = [...page.matchAll(/^\| `(skytale_\w+)`/gm)].map(([, name]) => name);
    assert.deepEqual(
      metrics.map(({ name }) => name),
      documented,
    );
    assert.equal(new Set(metrics.map(({ value }) => value)).size, metrics.length);
  });
});
