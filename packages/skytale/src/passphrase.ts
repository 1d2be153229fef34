/** Where a room's passphrase comes from: a file, the environment, or the keyboard. */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { PassThrough } from 'node:stream';
import { CommandError } from './command-error.ts';
import { exitCodeOf } from './signals.ts';

/**
 * @param question asked on a terminal, on standard error; what is typed is not shown
 * @param file the setting passphrase-file
 * @returns undefined if there is neither a file nor a variable nor a terminal to ask at
 * @throws {CommandError} if the file cannot be read or nothing is in it
 */
export async function readPassphrase(
  question: string,
  file: string | undefined,
): Promise<string | undefined> {
  if (file !== undefined) return notEmpty(readFileSync(file, 'utf8').split(/\r?\n/, 1)[0]);
  if (process.env.SKYTALE_PASSPHRASE !== undefined) return notEmpty(process.env.SKYTALE_PASSPHRASE);
  return process.stdin.isTTY ? notEmpty(await askHidden(question)) : undefined;
}

function notEmpty(passphrase: string | undefined): string {
  if (passphrase) return passphrase;
  throw new CommandError('The passphrase is empty. Give one, or leave --passphrase away.');
}

export async function askHidden(question: string): Promise<string> {
  process.stderr.write(question);
  const keyboard = createInterface({ input: process.stdin, output: new PassThrough(), terminal: true });
  try {
    return await new Promise((resolve, reject) => {
      keyboard.on('line', resolve);
      keyboard.on('SIGINT', () => reject(new CommandError('Interrupted.', exitCodeOf('SIGINT'))));
      keyboard.on('close', () => reject(new CommandError('No passphrase was given.')));
    });
  } finally {
    keyboard.close();
    process.stderr.write('\n');
  }
}
