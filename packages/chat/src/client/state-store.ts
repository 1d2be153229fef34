import type { Sender } from '../encryption/transcript.ts';

/**
 * One member's state, durable: identity, what it sends, and how far it has read. It belongs to one client alone while it is open.
 *
 * 1. `load` MUST come first, once; then any number of `commit`s; then `close`.
 * 2. A commit MUST take effect as a whole or not at all, and commits in the order in which they were called, whether or not the caller
 *    waits between them. So after a loss of power or a kill there are all changes of the first k commits and none of the others.
 * 3. When a commit resolves, it MUST survive a kill of the process, and a loss of power if it was `strict`.
 * 4. What is put together for a commit MUST be complete when it is called: a store may not wait for anybody in the middle of one.
 * 5. After a commit was refused the state on disk is as the one before left it; the client MUST stop. Commits that were called later are refused too.
 * 6. Records are sealed by the client; a store MUST NOT need to look into them.
 */
export interface StateStore {
  /** Where it is, for messages to people. */
  readonly path: string;

  /** @throws {ChatError} CHAT_STATE_UNUSABLE, CHAT_STATE_CORRUPT */
  load(): Promise<SavedState>;

  /**
   * What of the outbox is sealed under a number greater than `after`, acknowledged or not, in the order of the numbers.
   * @throws {ChatError} as `load`
   */
  sealedAfter(after: number): Promise<SavedDraft[]>;

  /** @throws {ChatError} CHAT_STATE_UNUSABLE */
  commit(changes: readonly StateChange[], durability: Durability): Promise<void>;

  /** Ends the lock. Twice is fine. */
  close(): Promise<void>;
}

/** `relaxed`: a loss of power may take the last moments, so that a message is handed over once more. */
export type Durability = 'strict' | 'relaxed';

export type SavedState = {
  /** Of the identity; 32 bytes. The client wipes it. */
  readonly seed: Uint8Array;
  readonly place: SavedPlace;
  readonly senders: readonly Sender[];
  /** Messages up to this place were handed over before states had `messages`: those after `place` may have been shown. */
  readonly handedOver: number;
  /** Messages that were handed over and not confirmed, by place. */
  readonly messages: readonly SavedMessage[];
  /** The number of the last draft that there ever was. */
  readonly lastDraft: number;
  /** Own messages up to this number have their places. */
  readonly settled: number;
  /** Drafts that have none, by `draft`: not sealed, or sealed under a number after `settled`. */
  readonly outbox: readonly SavedDraft[];
  /** Those that have one, as far as they are still kept, by `n`. */
  readonly kept: readonly KeptDraft[];
  readonly setAside: readonly SavedDraft[];
  /** See `StateChange` of `RoomCipher`. */
  readonly cipher: Uint8Array | undefined;
};

/** How far one has read. */
export type SavedPlace = {
  readonly seq: number;
  /** The history's hash there; `undefined` if it is not known. */
  readonly hash: Uint8Array | undefined;
  /** Whether all was read from the first message on. */
  readonly complete: boolean;
};

export type SavedMessage = { readonly seq: number; readonly record: Uint8Array };

/** What is to be sent. */
export type NewDraft = {
  /** Its place among one's drafts: 1, 2, 3 … */
  readonly draft: number;
  /** 16 random bytes. */
  readonly id: Uint8Array;
  readonly record: Uint8Array;
};

/** What it was sealed into, as it is sent and sent again. */
export type Sealed = { readonly n: number; readonly envelope: Uint8Array };

export type SavedDraft = {
  readonly draft: number;
  /** Both `undefined` for what the first version of the state left. */
  readonly id: Uint8Array | undefined;
  readonly record: Uint8Array | undefined;
  readonly sealed: Sealed | undefined;
};

export type KeptDraft = { readonly draft: number; readonly id: Uint8Array | undefined; readonly n: number };

export type StateChange =
  /** One has read up to there. */
  | ({ readonly kind: 'place' } & SavedPlace)
  /** Of a sender something is new. */
  | { readonly kind: 'sender'; readonly sender: Sender }
  /** A message is handed over, and is to be confirmed. */
  | ({ readonly kind: 'message' } & SavedMessage)
  /** Messages up to a place are confirmed. */
  | { readonly kind: 'confirmed'; readonly seq: number }
  /** There is a new draft. */
  | ({ readonly kind: 'draft' } & NewDraft)
  /** A draft has another record. */
  | { readonly kind: 'redrafted'; readonly draft: number; readonly record: Uint8Array }
  /** A draft, which is there, is sealed; or, without an envelope, is to be sealed anew. */
  | { readonly kind: 'sealed'; readonly draft: number; readonly sealed: Sealed | undefined }
  /** Own messages up to `n` have their places; up to `forget` they are not needed any more. */
  | { readonly kind: 'settled'; readonly n: number; readonly forget: number }
  /** A draft cannot be sent: it leaves the outbox. */
  | { readonly kind: 'setAside'; readonly draft: number }
  /** A draft that was set aside is gone: it was sent after all, or is not wanted. */
  | { readonly kind: 'discarded'; readonly draft: number }
  | { readonly kind: 'cipher'; readonly state: Uint8Array };
