export * from './log-error.ts';
export type * from './message-log.ts';
export type { Damage, OnDamage, SqliteLogOptions } from './sqlite-database.ts';
export * from './sqlite-log.ts';
