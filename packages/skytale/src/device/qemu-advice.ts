/** What to tell QEMU so that it attaches the device. */
import { deviceArguments, hostQemu, sharedMemoryArguments } from '@skytale/vm';
import { shellWord } from '../shell-word.ts';
import { canAttach, type ModelName, qemuDevice } from './models.ts';

export type QemuAdvice = {
  /** The version of this machine's QEMU; undefined if it has none. */
  readonly found: string | undefined;
  /** What is missing, and how to get it; empty if nothing is. */
  readonly missing: string;
  /** The version that the arguments are for. */
  readonly version: string;
  /** To add to its command line. */
  readonly arguments: readonly string[];
};

/** Memory of the virtual machine in the example, in MiB. */
const exampleMemory = 1024;

/** Advised to those who have none that can do it. */
const wanted = { version: '11', major: 11 };

export async function adviseQemu(model: ModelName, socket: string, queues: number): Promise<QemuAdvice> {
  const own = await hostQemu();
  const able = own !== undefined && canAttach(own, model);
  const qemu = able ? own : wanted;
  const device = qemuDevice(qemu, model, socket, queues);
  return {
    found: own?.version,
    missing: able ? '' : missing(own?.version, model),
    version: qemu.version,
    arguments: [...sharedMemoryArguments(exampleMemory), ...deviceArguments(device)],
  };
}

function missing(found: string | undefined, model: ModelName): string {
  const install =
    found === undefined
      ? 'not found; on Debian, "apt-get install qemu-system-x86" installs it'
      : `${found} cannot attach this device, but 11 can; on Debian 13, ` +
        '"apt-get install -t trixie-backports qemu-system-x86" installs it';
  return `${install}. Or "skytale vm --model ${model}" fetches one, for a guest of its own.`;
}

/** For a shell: an option with its value on each line. */
export function commandLines(args: readonly string[]): string[] {
  const lines: string[] = [];
  for (const word of args) {
    if (word.startsWith('-')) lines.push(word);
    else lines[lines.length - 1] += ` ${shellWord(word)}`;
  }
  return lines.map((line, i) => (i < lines.length - 1 ? `${line} \\` : line));
}
