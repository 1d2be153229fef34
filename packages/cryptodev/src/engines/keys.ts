/** What all engines do with a key before they take it. */
import { Segments } from '@skytale/virtio';
import type { CipherName, HashName } from '../algorithms.ts';
import { hashes } from '../algorithms.ts';
import { CryptoError } from '../crypto-error.ts';
import type { EngineDigest } from '../engine.ts';

/**
 * A copy of a key that can be wiped for good: it lies outside of V8's heap, whose collector moves small
 * arrays about and leaves copies behind.
 */
export function copyOfKey(key: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(new ArrayBuffer(key.length));
  copy.set(key);
  return copy;
}

const roomLength = 64;
const idleRoomsMax = 1024;
const idleRooms: Uint8Array<ArrayBuffer>[] = [];

/**
 * A copy of a key of up to 64 bytes, and zeros behind it, in memory of the same kind that is used again: to
 * allocate that costs more than all the rest of a session. For `returnRoom` when the key is not needed any more;
 * one that is forgotten is collected like any memory.
 */
export function roomOfKey(key: Uint8Array): Uint8Array<ArrayBuffer> {
  const room = idleRooms.pop() ?? new Uint8Array(new ArrayBuffer(roomLength));
  for (let i = 0; i < key.length; i++) room[i] = key[i]!;
  return room;
}

/** Wipes a room, which then is somebody else's: to be called once. */
export function returnRoom(room: Uint8Array<ArrayBuffer>): void {
  room.fill(0);
  if (idleRooms.length < idleRoomsMax) idleRooms.push(room);
}

/** A copy of a key for as long as something is done with it: in a room, if it is short enough. */
export class KeyCopy {
  readonly key: Uint8Array;
  readonly #room: Uint8Array<ArrayBuffer> | undefined;

  constructor(key: Uint8Array) {
    this.#room = key.length <= roomLength ? roomOfKey(key) : undefined;
    this.key = this.#room?.subarray(0, key.length) ?? copyOfKey(key);
  }

  /** To be called once. */
  wipe(): void {
    if (this.#room === undefined) this.key.fill(0);
    else returnRoom(this.#room);
  }
}

/**
 * Refuses an XTS key whose halves are equal: tweak and data key are then one, and the mode breaks
 * (IEEE 1619, FIPS 140 IG C.I). Looks at every byte, so that the time tells nothing of the key.
 * @throws {CryptoError} CRYPTO_INVALID_KEY
 */
export function assertAcceptableKey(cipher: CipherName, key: Uint8Array): void {
  if (cipher !== 'aes-xts') return;
  const half = key.length / 2;
  let difference = 0;
  for (let i = 0; i < half; i++) difference |= key[i]! ^ key[half + i]!;
  if (difference === 0)
    throw new CryptoError('CRYPTO_INVALID_KEY', 'the two halves of the XTS key are equal');
}

/** A key that is longer than the hash's block is hashed first (RFC 2104): the kernel's interfaces limit keys. */
export function shortMacKey(hash: HashName, key: Uint8Array, createHash: () => EngineDigest): Uint8Array {
  if (key.length <= hashes[hash].blockSize) return key;
  const short = new Uint8Array(new ArrayBuffer(hashes[hash].digestLength));
  const digest = createHash();
  try {
    digest.update(Segments.of(key));
    digest.digest(short);
    return short;
  } finally {
    digest.close();
  }
}
