/**
 * Where servers keep messages. Rooms and members go by the lower-case hex of their ids.
 *
 * Messages are kept as the DELIVER frames that are sent to clients, many in one batch: they are encoded once,
 * and what a client that catches up gets is what was stored, byte for byte.
 *
 * The interface has several writers in mind. What a log MUST do:
 *
 * 1. A room's batches follow each other without a hole: a batch is stored only if it begins at its room's head + 1.
 *    That is the only fence between writers; who loses is told the head, and has changed nothing.
 * 2. A batch is stored whole or not at all, and with it the last number of each of its members.
 * 3. When `append` says that it is stored, it is durable: it outlives the process and, unless the durability is lower
 *    by choice, the machine's power.
 * 4. Watchers of a room are given every batch once, in order, before `append` resolves for it where one process does both.
 * 5. What goes wrong with one room (damage, a head that is another, more to store than there is room for) is that room's alone:
 *    appends to other rooms, also those that share a transaction with it, go on.
 * 6. What is handed out was verified: each batch against its checksum, which covers room, places, time and frames.
 */

/** The last message that is stored of a member. */
export interface LastMessage {
  /** Its number; 0 if there is none. */
  readonly n: number;
  /** SHA-256 of its envelope; 32 zeros if there is none. */
  readonly hash: Uint8Array;
}

/** What one append adds to a room. */
export interface Batch {
  readonly room: string;
  /** Sequence numbers of the first and the last message; there is none missing between. */
  readonly first: number;
  readonly last: number;
  /** Unix time in milliseconds. */
  readonly time: number;
  /** DELIVER frames, one behind the other. Not changed by anybody any more. */
  readonly frames: Uint8Array;
  /** The members that wrote these messages, and the last of each. */
  readonly members: readonly { readonly member: string; readonly last: LastMessage }[];
}

/** What became of an append: `head` is the room's head now, where the batch does not begin behind it. */
export type Appended = { readonly stored: true } | { readonly stored: false; readonly head: number };

export interface RoomState {
  /** The last sequence number; 0 if there is none. */
  readonly head: number;
  /** The smallest sequence number that is kept; head + 1 if none is. */
  readonly first: number;
  /** Bytes of all frames that are kept. */
  readonly bytes: number;
}

/** A room, for the server's owner. Times are Unix times in milliseconds. */
export interface RoomSummary extends RoomState {
  readonly room: string;
  readonly createdAt: number;
  /** When something was stored last; `createdAt` if nothing was. */
  readonly usedAt: number;
  /** Who created it, as it was given to `createRoom`. */
  readonly creator: string;
  /** Members of whom a number is kept. */
  readonly members: number;
  /** Its rows are damaged beyond repair: all that is right here is its id, and all that helps is to delete it. */
  readonly damaged: boolean;
}

/** Consecutive places that were read back. */
export interface LogChunk {
  readonly first: number;
  readonly last: number;
  /** The DELIVER frames of these places, in memory of their own; empty where `damaged` is true. */
  readonly frames: Uint8Array;
  /** What is stored for these places is damaged, and not given out. What follows may be read on. */
  readonly damaged: boolean;
}

/** Rooms that are kept, in all and of one creator. */
export interface RoomCounts {
  readonly all: number;
  readonly ofCreator: number;
}

/** Receives a room's batches, in order, without a hole. */
export interface Watcher {
  stored(batch: Batch): void;
  /** Nothing more comes: the log, or this room in it, has failed, or the room was deleted. */
  failed(error: unknown): void;
}

/** All promises reject with a `LogError`. */
export interface MessageLog {
  /**
   * Makes a room known; one that is known already is left as it is. Rejects with LOG_BUSY while one of that id, and much
   * in it, is being deleted.
   * @param creator whatever names who wants it (an address): `roomCounts` counts by it
   * @param now Unix time in milliseconds
   */
  createRoom(room: string, creator: string, now: number): Promise<void>;
  /**
   * The state of a room; `undefined` if it was never created, or was deleted.
   * Rejects with LOG_DAMAGED if its rows are damaged and cannot be repaired from its batches.
   */
  roomState(room: string): Promise<RoomState | undefined>;
  roomCounts(creator: string): Promise<RoomCounts>;
  /** At most `count` rooms behind the room `after` (`''`: from the first), in the order of their ids. */
  rooms(after: string, count: number): Promise<readonly RoomSummary[]>;
  /** Deletes a room with all that is in it. @returns whether there was one */
  deleteRoom(room: string): Promise<boolean>;
  /** The last message that is stored of a member. */
  lastOf(room: string, member: string): Promise<LastMessage>;
  /**
   * Stores a batch, or tells the head where that is another. Rejects with LOG_NO_ROOM, LOG_DAMAGED, LOG_INVALID or
   * LOG_FULL for this batch alone, with another code for all that was not stored by then; unless the error is `final` it
   * may be tried again. Appends of several rooms that are called while one transaction runs share the next one. A writer has one
   * append of a room under way.
   */
  append(batch: Batch): Promise<Appended>;
  /**
   * The messages from `after` + 1 on, or from the first that is kept: at most `maxBytes` of frames, or one message
   * where that is more. `undefined` if there are none.
   * @param isWanted says false when nobody waits for them any more; then they need not be read, and `undefined` may be the answer
   */
  read(
    room: string,
    after: number,
    maxBytes: number,
    isWanted?: () => boolean,
  ): Promise<LogChunk | undefined>;
  /**
   * Gives `watcher` every batch that is stored behind the place `from`, whoever stored it, until what it returns is disposed of.
   * Its methods are never called before `watch` returns. A room that is deleted, or was never there, fails with LOG_NO_ROOM;
   * one of which something behind `from` was pruned before it was given, with LOG_FAILED.
   * @param from the head that `roomState` told: what came since is given too
   */
  watch(room: string, from: number, watcher: Watcher): Disposable;
  /**
   * Deletes, of each room, everything up to its newest batch that is older than `before` (so there never is a hole, and a
   * clock that was ahead for a while holds up nothing); and rooms in which nothing was ever stored, created before
   * `emptyBefore`, that nobody watches. It also goes on with deletions that the end of a process has cut off. A bounded number of them: says whether there may be more.
   */
  prune(before: number, emptyBefore: number): Promise<boolean>;
  close(): Promise<void>;
}
