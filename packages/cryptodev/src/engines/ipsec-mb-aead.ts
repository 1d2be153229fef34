/** AES-GCM of the engine `ipsec-mb`: one call of libIPSec_MB for a message, where OpenSSL takes four. */
import type { Segments } from '@skytale/virtio';
import type { Direction } from '../crypto-device.ts';
import { CryptoError } from '../crypto-error.ts';
import type { EngineAead } from '../engine.ts';
import { returnRoom, roomOfKey } from './keys.ts';
import { addressOf, type Pointer, Scratch } from './libcrypto.ts';
import { GcmKey, gcmContextLength, type KeyLength, type Manager } from './libipsec-mb.ts';
import { assertSameLength } from './stretches.ts';

/** Other nonces are hashed first, which the library's one call does not do. */
const nonceLength = 12;
/** In bytes; the library makes all of it, whatever is asked for. */
const longestTag = 16;

const nonceRoom = new Scratch(nonceLength);
const tagRoom = new Scratch(longestTag);
const contextRoom = new Scratch(gcmContextLength);

export class IpsecMbAead implements EngineAead {
  readonly #manager: Manager;
  readonly #alone: EngineAead;
  readonly #key: Uint8Array<ArrayBuffer>;
  readonly #keyLength: KeyLength;
  readonly #tagLength: number;
  #expanded: GcmKey | undefined;
  #isOpen = true;

  /** @param alone with the same key, for what the library does not do in one call; this one's to close */
  constructor(manager: Manager, alone: EngineAead, key: Uint8Array, tagLength: number) {
    this.#manager = manager;
    this.#alone = alone;
    this.#key = roomOfKey(key);
    this.#keyLength = key.length as KeyLength;
    this.#tagLength = tagLength;
  }

  seal(
    nonce: Uint8Array,
    associatedData: Segments,
    source: Segments,
    destination: Segments,
    tag: Uint8Array,
  ): ReturnType<EngineAead['seal']> {
    if (!isInOnePiece(nonce, associatedData, source, destination))
      return this.#alone.seal(nonce, associatedData, source, destination, tag);
    this.#run('encrypt', nonce, associatedData, source, destination);
    for (let i = 0; i < this.#tagLength; i++) tag[i] = tagRoom.bytes[i]!;
  }

  open(
    nonce: Uint8Array,
    associatedData: Segments,
    source: Segments,
    destination: Segments,
    tag: Uint8Array,
  ): ReturnType<EngineAead['open']> {
    if (!isInOnePiece(nonce, associatedData, source, destination))
      return this.#alone.open(nonce, associatedData, source, destination, tag);
    if (tag.length !== this.#tagLength) {
      throw new CryptoError(
        'CRYPTO_INVALID_TAG_LENGTH',
        `a tag of ${tag.length} bytes, not ${this.#tagLength}`,
      );
    }
    this.#run('decrypt', nonce, associatedData, source, destination);
    // All of it is looked at, wherever it differs: the time tells nothing of the right one.
    let difference = 0;
    for (let i = 0; i < this.#tagLength; i++) difference |= tag[i]! ^ tagRoom.bytes[i]!;
    // What the tag should have been is not left lying about.
    tagRoom.wipe();
    if (difference === 0) return true;
    destination.fill(0);
    return false;
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#alone.close();
    this.#expanded?.close();
    returnRoom(this.#key);
    // The stream that hid the end of the last message.
    contextRoom.wipe();
  }

  /** Leaves the tag in `tagRoom`, all 16 bytes of it: shorter ones are its beginning (SP 800-38D, 7.1). */
  #run(
    direction: Direction,
    nonce: Uint8Array,
    associatedData: Segments,
    source: Segments,
    destination: Segments,
  ): void {
    if (!this.#isOpen) throw new CryptoError('CRYPTO_CLOSED', 'the session is closed');
    assertSameLength(source, destination);
    this.#expanded ??= new GcmKey(this.#manager, this.#key, this.#keyLength);
    this.#manager.gcm(
      direction,
      this.#expanded,
      contextRoom.address,
      firstOf(destination),
      firstOf(source),
      source.byteLength,
      nonceRoom.put(nonce),
      firstOf(associatedData),
      associatedData.byteLength,
      tagRoom.address,
    );
  }
}

function isInOnePiece(nonce: Uint8Array, associatedData: Segments, source: Segments, destination: Segments) {
  return (
    nonce.length === nonceLength && associatedData.count <= 1 && source.count <= 1 && destination.count <= 1
  );
}

/** Where the one range of a list begins; an empty list has an address too, from which nothing is read. */
function firstOf(segments: Segments): Pointer {
  if (segments.count === 0) return contextRoom.address;
  return addressOf(segments.memory[0]!.bytes, segments.offset[0]!, segments.length[0]!);
}
