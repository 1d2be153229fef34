/** The client core, which runs wherever its environment does. */
export type { ByteStream, ByteStreamListener } from './byte-stream.ts';
export { ChatClient, type ChatClientOptions, type SentMessage } from './chat-client.ts';
export { ChatError, type ChatErrorCode } from './chat-error.ts';
export type * from './client-events.ts';
export type { ClientTuning } from './client-tuning.ts';
export { type CreateRoomOptions, createRoom } from './create-room.ts';
export type { ClientEnvironment } from './environment.ts';
export { MemoryDisk, type MemoryDiskOptions, type MemoryStore } from './memory-store.ts';
export type * from './state-store.ts';
