/**
 * One request while the device works on it: the header in memory of its own, read once, and the parts of the
 * chain by section 6. Jobs are reused, so that a request costs no allocation.
 */
import { Segments, type VirtioRequest } from '@skytale/virtio';
import { ShortBytes, wordIndex, wordsOf } from '../short-bytes.ts';
import { errno } from './errno.ts';
import type { Session } from './session.ts';
import {
  COP_DECRYPT,
  decodeRequestHeader,
  emptyRequestHeader,
  emptyResponseHeader,
  encodeResponseHeader,
  encodeSessionProperties,
  flag,
  ioctl,
  maxDigestLength,
  maxIvLength,
  requestHeaderLength,
  requestType,
  responseHeaderLength,
  responseIvOffset,
  type SessionProperties,
} from './wire.ts';

/** The header and the IV behind it come in one copy. */
const prefixLength = requestHeaderLength + maxIvLength;
const noSegments = new Segments();

export class Job {
  readonly header = emptyRequestHeader();
  /** The data to work on, in the driver's memory. Of SRTP type, a part of `auth`. */
  readonly source = new Segments();
  /** Where the result goes; empty until `reserve`. */
  readonly destination = new Segments();
  /** Associated data, in the driver's memory. */
  readonly auth = new Segments();
  /** A list for whoever works on the job. */
  readonly part = new Segments();
  /** The IV given, `header.ivLength` bytes; after that stale. */
  readonly iv: Uint8Array<ArrayBuffer>;
  /** SRTP decryption: the tag given. Otherwise the digest or tag to give back. */
  readonly mac = new Uint8Array(maxDigestLength);

  /** Of an operation in a batch: its session, and what of its source the next IV may need. */
  session: Session | undefined;
  readonly lastBlock = new Uint8Array(maxIvLength);

  // The outcome.
  id = 0;
  dataLength = 0;
  macLength = 0;

  #request: VirtioRequest | undefined;
  #readable = noSegments;
  #writable = noSegments;
  readonly #ivs: (Uint8Array | undefined)[] = [];
  readonly #macs: (Uint8Array | undefined)[] = [];
  readonly #prefix = new ShortBytes(prefixLength);
  readonly #outcome = emptyResponseHeader();
  readonly #response = new ShortBytes(responseHeaderLength);
  readonly #responseIv = this.#response.bytes.subarray(responseIvOffset);
  #ivLength = 0;
  #macRoom = 0;
  /** Whether the last 16 bytes of the response header say something, or did when the job was last used. */
  #ivMeant = false;
  #ivStale = false;

  constructor() {
    this.iv = this.#prefix.bytes.subarray(requestHeaderLength);
  }

  /**
   * Takes a request and reads its header.
   * @returns 0; EPROTO or EMSGSIZE by section 6.12
   */
  begin(request: VirtioRequest, maxDataLength: number): number {
    this.#request = request;
    this.#readable = request.readable;
    this.#writable = request.writable;
    this.id = this.dataLength = this.macLength = this.#ivLength = this.#macRoom = 0;
    this.#ivMeant = false;
    const available = request.readable.byteLength;
    if (available < requestHeaderLength) return errno.EPROTO;
    this.#readPrefix(available);
    return this.#locate(available, maxDataLength);
  }

  /** Whether the response has room for its header: without it nothing is done (6.2). */
  static answerable(request: VirtioRequest): boolean {
    return request.writable.byteLength >= responseHeaderLength;
  }

  /** The IV given, if it has as many bytes as that. A view that is made once. */
  ivOf(length: number): Uint8Array {
    return viewOf(this.iv, this.#ivs, length);
  }

  /** The first bytes of `mac`. A view that is made once. */
  macOf(length: number): Uint8Array {
    return viewOf(this.mac, this.#macs, length);
  }

  /** Length of `mac` in the response: the tag that SRTP decryption is given stands in the request. */
  get macRoom(): number {
    return this.#macRoom;
  }

  /** Makes `destination` the first `length` bytes of the destination. @returns false if it is shorter */
  reserve(length: number): boolean {
    const start = responseHeaderLength + this.macRoom;
    if (start + length > this.#writable.byteLength) return false;
    if (length === 0) this.destination.clear();
    else this.#writable.slice(start, length, this.destination);
    return true;
  }

  /** A copy of the parts key and mac_key of the request, for the caller to wipe. */
  takeKeys(): Uint8Array {
    // Outside of V8's heap, whose collector leaves copies behind.
    const keys = new Uint8Array(new ArrayBuffer(this.header.keyLength + this.header.macKeyLength));
    this.#readable.copyTo(requestHeaderLength, keys.length, keys);
    return keys;
  }

  /** Gives back an IV. */
  giveIv(iv: Uint8Array): void {
    this.#responseIv.fill(0);
    this.#responseIv.set(iv);
    this.#ivLength = iv.length;
    this.#ivMeant = this.#ivStale = true;
  }

  /** Gives back the properties of a new session. */
  giveProperties(properties: SessionProperties): void {
    encodeSessionProperties(properties, this.#responseIv);
    this.#ivMeant = this.#ivStale = true;
  }

  /** Writes the response and returns the chain. The job is free again. */
  complete(status: number): void {
    const request = this.#request!;
    const room = this.macRoom;
    const succeeded = status === 0;
    let written = responseHeaderLength;
    if (succeeded || this.dataLength > 0) {
      if (room > 0) this.#writeMac(room, succeeded ? this.macLength : 0);
      written += room + this.dataLength;
    }
    if (this.#ivStale && !(succeeded && this.#ivMeant)) {
      this.#responseIv.fill(0);
      this.#ivStale = false;
    }
    const outcome = this.#outcome;
    outcome.status = status;
    outcome.id = succeeded ? this.id : 0;
    outcome.dataLength = this.dataLength;
    outcome.ivLength = succeeded ? this.#ivLength : 0;
    outcome.macLength = succeeded ? this.macLength : 0;
    this.#writeResponse();
    this.#request = undefined;
    this.#readable = this.#writable = noSegments;
    request.complete(written);
  }

  /** Reads the header and the IV behind it, straight from the driver's memory where the header lies in one piece. */
  #readPrefix(available: number): void {
    const { words: own, bytes } = this.#prefix;
    const { memory, offset, length: lengths } = this.#readable;
    const first = lengths[0]! >= requestHeaderLength ? wordIndex(memory[0]!.bytes, offset[0]!) : -1;
    if (first < 0) {
      this.#readable.copyTo(0, Math.min(prefixLength, available), bytes);
      decodeRequestHeader(own, this.header);
      return;
    }
    const words = wordsOf(memory[0]!.bytes);
    decodeRequestHeader(words, this.header, first);
    const end = Math.min(requestHeaderLength + this.header.ivLength, prefixLength, available);
    if (end <= lengths[0]! && end % 4 === 0) {
      for (let i = requestHeaderLength / 4; i < end / 4; i++) own[i] = words[first + i]!;
    } else {
      this.#readable.copyTo(requestHeaderLength, end - requestHeaderLength, bytes, requestHeaderLength);
    }
  }

  #writeResponse(): void {
    const own = this.#response.words;
    const { memory, offset, length: lengths } = this.#writable;
    const first = lengths[0]! >= responseHeaderLength ? wordIndex(memory[0]!.bytes, offset[0]!) : -1;
    if (first < 0) {
      encodeResponseHeader(own, this.#outcome);
      this.#writable.copyFrom(0, responseHeaderLength, this.#response.bytes);
      return;
    }
    const words = wordsOf(memory[0]!.bytes);
    encodeResponseHeader(words, this.#outcome, first);
    for (let i = responseIvOffset / 4; i < own.length; i++) words[first + i] = own[i]!;
  }

  /** Checks the lengths against the chain and finds the parts (6.1). */
  #locate(available: number, maxDataLength: number): number {
    const { header } = this;
    const { dataLength, authLength, ivLength, keyLength, macKeyLength } = header;
    if (dataLength > maxDataLength) return errno.EMSGSIZE;
    if (!this.#lengthsBelong()) return errno.EPROTO;

    const srtp = this.#isSrtp();
    const tagLength = srtp && header.op === COP_DECRYPT ? header.macLength : 0;
    this.#macRoom = header.macLength - tagLength;
    const ivStart = requestHeaderLength + keyLength + macKeyLength;
    const authStart = ivStart + ivLength + tagLength;
    const dataStart = authStart + authLength;
    if (available !== dataStart + (srtp ? 0 : dataLength)) return errno.EPROTO;

    if (ivLength > maxIvLength) return errno.EINVAL;
    if (ivStart !== requestHeaderLength) this.#readable.copyTo(ivStart, ivLength, this.iv);
    if (tagLength > 0) {
      this.#readable.copyTo(ivStart + ivLength, Math.min(tagLength, maxDigestLength), this.mac);
    }
    if (authLength > 0) this.#readable.slice(authStart, authLength, this.auth);
    else this.auth.clear();
    if (dataLength > 0 && !srtp) this.#readable.slice(dataStart, dataLength, this.source);
    else this.source.clear();
    return 0;
  }

  /** Whether the lengths that the request does not use are 0. */
  #lengthsBelong(): boolean {
    const { header } = this;
    const operation = this.#operation();
    const data = header.dataLength | header.ivLength | header.macLength;
    const keys = header.keyLength | header.macKeyLength;
    if (operation === 0 && (data | header.authLength) !== 0) return false;
    if (operation !== ioctl.CIOCAUTHCRYPT && header.authLength !== 0) return false;
    const takesKeys =
      header.type === requestType.oneShot ||
      (header.type === requestType.ioctl && header.ioctl === ioctl.CIOCGSESSION);
    return takesKeys || keys === 0;
  }

  /** CIOCCRYPT or CIOCAUTHCRYPT if the request has such an operation, otherwise 0. */
  #operation(): number {
    const { type, ioctl: number } = this.header;
    if (type !== requestType.ioctl && type !== requestType.oneShot) return 0;
    return number === ioctl.CIOCCRYPT || number === ioctl.CIOCAUTHCRYPT ? number : 0;
  }

  #isSrtp(): boolean {
    return (this.header.flags & flag.srtp) !== 0 && this.#operation() === ioctl.CIOCAUTHCRYPT;
  }

  #writeMac(room: number, length: number): void {
    this.#writable.copyFrom(responseHeaderLength, Math.min(room, length), this.mac);
    if (room > length) this.#writable.fill(0, responseHeaderLength + length, room - length);
  }
}

/** The beginning of `bytes`, from `views` by its length: to make a view costs as much as a short copy. */
function viewOf(bytes: Uint8Array, views: (Uint8Array | undefined)[], length: number): Uint8Array {
  const view = views[length] ?? bytes.subarray(0, length);
  views[length] = view;
  return view;
}
