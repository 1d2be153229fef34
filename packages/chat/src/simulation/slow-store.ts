import { ChatError } from '../client/chat-error.ts';
import type { Durability, StateChange, StateStore } from '../client/state-store.ts';
import { StoreAbove } from '../client/store-above.ts';

/** A client's store whose commits take their time, one after another, before the store below is given them; or never are. */
export class SlowStore extends StoreAbove {
  readonly #write: () => Promise<void>;
  /** When the commits that there are have ended. */
  #last: Promise<void> = Promise.resolve();
  #gone: ChatError | undefined;

  /** @param write called for each commit in its turn, which goes on when this resolves; what it throws, the commit is refused with */
  constructor(store: StateStore, write: () => Promise<void>) {
    super(store);
    this.#write = write;
  }

  override commit(changes: readonly StateChange[], durability: Durability): Promise<void> {
    const done = this.#last.then(async () => {
      if (this.#gone === undefined) await this.#write().catch((error: unknown) => this.#end(error));
      // Whoever killed it did so while it was being written, perhaps.
      if (this.#gone !== undefined) throw this.#gone;
      await this.below.commit(changes, durability);
    });
    this.#last = done.catch(() => {});
    return done;
  }

  override async close(): Promise<void> {
    await this.#last;
    this.kill();
    await this.below.close();
  }

  override async wipe(): Promise<void> {
    await this.#last;
    this.kill();
    await this.below.wipe();
  }

  /** Writes nothing more. */
  kill(): void {
    this.#end(new Error('it is closed'));
  }

  #end(cause: unknown): void {
    const reason = cause instanceof Error ? cause.message : String(cause);
    this.#gone ??= new ChatError('CHAT_STATE_UNUSABLE', `${this.path} cannot be used: ${reason}.`, { cause });
  }
}
