import { spawn } from 'node:child_process';
import { VmError, type VmErrorCode } from './vm-error.ts';

export interface ProgramOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: Uint8Array;
  /** The code of the error if it fails. Default: `fetch-failed`. */
  readonly failure?: VmErrorCode;
}

/** The Debian packages of the programs of the host that this package runs. */
const packageOf: Record<string, string> = {
  setpriv: 'util-linux',
  unshare: 'util-linux',
  mmdebstrap: 'mmdebstrap',
  'qemu-system-x86_64': 'qemu-system-x86',
};

/** What to tell somebody on whose machine `program` is missing. */
export function missingProgram(program: string): VmError {
  return new VmError('missing-program', `the program ${program} was not found${advice(program)}`);
}

function advice(program: string): string {
  if (program === 'apt-get' || program === 'dpkg-deb')
    return ': what guests are made of comes in Debian packages, fetched with apt and dpkg; install these';
  const install = packageOf[program];
  return install === undefined ? '' : `: install it, on Debian by "apt-get install ${install}"`;
}

/** Runs a program of the host to its end and returns its standard output. A status other than 0 rejects with
 *  the end of its standard error. */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<Buffer> {
  const { input, failure = 'fetch-failed', ...rest } = options;
  const child = spawn(program, args, { ...rest, stdio: 'pipe' });
  const output: Buffer[] = [];
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-4000);
  });
  child.stdin.on('error', () => {}); // a program that reads no input ends before we have written it
  child.stdin.end(input);
  const { promise, resolve, reject } = Promise.withResolvers<number | string>();
  child.on('error', (error: NodeJS.ErrnoException) =>
    reject(error.code === 'ENOENT' ? missingProgram(program) : error),
  );
  child.on('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  const status = await promise;
  if (status !== 0)
    throw new VmError(failure, `${program} ended with ${status}: ${errors.trim() || 'no message'}`);
  return Buffer.concat(output);
}
