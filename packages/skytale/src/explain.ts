/** Says in one line what an error means and what to do. */
import { CommandError } from './command-error.ts';

export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const message = (systemMessage(error) ?? error.message).replace(/\s*\n\s*/g, ' ');
  return asSentence(message) + hint(error);
}

/** The messages of the packages below the chat are phrases. What begins with a path or a code is left as it is. */
function asSentence(message: string): string {
  const begun = /^[a-z]+ /.test(message) ? message.charAt(0).toUpperCase() + message.slice(1) : message;
  return /[.?!)]$/.test(begun) ? begun : `${begun}.`;
}

/** Which option changes it, where the error comes from a package that knows nothing of options. */
function hint({ code }: NodeJS.ErrnoException): string {
  switch (code) {
    case 'SERVER_PORT_TAKEN':
    case 'SERVER_PORT_FORBIDDEN':
    case 'SERVER_ADDRESS_UNAVAILABLE':
      return ' (--listen and --http say where)';
    case 'LOG_IN_USE':
    case 'LOG_NOT_ACCESSIBLE':
    case 'LOG_CORRUPT':
      return ' (--data says where)';
    case 'INVITE_PASSPHRASE_NEEDED':
      return ' (--passphrase-file or SKYTALE_PASSPHRASE give it in a pipe)';
    default:
      return '';
  }
}

export function exitCodeFor(error: unknown): number {
  return error instanceof CommandError ? error.exitCode : 1;
}

/** Errors of the operating system, where the number alone would leave people alone with it. */
function systemMessage(
  error: NodeJS.ErrnoException & { address?: string; port?: number },
): string | undefined {
  const where = error.path ?? (error.address ? `${error.address}:${error.port}` : '');
  switch (error.code) {
    case 'EADDRINUSE':
      return `${where} is in use by another program. End that one, or choose another port (0 takes a free one).`;
    case 'EADDRNOTAVAIL':
      return `This machine has no address ${where}. Choose one of its own, or 0.0.0.0 for all.`;
    case 'EACCES':
      return error.syscall === 'listen'
        ? `Not allowed to listen on ${where}. Choose a port of 1024 or more.`
        : `No permission for ${where}. Change it, or choose another place.`;
    case 'ECONNREFUSED':
      return `No server answers at ${where}. Is it running? "skytale serve" starts one.`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `There is no host ${(error as { hostname?: string }).hostname ?? where}. Is the name right, the network up?`;
    case 'ENOENT':
      return where === '' ? undefined : `There is no file ${where}. Is the path right?`;
    case 'ENOSPC':
      return `No space left${where && ` for ${where}`}. Make room on the disk.`;
    case 'EROFS':
      return `${where} is on a read-only file system. Choose another place.`;
    case 'ENOTDIR':
    case 'EEXIST':
      return `${where} is a file where a directory is needed. Move it away, or choose another place.`;
    case 'EMFILE':
      return 'Too many open files. Raise the limit with "ulimit -n".';
    default:
      return undefined;
  }
}
