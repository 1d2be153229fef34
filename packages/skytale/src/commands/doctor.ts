/** `skytale doctor`: what this machine has for cryptography, and what is missing for what. */
import { type EngineReport, type ProbeReport, probe } from '@skytale/cryptodev';
import { openDevice, tryDevice } from '../crypto.ts';
import { explain } from '../explain.ts';
import type { Values } from '../settings.ts';
import { writeOut } from '../stdio.ts';
import { type Style, styleFor } from '../style.ts';
import { table } from '../table.ts';
import { lineWidth } from '../terminal/terminal-size.ts';

/** The virtual device in this process, which is what the chat uses unless told otherwise. */
type VirtioReport = { readonly name: string; readonly works: boolean; readonly missing: string };

/** @returns 0 if the chat can encrypt here, otherwise 1 */
export async function doctor(settings: Values<'json'>): Promise<number> {
  const report = await probe();
  const virtio = await tryVirtio();
  const text = settings.json
    ? JSON.stringify({ node: process.versions.node, virtio, ...report }, null, 2)
    : describe(report, virtio, styleFor(process.stdout));
  await writeOut(`${text}\n`);
  return virtio.works ? 0 : 1;
}

async function tryVirtio(): Promise<VirtioReport> {
  try {
    await using device = await openDevice('virtio');
    await tryDevice(device);
    return { name: device.name, works: true, missing: '' };
  } catch (error) {
    return { name: 'virtio-cryptodev', works: false, missing: explain(error) };
  }
}

function describe(report: ProbeReport, virtio: VirtioReport, style: Style): string {
  const yes = style('green', 'yes');
  const no = style('yellow', 'no');
  const { processor, engines, devices } = report;
  const sections = {
    'Engine (chat --crypto)': engines.map((engine) => [
      engine.name,
      engine.available ? yes : no,
      aboutEngine(engine),
    ]),
    'Crypto device': [
      [virtio.name, virtio.works ? yes : no, virtio.missing || 'what the chat uses unless told otherwise'],
      ...devices.map(({ name, present, missing }) => [name, present ? yes : no, missing]),
    ],
    [`Accelerator (${processor.model || processor.architecture})`]: processor.accelerators.map(
      ({ name, speedsUp, present, masked }) => [
        name,
        present && !masked ? yes : no,
        `${speedsUp}${masked ? '; switched off by OPENSSL_ia32cap' : ''}`,
      ],
    ),
  };
  return Object.entries(sections)
    .filter(([, rows]) => rows.length > 0)
    .map(([heading, rows]) => `${style('bold', heading)}\n${table(rows, lineWidth(process.stdout))}`)
    .join('\n\n');
}

function aboutEngine({ available, version, algorithms, missing }: EngineReport): string {
  return available ? `${version}, ${algorithms.length} algorithms${missing && `; ${missing}`}` : missing;
}
