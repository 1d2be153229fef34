/**
 * One data request (5.9.7.3) while the device works on it: the header in memory of its own, read once, and
 * the parts of the chain that it names. Objects are used again, so that a request costs no allocation.
 */
import { Segments, type VirtioRequest } from '@skytale/virtio';
import type { RequestBatch } from '../request-batch.ts';
import { ShortBytes } from '../short-bytes.ts';
import { copyShort } from './copy-short.ts';
import { data, maxDataLength } from './wire.ts';

/** The longest IV, in bytes: a block of AES. */
const maxIvLength = 16;
/** The longest digest, in bytes: SHA-512. */
const maxResultLength = 64;
const noSegments = new Segments();
const none = new Uint8Array(0);

export class DataRequest {
  opcode = 0;
  /** The halves of the 64-bit id. */
  sessionId = 0;
  sessionIdHigh = 0;
  flag = 0;
  /** `op_type` of a CIPHER request: VIRTIO_CRYPTO_SYM_OP_…. */
  opType = 0;
  /** Whether the fields are those of the stateless form; those of the operation itself start at `base`. */
  isStateless = false;
  base: number = data.fields;
  /** The parts that follow, each a list of ranges of the driver's memory. */
  readonly source = new Segments();
  readonly destination = new Segments();
  readonly aad = new Segments();
  /** Lists for whoever works on the request. */
  readonly part = new Segments();
  readonly otherPart = new Segments();
  /** A digest or a tag. */
  readonly result = new Uint8Array(new ArrayBuffer(maxResultLength));
  /** Bytes to say were written. The standard's drivers look for the status in the last byte of the chain. */
  written = 0;
  /** Bytes of data that the operation worked on, for statistics. */
  bytes = 0;
  /** The device's: where an operation may go that can be carried out with others. */
  readonly batch: RequestBatch<DataRequest>;

  #request: VirtioRequest | undefined;
  #readable = noSegments;
  #writable = noSegments;
  /** How far the readable and the writable part have been taken. */
  #read = 0;
  #write = 0;
  /** Bytes that the variable-length parts may still have. */
  #room = 0;
  readonly #header = new ShortBytes(maxDataLength);
  readonly #view = this.#header.view;
  readonly #iv = new ShortBytes(maxIvLength);
  readonly #ivOfLength: (Uint8Array | undefined)[] = [none];

  constructor(batch: RequestBatch<DataRequest>) {
    this.batch = batch;
  }

  /**
   * Takes a request and reads its header, of `headerLength` bytes or as many as there are.
   * @param maxSize most bytes that its variable-length parts may have together
   * @returns false if there is not even a general header
   */
  begin(request: VirtioRequest, headerLength: number, maxSize: number): boolean {
    const { readable, writable } = request;
    this.#request = request;
    this.#readable = readable;
    this.#writable = writable;
    this.written = writable.byteLength;
    this.bytes = 0;
    this.#write = 0;
    this.#room = maxSize;
    this.isStateless = false;
    this.base = data.fields;
    const available = readable.byteLength;
    if (available < data.fields) return false;
    copyShort(readable, 0, Math.min(available, headerLength), this.#header);
    const view = this.#view;
    this.opcode = view.getUint32(data.opcode, true);
    this.sessionId = view.getUint32(data.sessionId, true);
    this.sessionIdHigh = view.getUint32(data.sessionId + 4, true);
    this.flag = view.getUint32(data.flag, true);
    return true;
  }

  /** The fixed-length fields have `length` bytes; what follows them is variable. @returns false if the chain is shorter */
  endHeader(length: number): boolean {
    this.#read = data.fields + length;
    return this.#read <= this.#readable.byteLength;
  }

  /** The 32-bit field at this offset from the first fixed-length field. */
  rawField(offset: number): number {
    return this.#view.getUint32(data.fields + offset, true);
  }

  /** The 32-bit field at this offset in the structure of the operation. */
  field(offset: number): number {
    return this.#view.getUint32(this.base + offset, true);
  }

  /** Takes the IV, at most 16 bytes. It is valid until the next one. @returns undefined if the chain is shorter */
  takeIv(length: number): Uint8Array | undefined {
    if (length > maxIvLength || !this.#takeReadable(length)) return undefined;
    copyShort(this.#readable, this.#read - length, length, this.#iv);
    const iv = this.#ivOfLength[length] ?? this.#iv.bytes.subarray(0, length);
    this.#ivOfLength[length] = iv;
    return iv;
  }

  /** Takes the next `length` bytes as key, into the start of `target`. @returns false if there are not as many */
  takeKey(length: number, target: Uint8Array): boolean {
    if (length > target.length || !this.#takeReadable(length)) return false;
    this.#readable.copyTo(this.#read - length, length, target);
    return true;
  }

  /** Makes `source` the next `length` bytes. @returns false if there are not as many */
  takeSource(length: number): boolean {
    this.bytes = length;
    return this.#takeInto(this.source, length);
  }

  /** Makes `aad` the next `length` bytes. @returns false if there are not as many */
  takeAad(length: number): boolean {
    return this.#takeInto(this.aad, length);
  }

  /**
   * Makes `destination` the next `length` bytes of the writable part, whose last byte is the status's.
   * @returns false if there are not as many
   */
  takeDestination(length: number): boolean {
    if (length > this.#room || this.#write + length > this.#writable.byteLength - 1) return false;
    this.#room -= length;
    this.destination.clear();
    const { memory, offset, length: lengths } = this.#writable;
    // The usual destination is the first range.
    if (this.#write === 0 && length <= lengths[0]!) this.destination.push(memory[0]!, offset[0]!, length);
    else if (length > 0) this.#writable.slice(this.#write, length, this.destination);
    this.#write += length;
    return true;
  }

  /** Writes the first `length` bytes of `result` behind the destination. @returns false if there is no room */
  giveResult(length: number): boolean {
    if (length > this.#room || this.#write + length > this.#writable.byteLength - 1) return false;
    this.#writable.copyFrom(this.#write, length, this.result);
    return true;
  }

  /** Writes the status and returns the chain. The object is free again. */
  complete(status: number): void {
    const request = this.#request!;
    const writable = this.#writable;
    const last = writable.count - 1;
    writable.memory[last]!.bytes[writable.offset[last]! + writable.length[last]! - 1] = status;
    this.#request = undefined;
    this.#readable = this.#writable = noSegments;
    request.complete(this.written);
  }

  #takeReadable(length: number): boolean {
    const end = this.#read + length;
    if (length > this.#room || end > this.#readable.byteLength) return false;
    this.#room -= length;
    this.#read = end;
    return true;
  }

  #takeInto(target: Segments, length: number): boolean {
    if (!this.#takeReadable(length)) return false;
    if (length === 0) target.clear();
    else this.#readable.slice(this.#read - length, length, target);
    return true;
  }
}
