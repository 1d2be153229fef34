import { harmless } from '../names/shown-text.ts';
import { type ProtocolErrorCode, protocolErrorCode } from '../protocol/protocol-error.ts';
import { ChatError, type ChatErrorCode } from './chat-error.ts';

const codes = {
  MALFORMED_FRAME: 'CHAT_PROTOCOL_VIOLATION',
  FRAME_TOO_LARGE: 'CHAT_PROTOCOL_VIOLATION',
  UNEXPECTED_FRAME: 'CHAT_PROTOCOL_VIOLATION',
  UNSUPPORTED_VERSION: 'CHAT_UNSUPPORTED_VERSION',
  ACCESS_DENIED: 'CHAT_ACCESS_DENIED',
  NO_SUCH_ROOM: 'CHAT_NO_SUCH_ROOM',
  NOT_JOINED: 'CHAT_PROTOCOL_VIOLATION',
  GAP: 'CHAT_PROTOCOL_VIOLATION',
  REPLACED: 'CHAT_REPLACED',
  TOO_MANY_CONNECTIONS: 'CHAT_UNAVAILABLE',
  TOO_MANY_ROOMS: 'CHAT_TOO_MANY_ROOMS',
  STORAGE_FULL: 'CHAT_UNAVAILABLE',
  IDLE: 'CHAT_HUNG_UP',
  TOO_SLOW: 'CHAT_HUNG_UP',
  SERVER_FAILURE: 'CHAT_UNAVAILABLE',
  DAMAGED: 'CHAT_DAMAGED',
  UNSUPPORTED_KIND: 'CHAT_UNSUPPORTED_VERSION',
} as const satisfies Record<ProtocolErrorCode, ChatErrorCode>;

/**
 * Refusals that another attempt does not change. Since anybody on the way can forge one, they count only when
 * they come twice in a row.
 */
const lasting: readonly ChatErrorCode[] = [
  'CHAT_UNSUPPORTED_VERSION',
  'CHAT_ACCESS_DENIED',
  'CHAT_NO_SUCH_ROOM',
  'CHAT_WRONG_ROOM',
  'CHAT_REPLACED',
  'CHAT_SERVER_FORGOT',
];

/** What an ERROR frame means to a client. Numbers unknown to this version count as SERVER_FAILURE. */
export function refusal({ code, text }: { readonly code: number; readonly text: string }): ChatError {
  const chatCode = codes[protocolErrorCode(code) ?? 'SERVER_FAILURE'];
  return new ChatError(chatCode, `${meaning[chatCode] ?? 'The server refuses.'} It says: ${harmless(text)}`);
}

const meaning: Partial<Record<ChatErrorCode, string>> = {
  CHAT_NO_SUCH_ROOM: 'This server does not know the room. It may have lost its data.',
  CHAT_ACCESS_DENIED:
    'The server does not let you in, although the invite is right: is something between you and it?',
  CHAT_UNSUPPORTED_VERSION: 'The server does not speak the version of this program.',
  CHAT_REPLACED: 'Another program entered the room as the same member: was the state directory copied?',
  CHAT_UNAVAILABLE: 'The server cannot serve you now.',
  CHAT_HUNG_UP: 'The server hung up.',
  CHAT_DAMAGED: 'What the server has stored of the room is damaged; its owner can see that in its log.',
};

export function isLasting(error: ChatError): boolean {
  return lasting.includes(error.code);
}
