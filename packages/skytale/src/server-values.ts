import { serverFlagNames } from './server-flags.ts';
import type { Values } from './settings.ts';

/** The settings that a server has, whichever command runs it. */
export const serverSettings = [...serverFlagNames, 'tls-cert', 'tls-key', 'log-level'] as const;

export type ServerValues = Values<(typeof serverSettings)[number]>;
