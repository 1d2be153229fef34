/** The settings of the command as the server takes them. */
import { readFileSync } from 'node:fs';
import type { ServerSettingsInput } from '@skytale/chat';
import { UsageError } from './command-error.ts';
import type { ServerValues } from './server-values.ts';

/** @throws {UsageError} if it is to listen nowhere, or certificate and key do not come together */
export function serverSettingsOf(values: ServerValues): ServerSettingsInput {
  if (values.listen.length === 0 && values.http.length === 0) {
    throw new UsageError('Nothing is left to listen on: --listen and --http are both off.');
  }
  const tls = tlsOf(values['tls-cert'], values['tls-key']);
  return {
    tcp: values.listen,
    http: values.http,
    ...(tls && { tls }),
    origins: values.origins ?? [],
    data: values.data,
    durability: values.durability,
    retentionDays: values['retention-days'],
    maxStorageBytes: values['max-storage'],
    maxRoomBytes: values['max-room-size'],
    maxRooms: values['max-rooms'],
    maxFrameBytes: values['max-frame'],
    maxConnections: values['max-connections'],
    maxConnectionsPerAddress: values['max-per-address'],
    framesPerSecond: values['frames-per-second'],
    framesBurst: values['frames-burst'],
    bytesPerSecond: values['bytes-per-second'],
    bytesBurst: values['bytes-burst'],
    helloTimeoutMs: values['hello-timeout'],
    idleTimeoutMs: values['idle-timeout'],
    writeTimeoutMs: values['write-timeout'],
    closeTimeoutMs: values['close-timeout'],
    presenceDelayMs: values['presence-delay'],
  };
}

function tlsOf(certFile: string | undefined, keyFile: string | undefined) {
  if (certFile === undefined && keyFile === undefined) return undefined;
  if (certFile === undefined || keyFile === undefined) {
    throw new UsageError('--tls-cert and --tls-key belong together. Give both, or neither.');
  }
  return { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
}
