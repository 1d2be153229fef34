/** All of the package, on Node. The client that runs anywhere is `@skytale/chat/client`. */
import type { ChatClient as PortableChatClient } from './client/chat-client.ts';
import { openNodeClient } from './client/node/node-client.ts';

export type { SentMessage } from './client/chat-client.ts';
export { ChatError, type ChatErrorCode } from './client/chat-error.ts';
export type * from './client/client-events.ts';
export type { ClientTuning } from './client/client-tuning.ts';
export type { CreateRoomOptions } from './client/create-room.ts';
export {
  createRoomOnNode as createRoom,
  type NodeClientOptions as ChatClientOptions,
} from './client/node/node-client.ts';
export { defaultStateDirectory } from './client/node/state-directory.ts';
export type { ChatCrypto, SigningKey } from './crypto.ts';
export { MAX_NAME_BYTES, MAX_TEXT_BYTES } from './encryption/content.ts';
export {
  createInvite,
  formatInvite,
  formatWebInvite,
  type Invite,
  openInvite,
  parseInvite,
} from './encryption/invite.ts';
export { InviteError, type InviteErrorCode } from './encryption/invite-error.ts';
export { ROOM_ID_BYTES, RoomKeys } from './encryption/key-schedule.ts';
export {
  formatOrigin,
  formatServerAddress,
  parseServerAddress,
  type ServerAddress,
} from './encryption/server-address.ts';
export * from './log/index.ts';
export { looksTheSame, NamesInUse } from './names/look-alikes.ts';
export { isVisibleName, shownName } from './names/shown-name.ts';
export { type HiddenKind, harmless, replaceHidden } from './names/shown-text.ts';
export { nodeCrypto } from './node-crypto.ts';
export * from './protocol/index.ts';
export * from './server/index.ts';
export { WebRelay, type WebRelayOptions } from './web-relay.ts';

/** A client with its state in a directory. */
export type ChatClient = PortableChatClient;
export const ChatClient = { open: openNodeClient } as const;
