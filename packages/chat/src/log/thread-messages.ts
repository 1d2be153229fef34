/** What the threads of the SQLite log and the one that uses them tell each other. */
import type { LogErrorCode } from './log-error.ts';
import type { Damage, ThreadOptions } from './sqlite-database.ts';

/** With what a thread is started. */
export interface ThreadRole {
  readonly role: 'read' | 'write' | 'copy';
  readonly options: ThreadOptions;
  /** Memory that the thread that writes shares with the one that starts it. */
  readonly shared?: Uint8Array;
}

/** What a thread is asked: to `open` its connection, or to call a method of its reader, writer or copier. */
export interface ThreadRequest {
  readonly id: number;
  readonly method: string;
  readonly args: readonly unknown[];
}

export interface ThreadAnswer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: { readonly code: LogErrorCode; readonly message: string };
}

/** `long`: the write-ahead log is to be copied into the database. */
export type ThreadMessage = ThreadAnswer | { readonly damage: Damage } | { readonly long: true };
