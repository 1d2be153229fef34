/** The settings that a server has, whichever command runs it. */
import type { Values } from './settings.ts';

export const serverSettings = [
  'listen',
  'http',
  'data',
  'tls-cert',
  'tls-key',
  'origins',
  'durability',
  'retention-days',
  'log-level',
  'max-storage',
  'max-room-size',
  'max-rooms',
  'max-frame',
  'max-connections',
  'max-per-address',
  'frames-per-second',
  'frames-burst',
  'bytes-per-second',
  'bytes-burst',
  'hello-timeout',
  'idle-timeout',
  'write-timeout',
  'close-timeout',
  'presence-delay',
] as const;

export type ServerValues = Values<(typeof serverSettings)[number]>;
