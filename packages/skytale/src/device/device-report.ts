/** What `skytale device` tells while it runs: a log for people, or lines of JSON for programs. */
import type { BackendEvent } from '@skytale/vhost-user';
import { VIRTIO_F_VERSION_1 } from '@skytale/virtio';
import type { Log } from '../log.ts';
import { writeOut } from '../stdio.ts';
import { table } from '../table.ts';
import { lineWidth } from '../terminal/terminal-size.ts';
import { featureNames, protocolFeatureNames } from './feature-names.ts';
import { metricsOf } from './metrics.ts';
import type { ModelName } from './models.ts';
import { commandLines, type QemuAdvice } from './qemu-advice.ts';
import type { CryptoCounters } from './served-crypto.ts';

export interface DeviceReport {
  event(event: BackendEvent): void;
  /** Once, when it listens: how a virtual machine gets the device, and where the metrics are. */
  ready(ready: Ready): Promise<void>;
  counters(counters: CryptoCounters): Promise<void>;
}

export type Ready = {
  readonly model: ModelName;
  readonly engine: string;
  readonly socket: string;
  readonly queues: number;
  readonly qemu: QemuAdvice;
  readonly metricsUrl: string | undefined;
};

/** One object a line, on standard output. */
export function jsonReport(model: ModelName): DeviceReport {
  const write = (object: object) => writeOut(`${JSON.stringify(object)}\n`).catch(() => {});
  return {
    event: (event) => void write({ ...event, ...namesIn(event, model) }),
    async ready({ qemu, metricsUrl }) {
      if (metricsUrl !== undefined) await write({ event: 'metrics', url: metricsUrl });
      await write({ event: 'qemu', ...qemu });
    },
    counters: (counters) => write({ event: 'counters', ...counters }),
  };
}

function namesIn(event: BackendEvent, model: ModelName): object {
  if (event.event !== 'features') return {};
  return {
    names: featureNames(model, BigInt(event.features)),
    protocolNames: protocolFeatureNames(BigInt(event.protocolFeatures)),
  };
}

/** Instructions and counters on standard output, events in the log. */
export function textReport(model: ModelName, { logger }: Log): DeviceReport {
  return {
    event: (event) => logEvent(event, model, logger),
    ready: (ready) => writeOut(instructions(ready)).catch(() => {}),
    counters: (counters) => writeOut(`${counterTable(counters)}\n`).catch(() => {}),
  };
}

type Line = { readonly level: 'debug' | 'info' | 'warn'; readonly text: string; readonly fields?: object };

function logEvent(event: BackendEvent, model: ModelName, logger: Log['logger']): void {
  if (event.event === 'listening') return;
  const { level, text, fields } = lineOf(event, model);
  logger[level]({ vm: event.connection, ...fields }, text);
}

function lineOf(event: Exclude<BackendEvent, { event: 'listening' }>, model: ModelName): Line {
  switch (event.event) {
    case 'attached':
      return { level: 'info', text: 'a virtual machine has attached' };
    case 'features':
      return { level: 'info', text: `features: ${describeFeatures(model, BigInt(event.features))}` };
    case 'ring-started':
    case 'ring-stopped':
      return { level: 'debug', text: event.event.replace('-', ' '), fields: { ring: event.ring } };
    case 'refused':
      return { level: 'warn', text: `refused: ${event.reason}`, fields: { request: event.request } };
    case 'broken':
      return { level: 'warn', text: `broken by its driver: ${event.reason}`, fields: { code: event.code } };
    case 'reset':
      return { level: 'info', text: 'reset by its driver' };
    case 'detached':
      return event.code === undefined
        ? { level: 'info', text: 'the virtual machine has left' }
        : { level: 'warn', text: `thrown out: ${event.reason}`, fields: { code: event.code } };
  }
}

/** A front end that does not pass on VERSION_1 passes on nothing of what was negotiated. */
function describeFeatures(model: ModelName, features: bigint): string {
  const told = (features & VIRTIO_F_VERSION_1) !== 0n;
  return told ? featureNames(model, features).join(', ') : 'the VMM keeps them to itself';
}

function instructions({ model, engine, socket, queues, qemu, metricsUrl }: Ready): string {
  const rows = [
    ['Device', `${model}, ${queues} data queue${queues === 1 ? '' : 's'}, on ${engine}`],
    ['Socket', socket],
    ...(metricsUrl === undefined ? [] : [['Metrics', metricsUrl]]),
    ['QEMU', qemu.missing || (qemu.found ?? '')],
  ];
  const lines = commandLines(qemu.arguments).map((line) => `    ${line}`);
  const check = model === 'virtio-crypto' ? '\n  In the guest: grep -A 8 virtio_crypto /proc/crypto\n' : '';
  return `
${table(rows, lineWidth(process.stdout))}

  Add this to the command line of QEMU ${qemu.version}, in place of its -m and -machine, with as much memory as you want:

${lines.join('\n')}
${check}
  kill -USR1 ${process.pid} prints counters. Ctrl-C ends the device.

`;
}

function counterTable(counters: CryptoCounters): string {
  const rows = metricsOf(counters).map(({ help, value }) => [value.toLocaleString('en'), help]);
  const width = Math.max(...rows.map(([value]) => value!.length));
  return table(rows.map(([value, help]) => [value!.padStart(width), help!]));
}
