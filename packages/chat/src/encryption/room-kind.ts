import type { CryptoDevice } from '@skytale/cryptodev';
import type { Identity } from './identity.ts';
import type { RoomKeys } from './key-schedule.ts';
import type { RoomCipher } from './room-cipher.ts';
import { SharedKeyCipher } from './shared-key-cipher.ts';

/** What a client needs of a kind of room; who may enter one is in `RoomKeys.access`. */
export interface RoomKind {
  /** @param state what the cipher gave last to be stored; `undefined` if it never did */
  openCipher(parts: CipherParts, state: Uint8Array | undefined): RoomCipher;
}

/** All remain the caller's, and outlive the cipher. */
export type CipherParts = {
  readonly keys: RoomKeys;
  readonly identity: Identity;
  readonly device: CryptoDevice;
};

/** Whoever holds the room's secret is a member. */
export const sharedKeyKind: RoomKind = {
  openCipher: ({ keys, identity, device }) => new SharedKeyCipher(keys, identity, device),
};
