import { ChatError } from './chat-error.ts';
import type { Durability, StateChange, StateStore } from './state-store.ts';
import { StoreAbove } from './store-above.ts';

/**
 * A client's store, of which a commit that is refused ends the client, whoever asked for it: what is in memory may be ahead of what
 * is on disk (`StateStore`, 5).
 */
export class EndingStore extends StoreAbove {
  readonly #onRefused: (reason: ChatError) => void;

  constructor(store: StateStore, onRefused: (reason: ChatError) => void) {
    super(store);
    this.#onRefused = onRefused;
  }

  override async commit(changes: readonly StateChange[], durability: Durability): Promise<void> {
    try {
      await super.commit(changes, durability);
    } catch (error) {
      if (error instanceof ChatError) this.#onRefused(error);
      throw error;
    }
  }
}
