import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { expositionText, metricsOf } from './metrics.ts';

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
