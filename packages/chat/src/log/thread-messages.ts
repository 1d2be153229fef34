/** What the threads of the SQLite log and the one that uses them tell each other. */
import type { LogErrorCode } from './log-error.ts';
import type { Damage, ThreadOptions } from './sqlite-database.ts';

/** With what a thread is started. */
export interface ThreadRole {
  readonly role: 'read' | 'write';
  readonly options: ThreadOptions;
}

/** What a thread is asked: to `open` its connection, or to call a method of its reader or writer. */
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

export type ThreadMessage = ThreadAnswer | { readonly damage: Damage };
