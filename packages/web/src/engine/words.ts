/** What people are told of an error, where a browser is not what the client core speaks of: a directory, a program to be updated. */
import { ChatError, type ChatErrorCode } from '@skytale/chat/client';

const inBrowser: Partial<Record<ChatErrorCode, string>> = {
  CHAT_STATE_CORRUPT:
    'What this browser keeps of the room is damaged. Forget the room, and enter it again by its link, as a new member.',
  CHAT_STATE_OUTDATED:
    'What this browser keeps of the room is an old copy, or the same is used elsewhere too. Forget the room, and enter it again by its link, as a new member.',
  CHAT_STATE_NEWER: 'A newer version of this page has been here. Reload the page.',
  CHAT_REPLACED:
    'You are in this room from elsewhere too, with a copy of what this browser keeps: only one of the two can be. Close the other, and reload the page.',
  CHAT_UNSUPPORTED_VERSION: 'The server speaks another version than this page. Reload the page.',
};

/** A whole sentence, with what to do. */
export function wordsOf(error: Error): string {
  return (error instanceof ChatError ? inBrowser[error.code] : undefined) ?? error.message;
}
