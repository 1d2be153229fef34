/**
 * What the page asks of the engine, and what it is told. The engine has the keys, the connection and the store; it lives in a worker, and
 * of several tabs one engine leads and the others pass on, which the page does not see. All that goes between is plain data (structured
 * clone), and no secret but the links of invites, which the user asked to see.
 *
 * Texts and names are what others wrote: any Unicode. The page shows them as text, made harmless.
 */

/** A room's public id as it stands in links: base64url of 16 bytes. */
export type RoomId = string;
/** 64 hexadecimal digits of a member's public key. */
export type MemberId = string;

export type RoomSummary = {
  readonly room: RoomId;
  /** What the user calls the room; only on this device. */
  readonly label: string;
  /** The user's name in it. */
  readonly name: string;
  /** Messages that came since the user last looked. */
  readonly unread: number;
  /** When something was last said, by its sender's clock, but not later than it came; milliseconds. */
  readonly lastAt: number | undefined;
};

/** Links to pass on, for browsers and for the terminal, and whether they alone let nobody in. */
export type InviteLinks = {
  readonly web: string;
  readonly terminal: string;
  readonly needsPassphrase: boolean;
};

/** What a text in the "Join" box, or the page's own address, is. */
export type LinkFound =
  | {
      readonly kind: 'invite';
      readonly room: RoomId;
      readonly needsPassphrase: boolean;
      readonly known: RoomSummary | undefined;
    }
  /** `text` says what is wrong and what to do; of a link to another host, that no page reaches it, and which command does. */
  | { readonly kind: 'bad'; readonly code: string; readonly text: string };

export type Message = {
  readonly kind: 'message';
  /**
   * Its place in what is kept here of the room, which ascends from one message to the next and never changes; `undefined` while it waits
   * to be sent.
   */
  readonly seq: number | undefined;
  /** One's own number of it, of what was sent in this run or waits. */
  readonly n: number | undefined;
  readonly from: string;
  readonly member: MemberId;
  readonly text: string;
  /** Milliseconds, by the sender's clock. */
  readonly at: number;
  readonly own: boolean;
};

/** What stands between messages. Kept with the history: what was noticed, and names told. Not kept: who came and left. */
export type Notice = {
  readonly kind: 'notice';
  /** The place behind which it stands. */
  readonly seq: number;
  readonly what:
    | { readonly kind: 'came' | 'left'; readonly member: MemberId; readonly name: string | undefined }
    | { readonly kind: 'introduced'; readonly member: MemberId; readonly name: string }
    | { readonly kind: 'unsupported'; readonly member: MemberId; readonly name: string }
    /** Something that must not happen. `code` is a `WarningCode` of the chat, `text` a whole sentence. */
    | {
        readonly kind: 'warning';
        readonly code: string;
        readonly text: string;
        readonly member: MemberId | undefined;
      };
  readonly at: number;
};

export type Item = Message | Notice;

export type Connection =
  | { readonly phase: 'connecting' }
  | { readonly phase: 'online'; readonly caughtUp: boolean }
  /** `retryIn` milliseconds. `text` says why, for people. */
  | { readonly phase: 'offline'; readonly text: string; readonly retryIn: number }
  /** For good: `text` says why and what to do. */
  | { readonly phase: 'ended'; readonly code: string; readonly text: string };

/** Most members that are told of a room. */
export const MAX_MEMBERS = 2000;

export type Member = {
  readonly member: MemberId;
  readonly name: string | undefined;
  readonly present: boolean;
  readonly hidden: boolean;
  /** Whether another member has a name that looks the same. */
  readonly nameIsShared: boolean;
};

export type SetAside = { readonly id: string; readonly text: string; readonly reason: string };

/** A room as the page needs it when it opens it. */
export type RoomView = {
  readonly summary: RoomSummary;
  readonly self: MemberId;
  readonly connection: Connection;
  readonly members: readonly Member[];
  /** How many are there, by what the server says, oneself included. */
  readonly presentCount: number;
  /** The last ones, oldest first, own ones that wait behind them. */
  readonly items: readonly Item[];
  /** The place up to which the user had read: the unread mark stands behind it. */
  readonly readUpTo: number;
  readonly setAside: readonly SetAside[];
};

export type RoomEvent =
  | { readonly kind: 'item'; readonly item: Item }
  /** The message of one's own number has its place. */
  | { readonly kind: 'sent'; readonly n: number; readonly seq: number }
  | { readonly kind: 'connection'; readonly connection: Connection }
  | { readonly kind: 'members'; readonly members: readonly Member[]; readonly presentCount: number }
  | { readonly kind: 'setAside'; readonly setAside: readonly SetAside[] }
  /** All anew, in the place of what was told before: another tab's engine leads now, and what went between is not known. */
  | { readonly kind: 'view'; readonly view: RoomView }
  /** The room was forgotten, here or in another tab. */
  | { readonly kind: 'forgotten' };

export type EngineEvent =
  | { readonly kind: 'rooms'; readonly rooms: readonly RoomSummary[] }
  | { readonly kind: 'room'; readonly room: RoomId; readonly events: readonly RoomEvent[] };

/** Why a call fails: a stable code, of `ChatErrorCode`, `InviteErrorCode` or `ENGINE_…`, and what to tell people. */
export class EngineError extends Error {
  readonly code: string;
  readonly text: string;

  constructor(code: string, text: string) {
    super(text);
    this.name = 'EngineError';
    this.code = code;
    this.text = text;
  }
}

/** Calls fail with an `EngineError`. Every call may be made in any tab. */
export interface Engine {
  /** What this engine tells; at most once for each turn of its event loop, in order. @returns ends it */
  listen(listener: (event: EngineEvent) => void): () => void;

  rooms(): Promise<readonly RoomSummary[]>;
  /** Makes a room at the page's server and enters it. */
  create(options: {
    readonly name: string;
    readonly label: string;
    readonly passphrase?: string;
  }): Promise<RoomId>;
  look(link: string): Promise<LinkFound>;
  /** Enters the room of a link. With a room that is known, opens that. */
  join(options: {
    readonly link: string;
    readonly name: string;
    readonly label: string;
    readonly passphrase?: string;
  }): Promise<RoomId>;

  /** Opens a room, connects, and tells of it from now on. */
  open(room: RoomId): Promise<RoomView>;
  /** The page does not show it any more. It stays connected while the engine lives, for notifications and counting unread ones. */
  leave(room: RoomId): Promise<void>;
  /**
   * Items before a place, oldest first, from what is kept here: at most `limit` messages, the first of them first, and the notices among
   * them. Empty at the beginning. The place is the `seq` of the oldest item that one has.
   */
  history(room: RoomId, before: number, limit: number): Promise<readonly Item[]>;
  /** Resolves when it is durable here; it is sent when there is a connection. */
  send(room: RoomId, text: string): Promise<Message>;
  /** The user has seen all up to this place. */
  read(room: RoomId, seq: number): Promise<void>;
  discard(room: RoomId, id: string): Promise<void>;
  hide(room: RoomId, member: MemberId, hidden: boolean): Promise<void>;
  rename(room: RoomId, label: string): Promise<void>;
  invite(room: RoomId): Promise<InviteLinks>;
  /** Sixty digits to compare with a member. */
  safetyNumber(room: RoomId, member: MemberId): Promise<string>;
  /** Leaves for good: wipes keys, identity, outbox and history of the room on this device. */
  forget(room: RoomId): Promise<void>;
}
