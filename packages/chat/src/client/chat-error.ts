import { formatServerAddress, type ServerAddress } from '../encryption/server-address.ts';

/** Why a chat client cannot do what it was asked to. The codes are stable: programs may rely on them. */
export type ChatErrorCode =
  /** Longer than the limit that the message names; nothing was sent. */
  | 'CHAT_TEXT_TOO_LONG'
  /** Not well-formed Unicode (a lone surrogate); nothing was sent. */
  | 'CHAT_TEXT_MALFORMED'
  /** A name that is empty, too long, or not wholly visible. */
  | 'CHAT_NAME_INVALID'
  /** The client was closed. */
  | 'CHAT_CLOSED'
  /** The server cannot be reached. */
  | 'CHAT_UNREACHABLE'
  /** The connection ended, or the server went silent. */
  | 'CHAT_HUNG_UP'
  /** The server is going down, or refuses for now (too many connections …). */
  | 'CHAT_UNAVAILABLE'
  /** The server keeps no more rooms. */
  | 'CHAT_TOO_MANY_ROOMS'
  /** What answers is not a skytale server, or breaks the protocol. */
  | 'CHAT_PROTOCOL_VIOLATION'
  /** Server and client have no protocol version in common. */
  | 'CHAT_UNSUPPORTED_VERSION'
  /** The server does not know the room. */
  | 'CHAT_NO_SUCH_ROOM'
  /** The server does not let one in. */
  | 'CHAT_ACCESS_DENIED'
  /** The server answers for another room than the one asked for. */
  | 'CHAT_WRONG_ROOM'
  /** Another process came with the same identity, so with a copy of the state directory. */
  | 'CHAT_REPLACED'
  /** The server no longer has messages that it delivered or acknowledged. Fatal only where they cannot be sent again. */
  | 'CHAT_SERVER_FORGOT'
  /** The server has messages of this identity that the state directory does not know: the directory is an old copy. */
  | 'CHAT_STATE_OUTDATED'
  /** The state directory cannot be read or written. */
  | 'CHAT_STATE_UNUSABLE'
  /** A database in the state directory is damaged. */
  | 'CHAT_STATE_CORRUPT'
  /** The state directory was written by a newer version of this program. */
  | 'CHAT_STATE_NEWER'
  /** More processes than allowed use the same room and name at the same time. */
  | 'CHAT_STATE_IN_USE'
  /** What the server has stored is damaged, or what it sends is, again and again at the same place. */
  | 'CHAT_DAMAGED'
  /** The crypto device failed. */
  | 'CHAT_CRYPTO_FAILED';

/** An error with a stable code and a sentence that says what to do. Never key material, never a message's text. */
export class ChatError extends Error {
  readonly code: ChatErrorCode;

  constructor(code: ChatErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ChatError';
    this.code = code;
  }
}

export function cryptoFailure(error: unknown): ChatError {
  return new ChatError('CHAT_CRYPTO_FAILED', sentence(`The crypto device failed: ${wordsOf(error)}`), {
    cause: error,
  });
}

export function unreachable(server: ServerAddress, cause: unknown, reason = wordsOf(cause)): ChatError {
  const text = `The server ${formatServerAddress(server)} cannot be reached: ${reason}`;
  return new ChatError('CHAT_UNREACHABLE', sentence(text), { cause });
}

/** Ends what has no end yet: a reason may be a question, or a sentence of the system's. */
function sentence(text: string): string {
  return /[.?!]$/.test(text) ? text : `${text}.`;
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
