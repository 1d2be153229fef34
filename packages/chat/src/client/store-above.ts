import type {
  Durability,
  SavedDraft,
  SavedMessage,
  SavedState,
  StateChange,
  StateStore,
} from './state-store.ts';

/** A store above another, which does all: for those that do some of it otherwise. */
export abstract class StoreAbove implements StateStore {
  protected readonly below: StateStore;

  constructor(below: StateStore) {
    this.below = below;
  }

  get path(): string {
    return this.below.path;
  }

  load(): Promise<SavedState> {
    return this.below.load();
  }

  sealedAfter(after: number): Promise<SavedDraft[]> {
    return this.below.sealedAfter(after);
  }

  history(before: number, limit: number): Promise<SavedMessage[]> {
    return this.below.history(before, limit);
  }

  historyAfter(after: number, limit: number): Promise<SavedMessage[]> {
    return this.below.historyAfter(after, limit);
  }

  commit(changes: readonly StateChange[], durability: Durability): Promise<void> {
    return this.below.commit(changes, durability);
  }

  close(): Promise<void> {
    return this.below.close();
  }

  wipe(): Promise<void> {
    return this.below.wipe();
  }
}
