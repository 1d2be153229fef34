/** Says in one line what an error means and what to do. */
import { isUntrusted } from '@skytale/chat/dial-error';
import { type ServerSettingName, settingTable } from '@skytale/chat/setting-table';
import { CommandError, ExitCode } from './command-error.ts';

export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const message = withFlag(systemMessage(error) ?? error.message).replace(/\s*\n\s*/g, ' ');
  return asSentence(message) + hint(error);
}

/** The messages of the packages below the chat are phrases. What begins with a path or a code is left as it is. */
function asSentence(message: string): string {
  const begun = /^[a-z]+ /.test(message) ? message.charAt(0).toUpperCase() + message.slice(1) : message;
  return /[.?!)]$/.test(begun) ? begun : `${begun}.`;
}

/** Which option changes it, where the error comes from a package that knows nothing of options. */
function hint({ code, cause }: NodeJS.ErrnoException): string {
  switch (code) {
    case 'CHAT_UNREACHABLE':
      return isUntrusted(cause) ? ' (--ca-file names an authority, or a certificate, to trust besides)' : '';
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

/** The server names a setting as programs give it. */
function withFlag(message: string): string {
  return message.replace(/^Setting (\w+)(?:\.\d+)?(?=:)/, (whole, name: string) =>
    Object.hasOwn(settingTable, name) ? `--${settingTable[name as ServerSettingName].flag}` : whole,
  );
}

/** Codes of errors that are about what was given to the command, found out before anything was done. Those of invites all are. */
const USAGE_CODES: readonly string[] = [
  'SERVER_INVALID_SETTING',
  'SERVER_INVALID_CERTIFICATE',
  'CHAT_NAME_INVALID',
];

export function exitCodeFor(error: unknown): number {
  if (error instanceof CommandError) return error.exitCode;
  const code = String((error as NodeJS.ErrnoException | undefined)?.code);
  return code.startsWith('INVITE_') || USAGE_CODES.includes(code) ? ExitCode.usage : ExitCode.failed;
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
    case 'EISDIR':
      return where === '' ? undefined : `${where} is a directory where a file is needed. Is the path right?`;
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
