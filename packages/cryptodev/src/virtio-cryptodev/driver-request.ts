/**
 * One request of the driver's on its way: where it lies in shared memory, and the promise for its answer. The
 * object, and its block for headers, serve one request after another.
 */
import type { DriverQueue, GuestRange, Transfer } from '@skytale/virtio';
import type { CryptoError } from '../crypto-error.ts';
import { overlapsShifted } from '../device-memory.ts';
import { asCryptoError, failed } from '../driver-error.ts';
import { type DriverMemory, headLength, type Piece } from './driver-memory.ts';
import { statusError } from './status-error.ts';
import {
  decodeResponseHeader,
  emptyRequestHeader,
  emptyResponseHeader,
  encodeRequestHeader,
  type RequestHeader,
  requestHeaderLength,
  responseHeaderLength,
} from './wire.ts';

/** What becomes of an answer whose status is 0 and whose lengths are those that were asked for. */
export type Answer = (request: DriverRequest) => unknown;

type Range = { -readonly [Field in keyof GuestRange]: GuestRange[Field] };

const none = new Uint8Array(0);
const noParts: readonly Uint8Array[] = [];
const noHeader = emptyRequestHeader();
const alignment = 64;
const response = emptyResponseHeader();

/**
 * The chain of the request that is being placed: headers, data; headers, result. The latter of each pair is left
 * out if it is empty, or lies right behind the headers. One for all requests, as the queue keeps nothing of it: it stays in the processor's cache.
 */
const requestRange: Range = { address: 0, length: 0 };
const inputRange: Range = { address: 0, length: 0 };
const responseRange: Range = { address: 0, length: 0 };
const outputRange: Range = { address: 0, length: 0 };
const readableRanges = { short: [requestRange], long: [requestRange, inputRange] };
const writableRanges = { short: [responseRange], long: [responseRange, outputRange] };

export class DriverRequest implements Transfer {
  readonly memory: DriverMemory;
  readonly #recycle: (request: DriverRequest) => void;

  // What was asked for.
  header: RequestHeader = noHeader;
  /** What stands between the header and the data. */
  parts: readonly Uint8Array[] = noParts;
  data: Uint8Array = none;
  /** Where the result goes; undefined for an array of its own. */
  output: Uint8Array | undefined;
  /** Bytes of data that are due. */
  dataLength = 0;
  /** There is a key in it: to be overwritten when it is done. */
  hasKey = false;
  answer: Answer = () => undefined;
  #resolve: (value: unknown) => void = () => {};
  #reject: (error: CryptoError) => void = () => {};

  // Where it is, by offsets in shared memory.
  #source: Piece | undefined;
  #destination: Piece | undefined;
  #head: number | undefined;
  #block: number | undefined;
  /** The headers lie before the data that is worked on in place. */
  #isJoined = false;
  /** The headers: at `#head`, or at the start of `#block` if they are too long for that. */
  #start = 0;
  #responseStart = 0;
  #result = 0;
  #macLength = 0;
  #wipe = 0;

  /** @param recycle told when the object is free again */
  constructor(memory: DriverMemory, recycle: (request: DriverRequest) => void) {
    this.memory = memory;
    this.#recycle = recycle;
  }

  /**
   * Takes hold of the device's memory among `data` and `output`, which the fields must say by now.
   * @returns the promise for what `answer` makes of the answer
   * @throws {CryptoError} CRYPTO_CLOSED if that memory was freed
   */
  begin(): Promise<unknown> {
    const { data, output, memory } = this;
    let source = memory.pieceOf(data);
    let destination = source;
    if (output !== data) {
      destination = output === undefined ? undefined : memory.pieceOf(output);
      // A copy keeps the one from being written before it is read.
      const isShared = source !== undefined && source === destination;
      if (isShared && overlapsShifted(data, output!)) source = undefined;
    }
    source?.hold();
    destination?.hold();
    this.#source = source;
    this.#destination = destination;
    const promise = new Promise(capture);
    this.#resolve = capturedResolve;
    this.#reject = capturedReject;
    return promise;
  }

  place(queue: DriverQueue<Transfer>): boolean {
    if (queue.free === 0 || !this.#takeMemory()) return false;
    this.#encode();
    const readable = inputRange.length > 0 ? readableRanges.long : readableRanges.short;
    const writable = outputRange.length > 0 ? writableRanges.long : writableRanges.short;
    if (queue.add(readable, writable, this)) return true;
    this.#giveMemory();
    return false;
  }

  /** The session uses its header and its list of parts for the next request. */
  keep(): void {
    this.header = { ...this.header };
    this.parts = [...this.parts];
  }

  done(written: number): void {
    try {
      this.#check(written);
      this.#resolve(this.answer(this));
    } catch (error) {
      this.#reject(asCryptoError(error));
    }
    this.release();
  }

  /** The blocks may still be the device's: they come back with a reset, and until then nothing else works. */
  fail(error: unknown): void {
    this.#reject(asCryptoError(error));
  }

  release(): void {
    this.#giveMemory();
    this.#source?.letGo();
    this.#destination?.letGo();
    this.#source = this.#destination = undefined;
    // What it points at is not to be kept alive.
    this.header = noHeader;
    this.parts = noParts;
    this.data = none;
    this.output = undefined;
    this.#recycle(this);
  }

  /** Of the answer to OPEN and CIOCGSESSION. */
  get id(): number {
    return response.id;
  }

  /** Bytes of digest that are due. */
  get macLength(): number {
    return this.#macLength;
  }

  /** Copies the digest of the answer. */
  copyMac(target: Uint8Array): void {
    const start = this.#responseStart + responseHeaderLength;
    target.set(this.memory.bytes.subarray(start, start + this.#macLength));
  }

  /** Copies the result, unless it is there already. */
  copyResult(target: Uint8Array): void {
    if (this.dataLength === 0 || this.#destination !== undefined) return;
    target.set(this.memory.bytes.subarray(this.#result, this.#result + this.dataLength));
  }

  /** @returns false if there is not enough now; nothing is taken then */
  #takeMemory(): boolean {
    const { memory, data, dataLength } = this;
    let prefixLength = requestHeaderLength;
    for (const part of this.parts) prefixLength += part.length;
    // The response lies over the request: the device has read what it needs of it (6).
    this.#macLength = this.header.macLength;
    const room = responseHeaderLength + this.#macLength;
    this.#wipe = this.hasKey ? prefixLength : 0;
    if (this.#join(prefixLength, room)) return true;
    const longest = Math.max(prefixLength, room);
    const before = longest <= headLength ? 0 : Math.ceil(longest / alignment) * alignment;
    const copied = Math.max(
      this.#source === undefined ? data.length : 0,
      this.#destination === undefined ? dataLength : 0,
    );
    if (before + copied > 0) {
      this.#block = memory.takeBlock(before + copied);
      if (this.#block === undefined) return false;
    }
    if (before === 0) this.#head = memory.takeHead();
    if (before === 0 && this.#head === undefined) {
      this.#giveMemory();
      return false;
    }
    this.#start = this.#responseStart = this.#head ?? this.#block!;
    this.#layOut(prefixLength, room, (this.#block ?? 0) + before);
    return true;
  }

  /**
   * In place in a piece with room for the headers before it: two descriptors instead of four, and nothing else to
   * take. @returns false if the request is not of that kind
   */
  #join(prefixLength: number, room: number): boolean {
    const piece = this.#source;
    const { data, output, memory } = this;
    if (piece === undefined || output === undefined || output.byteOffset !== data.byteOffset) return false;
    // Headers are words, and those of the other side begin with one too.
    const fits = Math.max(prefixLength, room) <= headLength && ((prefixLength | room) & 3) === 0;
    if (!fits || piece !== this.#destination || !piece.takeHeadroom(data)) return false;
    this.#isJoined = true;
    this.#result = data.byteOffset - memory.bytes.byteOffset;
    this.#start = this.#result - prefixLength;
    this.#responseStart = this.#result - room;
    requestRange.address = memory.base + this.#start;
    requestRange.length = prefixLength + data.length;
    responseRange.address = memory.base + this.#responseStart;
    responseRange.length = room + this.dataLength;
    inputRange.length = outputRange.length = 0;
    return true;
  }

  /** @param copies where data and result are that have to be copied */
  #layOut(prefixLength: number, room: number, copies: number): void {
    const { bytes, base } = this.memory;
    const input = this.#source === undefined ? copies : this.data.byteOffset - bytes.byteOffset;
    this.#result = this.#destination === undefined ? copies : this.output!.byteOffset - bytes.byteOffset;
    requestRange.address = responseRange.address = base + this.#start;
    requestRange.length = prefixLength;
    responseRange.length = room;
    inputRange.address = base + input;
    inputRange.length = this.data.length;
    outputRange.address = base + this.#result;
    outputRange.length = this.dataLength;
    if (this.#source === undefined && this.data.length > 0) bytes.set(this.data, copies);
  }

  #encode(): void {
    const { bytes, words } = this.memory;
    encodeRequestHeader(words, this.header, this.#start / 4);
    let at = this.#start + requestHeaderLength;
    for (const part of this.parts) {
      // For a few bytes a loop is faster than `set`.
      if (part.length <= 16) for (let i = 0; i < part.length; i++) bytes[at + i] = part[i]!;
      else bytes.set(part, at);
      at += part.length;
    }
  }

  /**
   * The device is not trusted to keep to the document: an answer must be exactly what was asked for.
   * @throws {CryptoError} what the status says; CRYPTO_DEVICE_FAILED for an answer that must not be
   */
  #check(written: number): void {
    if (written < responseHeaderLength) {
      throw failed(`the device wrote ${written} bytes, less than a response header`);
    }
    decodeResponseHeader(this.memory.words, response, this.#responseStart / 4);
    const { status, dataLength, macLength } = response;
    if (status !== 0) throw statusError(status);
    const isWhole = written >= responseHeaderLength + this.#macLength + this.dataLength;
    if (isWhole && dataLength === this.dataLength && macLength >= this.#macLength) return;
    throw failed(
      `the device gave ${dataLength} bytes of data and ${macLength} of digest in ${written} bytes; ` +
        `${this.dataLength} and ${this.#macLength} were due`,
    );
  }

  #giveMemory(): void {
    if (this.#isJoined) {
      if (this.#wipe > 0) this.memory.bytes.fill(0, this.#start, this.#start + this.#wipe);
      this.#isJoined = false;
      this.#source!.giveHeadroom();
      return;
    }
    if (this.#head !== undefined) {
      if (this.#wipe > 0) this.memory.bytes.fill(0, this.#head, this.#head + this.#wipe);
      this.memory.giveHead(this.#head);
      this.#head = undefined;
    }
    if (this.#block !== undefined) {
      const block = this.#block;
      this.#block = undefined;
      this.memory.giveBlock(block, this.#wipe);
    }
  }
}

// A closure less for each promise.
let capturedResolve: (value: unknown) => void;
let capturedReject: (error: CryptoError) => void;

function capture(resolve: (value: unknown) => void, reject: (error: CryptoError) => void): void {
  capturedResolve = resolve;
  capturedReject = reject;
}
