import type { Batch, Watcher } from './message-log.ts';

/** Who is told of the batches of which room. O(1) to add and remove, O(watchers of the room) for each batch. */
export class RoomWatchers {
  readonly #rooms = new Map<string, Set<Watcher>>();

  add(room: string, watcher: Watcher): Disposable {
    const watchers = this.#rooms.get(room) ?? new Set();
    this.#rooms.set(room, watchers);
    // An object of its own, so that one watcher may watch twice.
    const entry: Watcher = {
      stored: (batch) => watcher.stored(batch),
      failed: (error) => watcher.failed(error),
    };
    watchers.add(entry);
    return {
      [Symbol.dispose]: () => {
        watchers.delete(entry);
        if (watchers.size === 0 && this.#rooms.get(room) === watchers) this.#rooms.delete(room);
      },
    };
  }

  stored(batch: Batch): void {
    for (const watcher of [...(this.#rooms.get(batch.room) ?? [])]) watcher.stored(batch);
  }

  /** Nothing more comes in this room. */
  failed(room: string, error: unknown): void {
    const watchers = [...(this.#rooms.get(room) ?? [])];
    this.#rooms.delete(room);
    for (const watcher of watchers) watcher.failed(error);
  }

  failedAll(error: unknown): void {
    for (const room of [...this.#rooms.keys()]) this.failed(room, error);
  }
}
