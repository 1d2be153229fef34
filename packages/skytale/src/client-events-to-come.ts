/**
 * Events that the chat client is about to get, as this program shows them. Until its own types have them they are declared
 * here, in one place, to be replaced by `client.on`.
 */
import type { EventEmitter } from 'node:events';
import type { ChatClient, ChatErrorCode, MemberId } from '@skytale/chat';

/** A draft that cannot be sent. It stays in the client's state. */
export type SetAside = {
  readonly text: string;
  readonly reason: { readonly code: ChatErrorCode; readonly message: string };
};

/** Authentic content of a later version. */
export type Unsupported = {
  readonly seq: number;
  readonly member: MemberId;
  readonly name: string | undefined;
  readonly kind: string;
};

export type EventsToCome = { setAside: [SetAside]; unsupported: [Unsupported] };

export function eventsToCome(client: ChatClient): EventEmitter<EventsToCome> {
  return client as unknown as EventEmitter<EventsToCome>;
}
