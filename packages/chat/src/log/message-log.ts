/**
 * Where the server keeps messages. Rooms and members go by the lower-case hex of their ids.
 *
 * Messages are kept as the DELIVER frames that are sent to clients, many in one batch: they are encoded once,
 * and what a client that catches up gets is what was stored, byte for byte.
 */

/** What one append adds to one room. */
export interface Batch {
  readonly room: string;
  /** Sequence numbers of the first and the last message; there is none missing between. */
  readonly first: number;
  readonly last: number;
  /** Unix time in milliseconds. */
  readonly time: number;
  /** DELIVER frames, one behind the other, in an ArrayBuffer of their own (it goes to another thread whole). */
  readonly frames: Uint8Array;
  /** The members that wrote these messages, and the largest n of each. */
  readonly members: readonly { readonly member: string; readonly lastN: number }[];
}

export interface RoomState {
  /** The last sequence number; 0 if there is none. */
  readonly head: number;
  /** The smallest sequence number that is kept; head + 1 if none is. */
  readonly first: number;
  /** Bytes of all frames that are kept. */
  readonly bytes: number;
}

/** Consecutive messages that were read back. */
export interface LogChunk {
  readonly first: number;
  readonly last: number;
  readonly frames: Uint8Array;
}

/** All methods reject with a `LogError`. */
export interface MessageLog {
  /** Makes a room known; one that is known already is left as it is. */
  createRoom(room: string): Promise<void>;
  /** The state of a room; `undefined` if it was never created. */
  roomState(room: string): Promise<RoomState | undefined>;
  roomCount(): Promise<number>;
  /** The largest n that is stored of a member; 0 if there is none. */
  lastN(room: string, member: string): Promise<number>;
  /**
   * Stores batches, all or none. Resolves when they are durable: they outlive the process and, unless the
   * durability is lower by choice, the machine's power. Each batch begins at its room's head + 1.
   */
  append(batches: readonly Batch[]): Promise<void>;
  /**
   * The messages from `after` + 1 on, or from the first that is kept: about `maxBytes` of them, or one
   * stored batch where that is more. `undefined` if there are none.
   */
  read(room: string, after: number, maxBytes: number): Promise<LogChunk | undefined>;
  /** Deletes batches written before `before`, a bounded number of them; says whether there may be more. */
  prune(before: number): Promise<boolean>;
  close(): Promise<void>;
}
