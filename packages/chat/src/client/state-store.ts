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
 * 7. A message stays, confirmed or not, until it is forgotten. One that is not confirmed MUST NOT be forgotten.
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

  /**
   * Of the messages that are kept with a key less than `before`, the last ones, `limit` at most, by key.
   * @throws {ChatError} as `load`
   */
  history(before: number, limit: number): Promise<SavedMessage[]>;

  /** Of those with a key greater than `after`, the first ones; otherwise as `history`. */
  historyAfter(after: number, limit: number): Promise<SavedMessage[]>;

  /** @throws {ChatError} CHAT_STATE_UNUSABLE */
  commit(changes: readonly StateChange[], durability: Durability): Promise<void>;

  /** Ends the lock. Twice is fine. */
  close(): Promise<void>;

  /**
   * Removes all of it, as far as the medium lets anybody, and closes: who opens a state then gets another.
   * @throws {ChatError} CHAT_STATE_UNUSABLE
   */
  wipe(): Promise<void>;
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
  /** Messages that were handed over and not confirmed, by key. */
  readonly messages: readonly SavedMessage[];
  /** The greatest key of a message that is kept, or was forgotten; 0 if there was none. */
  readonly lastKey: number;
  /** Messages with keys up to this one may be missing in what is kept: they were forgotten, or never there. */
  readonly forgotten: number;
  /** The number of the last draft that there ever was. */
  readonly lastDraft: number;
  /** Own messages up to this number have their places. */
  readonly settled: number;
  /** Drafts that have none, by `draft`: not sealed, or sealed under a number after `settled`. */
  readonly outbox: readonly SavedDraft[];
  /** Those that have one, as far as they are still kept, by `n`. */
  readonly kept: readonly KeptDraft[];
  readonly setAside: readonly SavedDraft[];
  /** Members that the user does not want to see. */
  readonly hidden: readonly Uint8Array[];
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

/** A message that is kept. Its key is the member's own: 1 or more, and greater than those of all that it was told or sent before. */
export type SavedMessage = { readonly key: number; readonly record: Uint8Array };

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

/** How much is kept of messages, at most. */
export type HistoryBound = { readonly messages: number; readonly bytes: number };

export type StateChange =
  /** One has read up to there. */
  | ({ readonly kind: 'place' } & SavedPlace)
  /** Of a sender something is new. */
  | { readonly kind: 'sender'; readonly sender: Sender }
  /** A message is to be kept, in place of what has its key; `handedOver`, if it is handed over, and is to be confirmed. */
  | ({ readonly kind: 'message'; readonly handedOver: boolean } & SavedMessage)
  /** Messages with keys up to this one are confirmed. */
  | { readonly kind: 'confirmed'; readonly key: number }
  /** Messages with keys up to this one need not be kept. */
  | { readonly kind: 'forgotten'; readonly key: number }
  /** As `forgotten`, with the least key by which no more messages are left than these, nor more bytes of their records. */
  | ({ readonly kind: 'trimmed' } & HistoryBound)
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
  /** The user does not want to see a member, or does again. */
  | { readonly kind: 'hidden'; readonly member: Uint8Array; readonly hidden: boolean }
  | { readonly kind: 'cipher'; readonly state: Uint8Array };
