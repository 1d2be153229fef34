/** A cipher of Linux, for programs: AF_ALG (Linux, Documentation/crypto/userspace-if.rst). */
import { closeSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import koffi from 'koffi';

const AF_ALG = 38;
const SOCK_SEQPACKET = 5;
const SOL_ALG = 279;
const ALG_SET_KEY = 1;
const ALG_SET_IV = 2;
const ALG_SET_OP = 3;
const MSG_MORE = 0x8000;
const SPLICE_F_MORE = 4;
/** struct sockaddr_alg: family, type, and behind two words of flags the name. */
const address = { length: 88, type: 2, name: 24, nameLength: 64 } as const;
/** struct msghdr, struct iovec and struct cmsghdr of 64-bit Linux. */
const message = { length: 56, iov: 16, iovCount: 24, control: 32, controlLength: 40 } as const;
const iovecLength = 16;
const controlHeaderLength = 16;
/** What a pipe takes, in pages of 4 KiB, is 16; a part that is not aligned lies in one more than it fills. */
const mostAtOnce = 8 * 4096;

const libc = koffi.load(null);
const socket = libc.func('int socket(int, int, int)');
const bind = libc.func('int bind(int, const void *, uint32_t)');
const setsockopt = libc.func('int setsockopt(int, int, int, const void *, uint32_t)');
const accept = libc.func('int accept(int, uintptr_t, uintptr_t)');
const sendmsg = libc.func('intptr_t sendmsg(int, const void *, int)');
const readv = libc.func('intptr_t readv(int, const void *, int)');
const pipe = libc.func('int pipe(void *)');
const vmsplice = libc.func('intptr_t vmsplice(int, const void *, unsigned long, unsigned int)');
const splice = libc.func('intptr_t splice(int, uintptr_t, int, uintptr_t, size_t, unsigned int)');

export type CipherOperation = 'decrypt' | 'encrypt';

/** A part of an `Arena`. */
export interface Piece {
  readonly offset: number;
  readonly length: number;
}

/** Memory that the kernel works in, aligned to pages. */
export class Arena {
  readonly bytes: Uint8Array;
  readonly #whole: Uint8Array;

  constructor(length: number) {
    this.#whole = new Uint8Array(new ArrayBuffer(length + 4096));
    const start = 4096 - Number(koffi.address(this.#whole) % 4096n);
    this.bytes = this.#whole.subarray(start, start + length);
  }

  /** An array of struct iovec. */
  vector(pieces: readonly Piece[]): Uint8Array {
    const base = koffi.address(this.bytes);
    const view = new DataView(new ArrayBuffer(pieces.length * iovecLength));
    for (const [i, { offset, length }] of pieces.entries()) {
      view.setBigUint64(i * iovecLength, base + BigInt(offset), true);
      view.setBigUint64(i * iovecLength + 8, BigInt(length), true);
    }
    return new Uint8Array(view.buffer);
  }

  write(pieces: readonly Piece[], data: Uint8Array): void {
    let done = 0;
    for (const { offset, length } of pieces) {
      this.bytes.set(data.subarray(done, done + length), offset);
      done += length;
    }
  }

  read(pieces: readonly Piece[]): Buffer {
    return Buffer.concat(pieces.map(({ offset, length }) => this.bytes.slice(offset, offset + length)));
  }
}

export class KernelCipher implements Disposable {
  readonly #descriptors: number[] = [];
  readonly #operation: number;
  readonly #pipe: { readonly read: number; readonly write: number };

  /** @param driver as /proc/crypto has it */
  constructor(driver: string, key: Uint8Array) {
    const transform = this.#own('socket', socket(AF_ALG, SOCK_SEQPACKET, 0));
    const name = new Uint8Array(address.length);
    new DataView(name.buffer).setUint16(0, AF_ALG, true);
    name.set(new TextEncoder().encode('skcipher'), address.type);
    name.set(new TextEncoder().encode(driver).subarray(0, address.nameLength - 1), address.name);
    check(`bind to ${driver}`, bind(transform, name, name.length));
    check('set key', setsockopt(transform, SOL_ALG, ALG_SET_KEY, key, key.length));
    this.#operation = this.#own('accept', accept(transform, 0, 0));
    const ends = new Int32Array(2);
    check('pipe', pipe(ends));
    this.#pipe = { read: this.#own('pipe', ends[0]!), write: this.#own('pipe', ends[1]!) };
  }

  /** The pages of `source` themselves are what the cipher reads, those of `target` what it writes. */
  crypt(
    operation: CipherOperation,
    iv: Uint8Array,
    arena: Arena,
    source: readonly Piece[],
    target: readonly Piece[],
  ): void {
    const control = controlMessages(operation, iv);
    const header = new DataView(new ArrayBuffer(message.length));
    header.setBigUint64(message.control, koffi.address(control), true);
    header.setBigUint64(message.controlLength, BigInt(control.length), true);
    check('sendmsg', sendmsg(this.#operation, new Uint8Array(header.buffer), MSG_MORE));
    const parts = source.flatMap(split);
    for (const [i, part] of parts.entries()) {
      check('vmsplice', vmsplice(this.#pipe.write, arena.vector([part]), 1, 0));
      const flags = i < parts.length - 1 ? SPLICE_F_MORE : 0;
      const moved = check('splice', splice(this.#pipe.read, 0, this.#operation, 0, part.length, flags));
      if (moved !== part.length) throw new Error(`splice moved ${moved} of ${part.length} bytes`);
    }
    const wanted = target.reduce((sum, { length }) => sum + length, 0);
    const got = check('readv', readv(this.#operation, arena.vector(target), target.length));
    if (got !== wanted) throw new Error(`readv got ${got} of ${wanted} bytes`);
  }

  [Symbol.dispose](): void {
    for (const descriptor of this.#descriptors.splice(0).reverse()) closeSync(descriptor);
  }

  #own(what: string, descriptor: number): number {
    this.#descriptors.push(check(what, descriptor));
    return descriptor;
  }
}

function split({ offset, length }: Piece): Piece[] {
  const parts: Piece[] = [];
  for (let done = 0; done < length; done += mostAtOnce) {
    parts.push({ offset: offset + done, length: Math.min(mostAtOnce, length - done) });
  }
  return parts;
}

/** ALG_SET_OP and ALG_SET_IV. */
function controlMessages(operation: CipherOperation, iv: Uint8Array): Uint8Array {
  const opLength = controlHeaderLength + 8;
  const bytes = new Uint8Array(opLength + controlHeaderLength + 4 + iv.length + 4);
  const view = new DataView(bytes.buffer);
  const header = (at: number, type: number, length: number) => {
    view.setBigUint64(at, BigInt(controlHeaderLength + length), true);
    view.setInt32(at + 8, SOL_ALG, true);
    view.setInt32(at + 12, type, true);
  };
  header(0, ALG_SET_OP, 4);
  view.setUint32(controlHeaderLength, operation === 'encrypt' ? 1 : 0, true);
  header(opLength, ALG_SET_IV, 4 + iv.length);
  view.setUint32(opLength + controlHeaderLength, iv.length, true);
  bytes.set(iv, opLength + controlHeaderLength + 4);
  return bytes;
}

function check(what: string, result: number): number {
  if (result === -1) throw new Error(`${what}: ${getSystemErrorName(-koffi.errno())}`);
  return result;
}
