/** The settings of the command as the server takes them. */
import type { ServerSettingsInput } from '@skytale/chat';
import { settingTable } from '@skytale/chat/setting-table';
import { UsageError } from './command-error.ts';
import { readGivenFile } from './given-file.ts';
import type { ServerValues } from './server-values.ts';

/** @throws {UsageError} if it is to listen nowhere, or certificate and key do not come together, or cannot be read */
export function serverSettingsOf(values: ServerValues): ServerSettingsInput {
  if (values.listen.length === 0 && values.http.length === 0) {
    throw new UsageError('Nothing is left to listen on: --listen and --http are both off.');
  }
  const tls = tlsOf(values['tls-cert'], values['tls-key']);
  const settings = Object.entries(settingTable).map(([name, { flag }]) => [name, values[flag]]);
  return { ...Object.fromEntries(settings), ...(tls && { tls }) };
}

function tlsOf(certFile: string | undefined, keyFile: string | undefined) {
  if (certFile === undefined && keyFile === undefined) return undefined;
  if (certFile === undefined || keyFile === undefined) {
    throw new UsageError('--tls-cert and --tls-key belong together. Give both, or neither.');
  }
  return { cert: readGivenFile('tls-cert', certFile), key: readGivenFile('tls-key', keyFile) };
}
