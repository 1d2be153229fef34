/** The yardstick: `openssl speed`, the system's OpenSSL in C on the same machine, on one buffer in the cache. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * Measures one cipher on blocks of `bytes` for `seconds`, by CPU time of its one thread.
 * @returns bytes per second
 * @throws {Error} if there is no `openssl`, or it does not answer as it should
 */
export async function opensslSpeed(cipher: string, bytes: number, seconds = 1): Promise<number> {
  const arguments_ = ['speed', '-mr', '-evp', cipher, '-bytes', `${bytes}`, '-seconds', `${seconds}`];
  const { stdout } = await run('openssl', arguments_).catch((cause) => {
    throw new Error('openssl speed does not run; the package openssl is needed to compare with', { cause });
  });
  // +F:index:NAME:bytes per second
  const figure = /^\+F:\d+:[^:]+:([\d.]+)/m.exec(stdout)?.[1];
  if (figure === undefined) throw new Error(`openssl speed said nothing of its speed: ${stdout}`);
  return Number(figure);
}
