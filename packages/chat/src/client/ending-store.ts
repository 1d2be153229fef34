import { ChatError } from './chat-error.ts';
import type {
  Durability,
  SavedDraft,
  SavedMessage,
  SavedState,
  StateChange,
  StateStore,
} from './state-store.ts';

/**
 * A client's store, of which a commit that is refused ends the client, whoever asked for it: what is in memory may be ahead of what
 * is on disk (`StateStore`, 5).
 */
export class EndingStore implements StateStore {
  readonly #store: StateStore;
  readonly #onRefused: (reason: ChatError) => void;

  constructor(store: StateStore, onRefused: (reason: ChatError) => void) {
    this.#store = store;
    this.#onRefused = onRefused;
  }

  get path(): string {
    return this.#store.path;
  }

  load(): Promise<SavedState> {
    return this.#store.load();
  }

  sealedAfter(after: number): Promise<SavedDraft[]> {
    return this.#store.sealedAfter(after);
  }

  history(before: number, limit: number): Promise<SavedMessage[]> {
    return this.#store.history(before, limit);
  }

  historyAfter(after: number, limit: number): Promise<SavedMessage[]> {
    return this.#store.historyAfter(after, limit);
  }

  async commit(changes: readonly StateChange[], durability: Durability): Promise<void> {
    try {
      await this.#store.commit(changes, durability);
    } catch (error) {
      if (error instanceof ChatError) this.#onRefused(error);
      throw error;
    }
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  wipe(): Promise<void> {
    return this.#store.wipe();
  }
}
