import type { Clock } from '../clock.ts';
import type { ServerAddress } from '../encryption/server-address.ts';
import type { ByteStream } from './byte-stream.ts';
import type { StateStore } from './state-store.ts';

/**
 * All that a client has of the world, besides the crypto device and the cryptography of its keys. Nothing under `client` reaches past it, except what implements it: Node's in `client/node`, a
 * browser's, a simulation's.
 */
export interface ClientEnvironment {
  readonly clock: Clock;

  /** From 0 up to 1, for the spread of waits; nothing that must not be guessed. */
  fraction(): number;

  /**
   * Connects. For TLS the certificate is checked, by the server's name.
   * @param signal gives up when aborted, which is how the caller sets a time
   * @throws {ChatError} CHAT_UNREACHABLE
   */
  dial(server: ServerAddress, signal: AbortSignal): Promise<ByteStream>;

  /**
   * Opens the state of a member of the room under this name, or makes one, and keeps it from all others until it is closed. Which one
   * where there are several: one with unsent messages first, so that what one run left the next one sends.
   * @param newSeed makes the seed of a new member; the store wipes what it is given
   * @throws {ChatError} CHAT_STATE_UNUSABLE, CHAT_STATE_CORRUPT, CHAT_STATE_NEWER, CHAT_STATE_IN_USE
   */
  openStore(room: Uint8Array, name: string, newSeed: () => Uint8Array): Promise<StateStore>;

  /**
   * Called with what a listener of the client threw; the client goes on. Unless given, nobody catches it, which on Node ends the process,
   * and a browser tells it to `error` of its window.
   */
  listenerFailed?(error: unknown): void;
}
