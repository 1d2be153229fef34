/** A command in the guest on the streams of this process: on a terminal as a terminal, else as a filter. */
import { randomBytes } from 'node:crypto';
import type { Readable, Writable } from 'node:stream';
import type { ReadStream, WriteStream } from 'node:tty';
import type { Guest } from './guest.ts';
import { MarkedReader } from './marked-reader.ts';
import { type CommandOptions, quote, shellScript } from './shell.ts';

export interface Streams {
  readonly stdin: Readable | ReadStream;
  readonly stdout: Writable | WriteStream;
  readonly stderr: Writable;
}

const isTerminal = (stream: object): boolean => (stream as { isTTY?: boolean }).isTTY === true;

/**
 * Runs a program with its arguments, or a shell if none is given, on these streams and returns its status. Where
 * standard input and output are terminals, the program gets one of the same size and every key goes to it; the
 * terminal is as before afterwards. Rejects as `exited` of a `GuestProcess` does.
 */
export async function attach(
  guest: Guest,
  command: readonly string[],
  streams: Streams = process,
  options: CommandOptions = {},
): Promise<number> {
  const { stdin, stdout, stderr } = streams;
  if (isTerminal(stdin) && isTerminal(stdout))
    return attachTerminal(guest, command, stdin as ReadStream, stdout as WriteStream, options);
  const child = await guest.spawn(program(guest, command, 'sh'), options);
  const input = stdin.pipe(child.stdin);
  child.stdout.pipe(stdout, { end: false });
  child.stderr.pipe(stderr, { end: false });
  try {
    return await child.exited;
  } finally {
    stdin.unpipe(input);
    stdin.pause();
  }
}

/** A shell script that runs the host's program of that name, where the guest has the host's files, rather than
 *  that of busybox. */
function program(guest: Guest, command: readonly string[], shell: string): string {
  const words = command.length === 0 ? [shell] : command;
  const run = `exec "$@"`;
  const outer = (guest.options.hostTree ?? true) ? '/bin/sh' : 'sh';
  return `exec ${outer} -c ${quote(run)} sh ${words.map(quote).join(' ')}`;
}

async function attachTerminal(
  guest: Guest,
  command: readonly string[],
  input: ReadStream,
  output: WriteStream,
  options: CommandOptions,
): Promise<number> {
  const { terminal } = guest;
  const shell = 'if [ -x /bin/bash ]; then exec /bin/bash; else exec sh; fi';
  const run = command.length === 0 ? shell : program(guest, command, 'sh');
  const size = () => `stty rows ${output.rows} cols ${output.columns}`;
  const resize = () => guest.control(`${size()} </dev/hvc0`).catch(() => {});
  const onKeys = (keys: Buffer) => terminal.write(keys);
  const screen = new MarkedReader();
  const onScreen = (bytes: Buffer) => screen.push(bytes);
  const mark = randomBytes(16).toString('hex');
  const { promise: drawn, resolve } = Promise.withResolvers<string>();
  screen.expect({ mark, onData: (bytes) => output.write(bytes), onMark: resolve });

  const wasRaw = input.isRaw;
  input.setRawMode(true);
  input.on('data', onKeys);
  terminal.on('data', onScreen);
  output.on('resize', resize);
  try {
    // Whoever leads a session and opens a terminal has it as controlling terminal.
    const env = { TERM: process.env.TERM ?? 'linux', ...options.env };
    const child = await guest.spawn(
      shellScript(`exec <>/dev/hvc0 >&0 2>&0\nstty sane\n${size()}\n${run}`, { ...options, env }),
    );
    child.stdin.end();
    const status = await child.exited;
    // What it has written last comes by another way than its status: a mark behind it tells when all is here.
    await guest.control(`echo ${mark} >/dev/hvc0`);
    await Promise.race([drawn, guest.exited]);
    return status;
  } finally {
    output.off('resize', resize);
    terminal.off('data', onScreen);
    input.off('data', onKeys);
    input.setRawMode(wasRaw);
    input.pause();
  }
}
