/** What a `ChatClient` tells its user: the events, and what they carry. */
import type { ChatError } from './chat-error.ts';

/** The events of a `ChatClient`, each with the arguments of its listeners. */
export type ChatClientEvents = {
  /** The connection changed. */
  state: [ConnectionState];
  /** The next message of the room; strictly in the order of `seq`, each authentic. */
  message: [ChatMessage];
  /** A message of one's own has its place in the room: it is durable at the server. In the order of `n`. */
  ack: [Acknowledgement];
  /** Somebody came or went. The server says so; nothing proves it. */
  presence: [Presence];
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
  /** Its place in the room's one order: 1, 2, 3 … */
  readonly seq: number;
  /** The name that the sender gives itself; at most 64 bytes of UTF-8, never empty. Not unique: `member` is. */
  readonly from: string;
  readonly member: MemberId;
  readonly text: string;
  /** When the sender wrote it, by the sender's clock; signed by the sender. */
  readonly at: Date;
  /** Whether one wrote it oneself; so only in history, as one's own live messages come as `ack`. */
  readonly own: boolean;
  /**
   * Whether it was handed over before, by a process that ended before it confirmed: it may have been shown.
   * See `ChatClient.confirm`.
   */
  readonly again: boolean;
};

/** A member's id: the 64 hexadecimal digits of its Ed25519 public key. */
export type MemberId = string;

export type Acknowledgement = {
  /** As `send` returned it. */
  readonly n: number;
  readonly seq: number;
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

/** Something noticed; `text` is a whole sentence for the user, free of control characters. */
export type Warning = {
  readonly code: WarningCode;
  readonly text: string;
  /** Where it was noticed, if it concerns a place in the room. */
  readonly seq: number | undefined;
  /** Whom it concerns, if anybody; the server's claim unless the code says otherwise. */
  readonly member: MemberId | undefined;
};

/** Stable. */
export type WarningCode =
  /** A message that was there before, by its number or its place, came again; dropped. */
  | 'REPLAY'
  /** A message came after later ones of its sender; dropped. */
  | 'REORDERED'
  /** Messages of a sender are missing. */
  | 'MISSING'
  /** The signature is not the sender's: forged, altered, or from another room; dropped. */
  | 'FORGED'
  /** The signature is right and the seal is not: its sender does not hold the room's secret; dropped. */
  | 'TAMPERED'
  /** Not in the form of an envelope; dropped. */
  | 'MALFORMED'
  /** Sealed in a version that this program does not know; dropped. */
  | 'UNSUPPORTED_VERSION'
  /** Authentic, but the content is none that this program understands; dropped. */
  | 'MALFORMED_CONTENT'
  /** The server hands out one's own message in another form than it was sent. */
  | 'OWN_MESSAGE_ALTERED'
  /** The server shows the sender another history than this client. */
  | 'HISTORY_DIFFERS'
  /** The room's numbering has a hole: the server left messages out. */
  | 'LEFT_OUT'
  /** The server deleted old messages before this client could fetch them. */
  | 'EXPIRED'
  /** Two members use the same name. */
  | 'NAME_SHARED'
  /** The server broke the protocol, or somebody between did; the connection is made anew. */
  | 'PROTOCOL_VIOLATION'
  /** The server refuses to store messages for now; they stay in the outbox. */
  | 'REFUSED';
