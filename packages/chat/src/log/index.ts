export * from './log-error.ts';
export type * from './message-log.ts';
export * from './sqlite-log.ts';
export type { SqliteLogOptions } from './sqlite-store.ts';
