/** The client core, which runs wherever its environment does. */
export type { Clock } from '../clock.ts';
export type { Argon2Cost, ChatCrypto, SigningKey } from '../crypto.ts';
export { MAX_NAME_BYTES, MAX_TEXT_BYTES } from '../encryption/content.ts';
export {
  createInvite,
  formatInvite,
  formatWebInvite,
  type Invite,
  inviteSecret,
  openInvite,
  parseInvite,
} from '../encryption/invite.ts';
export { InviteError, type InviteErrorCode } from '../encryption/invite-error.ts';
export { RoomKeys } from '../encryption/key-schedule.ts';
export {
  formatServerAddress,
  parseOrigin,
  type ServerAddress,
} from '../encryption/server-address.ts';
export { NamesInUse } from '../names/look-alikes.ts';
export { isVisibleName } from '../names/shown-name.ts';
export type { ByteStream, ByteStreamListener } from './byte-stream.ts';
export { ChatClient, type ChatClientOptions, type SentMessage, type WaitingMessage } from './chat-client.ts';
export { ChatError, type ChatErrorCode } from './chat-error.ts';
export type * from './client-events.ts';
export type { ClientTuning } from './client-tuning.ts';
export { type CreateRoomOptions, createRoom } from './create-room.ts';
export type { ClientEnvironment } from './environment.ts';
export { MemoryDisk, type MemoryDiskOptions, type MemoryStore } from './memory-store.ts';
export type * from './state-store.ts';
