/**
 * What can do cryptography on this machine: the engines, the instructions that make them fast, and the
 * devices of the kernel. Plain data, for a table or JSON. It looks and tries; it changes nothing.
 */
import { access, constants, readFile, stat } from 'node:fs/promises';
import type { AlgorithmName } from './algorithms.ts';
import { algorithmNames } from './algorithms.ts';
import type { EngineName } from './engine.ts';
import { createEngine, engineNames, ownEngineNames } from './engines/create-engine.ts';
import { cryptodevPaths } from './engines/cryptodev-paths.ts';

export type ProbeReport = {
  readonly processor: ProcessorReport;
  readonly engines: readonly EngineReport[];
  readonly devices: readonly DeviceReport[];
};

export type ProcessorReport = {
  /** As Node names it: `x64`, `arm64`. */
  readonly architecture: string;
  /** Empty if the system does not say. */
  readonly model: string;
  readonly accelerators: readonly Accelerator[];
  /** The value of OPENSSL_ia32cap, if it is set: it hides instructions from OpenSSL. */
  readonly opensslMask?: string;
};

export type Accelerator = {
  /** As people call it: `AES-NI`, `VAES`. */
  readonly name: string;
  readonly speedsUp: string;
  readonly present: boolean;
  /** OPENSSL_ia32cap tells OpenSSL not to use it. */
  readonly masked: boolean;
};

export type EngineReport = {
  readonly name: EngineName;
  readonly available: boolean;
  /** Like `OpenSSL 3.5.8`, or the path of a device; empty if the engine is not available, or does not say. */
  readonly version: string;
  readonly algorithms: readonly AlgorithmName[];
  /** Names of the accelerators that it makes use of; empty where nobody can know. */
  readonly acceleratedBy: readonly string[];
  /** What is missing, and why; empty if nothing is. */
  readonly missing: string;
};

export type DeviceReport = {
  readonly name: '/dev/crypto' | 'AF_ALG';
  readonly present: boolean;
  readonly missing: string;
};

export type ProbeOptions = {
  /** The roots of /proc and /dev, and the environment: for tests. */
  readonly proc?: string;
  readonly dev?: string;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly architecture?: string;
};

export async function probe(options: ProbeOptions = {}): Promise<ProbeReport> {
  const { proc = '/proc', dev = '/dev', environment = process.env, architecture = process.arch } = options;
  const processor = await probeProcessor(proc, environment, architecture);
  const usable = processor.accelerators.filter(({ present, masked }) => present && !masked);
  const accelerators = usable.map(({ name }) => name);
  const engines = await Promise.all(engineNames.map((name) => probeEngine(name, accelerators)));
  return { processor, engines, devices: [await probeCryptodev(dev), await probeAfAlg(proc)] };
}

type Instruction = {
  readonly name: string;
  readonly flags: readonly string[];
  readonly speedsUp: string;
  /** Which word of OPENSSL_ia32cap, and which bit of it, stands for it (OPENSSL_ia32cap(3)). */
  readonly capability?: readonly [word: number, bit: number];
};

/** What OpenSSL has code for, with the flags that /proc/cpuinfo shows for it; all of them must be there. */
const instructions: Readonly<Record<string, readonly Instruction[]>> = {
  x64: [
    { name: 'AES-NI', flags: ['aes'], speedsUp: 'AES', capability: [0, 57] },
    { name: 'PCLMULQDQ', flags: ['pclmulqdq'], speedsUp: 'GCM', capability: [0, 33] },
    {
      name: 'VAES',
      flags: ['vaes', 'vpclmulqdq'],
      speedsUp: 'AES-GCM, several blocks at once',
      capability: [1, 41],
    },
    { name: 'AVX2', flags: ['avx2'], speedsUp: 'ChaCha20-Poly1305, SHA-2', capability: [1, 5] },
    {
      name: 'AVX-512',
      flags: ['avx512f', 'avx512bw', 'avx512vl'],
      speedsUp: 'AES-GCM with VAES, ChaCha20-Poly1305',
      capability: [1, 16],
    },
    { name: 'SHA-NI', flags: ['sha_ni'], speedsUp: 'SHA-1, SHA-256', capability: [1, 29] },
  ],
  arm64: [
    { name: 'ARMv8 AES', flags: ['aes'], speedsUp: 'AES' },
    { name: 'ARMv8 PMULL', flags: ['pmull'], speedsUp: 'GCM' },
    { name: 'ARMv8 SHA-1', flags: ['sha1'], speedsUp: 'SHA-1' },
    { name: 'ARMv8 SHA-2', flags: ['sha2'], speedsUp: 'SHA-256' },
    { name: 'ARMv8 SHA-512', flags: ['sha512'], speedsUp: 'SHA-512' },
    { name: 'NEON', flags: ['asimd'], speedsUp: 'ChaCha20-Poly1305' },
  ],
};

async function probeProcessor(
  proc: string,
  environment: Readonly<Record<string, string | undefined>>,
  architecture: string,
): Promise<ProcessorReport> {
  const cpuinfo = await readFile(`${proc}/cpuinfo`, 'utf8').catch(() => '');
  const flags = new Set(field(cpuinfo, 'flags|Features').split(/\s+/));
  const mask = (architecture === 'x64' && environment.OPENSSL_ia32cap) || '';
  const accelerators = (instructions[architecture] ?? []).map(
    ({ name, speedsUp, flags: needed, capability }) => ({
      name,
      speedsUp,
      present: needed.every((flag) => flags.has(flag)),
      masked: capability !== undefined && isMasked(mask, ...capability),
    }),
  );
  return {
    architecture,
    model: field(cpuinfo, 'model name|Model'),
    accelerators,
    ...(mask !== '' && { opensslMask: mask }),
  };
}

/**
 * Whether this value of OPENSSL_ia32cap takes a capability away: its words stand between colons; with a
 * tilde a word names the bits that go, without one those that stay.
 */
function isMasked(mask: string, word: number, bit: number): boolean {
  const parts = /^(~?)(0x[0-9a-f]+|[0-9]+)$/i.exec(mask.split(':')[word] ?? '');
  if (parts === null) return false;
  const isSet = ((BigInt(parts[2]!) >> BigInt(bit)) & 1n) === 1n;
  return parts[1] === '~' ? isSet : !isSet;
}

/** The first value under one of these names in /proc/cpuinfo. */
function field(cpuinfo: string, names: string): string {
  return new RegExp(`^(?:${names})\\s*:[ \\t]*(.*)$`, 'm').exec(cpuinfo)?.[1]?.trim() ?? '';
}

async function probeEngine(name: EngineName, accelerators: readonly string[]): Promise<EngineReport> {
  try {
    const engine = await createEngine(name);
    const algorithms = algorithmNames.filter((algorithm) => engine.supports(algorithm));
    const lacking = algorithmNames.filter((algorithm) => !engine.supports(algorithm));
    engine.close?.();
    return {
      name,
      available: true,
      ...(ownEngineNames.includes(name)
        ? // In Node all three end in the same OpenSSL.
          { version: `OpenSSL ${process.versions.openssl ?? ''}`.trim(), acceleratedBy: accelerators }
        : { version: engine.title ?? '', acceleratedBy: [] }),
      algorithms,
      missing: lacking.length === 0 ? '' : `it has no ${lacking.join(', ')}`,
    };
  } catch (error) {
    const missing = error instanceof Error ? error.message : String(error);
    return { name, available: false, version: '', algorithms: [], acceleratedBy: [], missing };
  }
}

/** The one that the engine takes, under its usual name or that of the driver's first device. */
async function probeCryptodev(dev: string): Promise<DeviceReport> {
  const report = (present: boolean, missing: string): DeviceReport => ({
    name: '/dev/crypto',
    present,
    missing,
  });
  const paths = cryptodevPaths.map((path) => path.replace('/dev', dev));
  const found = await firstThere(paths);
  if (found === undefined) {
    return report(false, 'no such device: load the module cryptodev or virtio_cryptodev');
  }
  const { path, stats } = found;
  if (!stats.isCharacterDevice()) return report(false, 'it is there, but it is no character device');
  try {
    await access(path, constants.R_OK | constants.W_OK);
    return report(true, '');
  } catch {
    return report(true, 'no permission to open it');
  }
}

async function firstThere(paths: readonly string[]) {
  for (const path of paths) {
    const stats = await stat(path).catch(() => undefined);
    if (stats !== undefined) return { path, stats };
  }
  return undefined;
}

/** The kernel's socket family for cryptography: it shows in the list of protocols when its module is loaded. */
async function probeAfAlg(proc: string): Promise<DeviceReport> {
  const report = (present: boolean, missing: string): DeviceReport => ({ name: 'AF_ALG', present, missing });
  const protocols = await readFile(`${proc}/net/protocols`, 'utf8').catch(() => undefined);
  if (protocols === undefined) return report(false, 'this system does not list its protocols: not Linux?');
  if (/^ALG\s/m.test(protocols)) return report(true, '');
  // No advice to load it: every program can reach the kernel through it, and many distributions forbid its modules.
  return report(
    false,
    'not loaded, and nothing needs it: openssl does the same faster, in this process; many systems forbid it on purpose',
  );
}
