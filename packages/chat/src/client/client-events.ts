/** What a `ChatClient` tells its user: the events, and what they carry. */
import type { FindingCode } from '../encryption/finding.ts';
import type { ChatError } from './chat-error.ts';

/** The events of a `ChatClient`, each with the arguments of its listeners. */
export type ChatClientEvents = {
  /** The connection changed. */
  state: [ConnectionState];
  /** The next message of the room; strictly in the order of `key`, each authentic. */
  message: [ChatMessage];
  /** Somebody has told its name and nothing else. The event is as authentic as a message. */
  introduction: [Introduction];
  /** A message of one's own has its place in the room: it is durable at the server. In the order of `n`. */
  ack: [Acknowledgement];
  /**
   * The server has said who is there, see `ChatClient.present`: once for each connection, some time after one is in the room
   * (in a large room in several parts).
   */
  company: [];
  /** Somebody came or went since. The server says so; nothing proves it. */
  presence: [Presence];
  /** A draft cannot be sent. It was taken out of the outbox, and is in `ChatClient.setAside` until it is discarded. */
  setAside: [SetAside];
  /** Somebody said something that this version does not understand; a later one does. As authentic as a message. */
  unsupported: [Unsupported];
  /** Something that must not happen was noticed, and what it concerns was dropped. To be shown. */
  warning: [Warning];
  /** All that was in the room when one joined has been handed over; what follows is live. Once for each connection. */
  caughtUp: [CaughtUp];
  /** The client cannot go on; it does not reconnect. What is left to do is `close`. */
  fatal: [ChatError];
};

export type ConnectionState =
  /** Connecting, or connected and not yet let into the room. `attempt` counts from 1 since it was last online. */
  | { readonly phase: 'connecting'; readonly attempt: number }
  /** In the room. History may still be arriving. */
  | { readonly phase: 'online' }
  /** Not connected; the next attempt follows by itself after `retryIn` milliseconds. */
  | { readonly phase: 'offline'; readonly reason: ChatError; readonly retryIn: number }
  /** `close` was called, or a `fatal` went before. */
  | { readonly phase: 'closed' };

/**
 * A message, its sender's signature and seal verified.
 *
 * `text` and `from` are what the sender chose: they may hold any Unicode, control characters and escape
 * sequences among it. Whoever shows them makes them harmless first.
 */
export type ChatMessage = {
  /**
   * Its key in one's own history, 1 or more, which ascends from one message to the next and never changes: for `confirm` and `history`.
   * It is `seq`, unless the server forgot messages, or places were made up.
   */
  readonly key: number;
  /** Its place in the room's one order: 1, 2, 3 … */
  readonly seq: number;
  /** The name that the sender gives itself; at most 64 bytes of UTF-8, never empty. Not unique: `member` is. */
  readonly from: string;
  readonly member: MemberId;
  readonly text: string;
  /** When the sender wrote it, by the sender's clock; signed by the sender. */
  readonly at: Date;
  /**
   * Whether one wrote it oneself, in an earlier run: what is sent in this one comes as `ack` only. Those who do not
   * show it confirm it all the same.
   */
  readonly own: boolean;
  /**
   * Whether it was handed over before, by a process that ended before it confirmed: it may have been shown.
   * See `ChatClient.confirm`.
   */
  readonly again: boolean;
  /**
   * Whether it was read in an earlier run, and comes from the history: by `history`, or because `recent` asks for it, before all that is
   * new. It is not to be confirmed.
   */
  readonly old: boolean;
};

/** A member's id: the 64 hexadecimal digits of its Ed25519 public key. */
export type MemberId = string;

export type Introduction = {
  readonly member: MemberId;
  /** As `from` of a message: hostile, and not unique. */
  readonly name: string;
};

export type Acknowledgement = {
  /** As `send` returned it. */
  readonly n: number;
  readonly seq: number;
  /** As of a `ChatMessage`. */
  readonly key: number;
};

export type SetAside = {
  /** As `send` gave it. */
  readonly n: number;
  /** Names it for `ChatClient.discard`. */
  readonly id: string;
  readonly text: string;
  readonly reason: ChatError;
};

export type Unsupported = {
  readonly seq: number;
  readonly member: MemberId;
  /** As `from` of a message: hostile, and not unique. */
  readonly name: string;
  /** What the sender calls it: hostile too; at most 64 bytes. */
  readonly kind: string;
};

export type Presence = {
  readonly member: MemberId;
  /** The name of its last verified message, if there was one. */
  readonly name: string | undefined;
  readonly present: boolean;
};

export type CaughtUp = {
  /** The highest sequence number when one joined. */
  readonly seq: number;
};

/**
 * Something noticed that must not happen, `text` a whole sentence for the user, free of control characters. What it
 * concerns was dropped unless the code says otherwise.
 */
export type Warning = {
  readonly code: WarningCode;
  readonly text: string;
  /** Where it was noticed, if it concerns a place in the room. */
  readonly seq: number | undefined;
  /** Whom it concerns, if anybody; the server's claim unless a signature proves it. */
  readonly member: MemberId | undefined;
};

/** Stable. */
export type WarningCode =
  | FindingCode
  /**
   * Something that one did not send stands under one's own number: somebody put it there on the way to the server, or the server
   * did. It is passed over; what one had given this number is sent under another.
   */
  | 'INJECTED'
  /** What the server has stored at some places is damaged; they are passed over. */
  | 'DAMAGED'
  /** The server acknowledged what it must not, or broke the protocol; the connection is made anew. */
  | 'PROTOCOL_VIOLATION'
  /**
   * The server does not have messages that it once delivered or acknowledged; or somebody made them up. The room is
   * read again from its start, and what the server lacks of one's own is sent again.
   */
  | 'SERVER_FORGOT'
  /** The server refuses to store messages for now; they stay in the outbox, and are tried again. */
  | 'REFUSED'
  /** Some of what `since` asks for was read in earlier runs, and is not kept any more. */
  | 'NOT_KEPT';
