import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { databaseOf } from './data-directory.ts';
import { connect, type ThreadOptions, type WalState, walState } from './sqlite-database.ts';
import { doing } from './sqlite-errors.ts';

/** Times that what was appended during copying is copied too, in the hope that nothing is left and the log begins anew. */
const MAX_PASSES = 3;

/**
 * Copies the write-ahead log into the database, by a connection of its own that does nothing else: copying waits for the
 * disk several times as long as an append, and holds up none of them in a thread of its own. It waits for nobody either:
 * what a reader still needs stays where it is (SQLite's "passive" checkpoint).
 */
export class SqliteCopier {
  readonly #db: DatabaseSync;
  readonly #copy: StatementSync;

  constructor(options: ThreadOptions) {
    this.#db = doing('opening the database', () => connect(databaseOf(options.directory), options, false));
    this.#copy = doing('opening the database', () => {
      // Only what is copied durably may be overwritten, whatever the durability of appends.
      this.#db.exec('PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = FULL');
      return this.#db.prepare('PRAGMA wal_checkpoint(PASSIVE)');
    });
  }

  /** O(pages to copy). If nothing is left and nobody reads, the next append begins the log anew. */
  copy(): WalState {
    return doing('copying the write-ahead log', () => {
      let state = walState(this.#copy);
      for (let passes = 1; passes < MAX_PASSES && state.left > 0; passes += 1) {
        const before = state;
        state = walState(this.#copy);
        // A reader keeps it from being copied.
        if (state.left >= before.left) break;
      }
      return state;
    });
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }
}
