import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SqliteStore } from '../client/node/sqlite-store.ts';
import { openState } from '../client/node/state-directory.ts';
import type { Medium } from './client-disk.ts';

/** Where Linux has files in memory. */
const SHARED_MEMORY = '/dev/shm';

/**
 * States in SQLite, as those of real clients, in a directory that is gone with this. A loss of power is no more than a kill of the
 * process here: what SQLite has on disk by when is not simulated.
 */
export class SqliteDisk implements Medium, Disposable {
  readonly directory = mkdtempSync(join(temporaryRoot(), 'skytale-simulation-'));
  readonly #open = new Set<SqliteStore>();
  /** How often a state was opened. */
  opened = 0;

  async openStore(room: Uint8Array, name: string, newSeed: () => Uint8Array): Promise<SqliteStore> {
    const store = openState(this.directory, room, name, newSeed);
    this.#open.add(store);
    this.opened += 1;
    return store;
  }

  kill(): void {
    for (const store of this.#open) store[Symbol.dispose]();
    this.#open.clear();
  }

  cutPower(): boolean {
    this.kill();
    return false;
  }

  [Symbol.dispose](): void {
    this.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function temporaryRoot(): string {
  try {
    accessSync(SHARED_MEMORY, constants.W_OK | constants.X_OK);
    return SHARED_MEMORY;
  } catch {
    return tmpdir();
  }
}
