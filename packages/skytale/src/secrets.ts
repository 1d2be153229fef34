/**
 * Where a room's secrets come from, its invite and its passphrase: a file, standard input, the environment, or the keyboard.
 * As an argument they would be seen by every user of the machine (ps), and kept in the shell's history.
 */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { PassThrough, type Readable } from 'node:stream';
import { CommandError, UsageError } from './command-error.ts';
import { unreadable } from './given-file.ts';
import { LineReader } from './line-reader.ts';
import { exitCodeOf } from './signals.ts';

/** A file's name that means standard input. */
const STDIN = '-';
/** Longer than any secret; so that no endless line is read for one. */
const MAX_LINE = 16 * 1024;

/**
 * The link of an invite.
 * @param argument of the command line
 * @param file the setting invite-file
 * @throws {UsageError} if there is none, or two, or nothing in the file
 */
export async function readInvite(argument: string | undefined, file: string | undefined): Promise<string> {
  if (argument !== undefined && file !== undefined) {
    throw new UsageError('INVITE is given twice: as an argument and by --invite-file.');
  }
  if (file !== undefined) return await readSecret('invite-file', file, 'Invite (it is not shown): ');
  const invite = argument ?? process.env.SKYTALE_INVITE;
  if (invite) return invite;
  throw new UsageError('INVITE is missing: give it by --invite-file, by SKYTALE_INVITE, or as an argument.');
}

/**
 * The passphrase of a room.
 * @param question asked on a terminal
 * @param file the setting passphrase-file
 * @returns undefined if there is neither a file nor a variable nor a terminal to ask at
 * @throws {UsageError} if nothing is in it
 */
export async function readPassphrase(
  question: string,
  file: string | undefined,
): Promise<string | undefined> {
  if (file !== undefined) return await readSecret('passphrase-file', file, question);
  const given = process.env.SKYTALE_PASSPHRASE;
  if (given !== undefined) return notEmpty(given, 'passphrase');
  return process.stdin.isTTY ? notEmpty(await askHidden(question), 'passphrase') : undefined;
}

/** The first line of a file, or of standard input, what follows in it left for others; asked for on a terminal. */
async function readSecret(
  setting: 'invite-file' | 'passphrase-file',
  file: string,
  question: string,
): Promise<string> {
  const what = setting === 'invite-file' ? 'invite' : 'passphrase';
  if (file === STDIN && process.stdin.isTTY) return notEmpty(await askHidden(question), what);
  const input = file === STDIN ? process.stdin : createReadStream(file);
  try {
    return notEmpty(await firstLine(input), what);
  } catch (error) {
    throw error instanceof CommandError ? error : unreadable(setting, file, error);
  } finally {
    if (input !== process.stdin) input.destroy();
  }
}

function notEmpty(secret: string | undefined, what: string): string {
  if (secret) return secret;
  throw new UsageError(`The ${what} is empty: nothing is in the first line of what it comes from.`);
}

/**
 * The first line of a stream, without its ending; the stream goes on behind it.
 * @throws {UsageError} if it is longer than any secret, or not UTF-8
 */
export async function firstLine(input: Readable): Promise<string> {
  const noSecret = () => {
    throw new UsageError(`The first line is longer than ${MAX_LINE} bytes, or not UTF-8: no secret.`);
  };
  const reader = new LineReader(input.iterator({ destroyOnReturn: false }), MAX_LINE, noSecret);
  for await (const line of reader) {
    if (!('text' in line)) return noSecret();
    const rest = reader.takeRest();
    if (rest.length > 0) input.unshift(rest);
    return line.text;
  }
  return '';
}

/** Asks on standard error; what is typed, or pasted, is not shown. */
export async function askHidden(question: string): Promise<string> {
  process.stderr.write(question);
  const keyboard = createInterface({ input: process.stdin, output: new PassThrough(), terminal: true });
  try {
    return await new Promise((resolve, reject) => {
      keyboard.on('line', resolve);
      keyboard.on('SIGINT', () => reject(new CommandError('Interrupted.', exitCodeOf('SIGINT'))));
      keyboard.on('close', () => reject(new CommandError('Nothing was given.')));
    });
  } finally {
    keyboard.close();
    process.stderr.write('\n');
  }
}
