/**
 * AF_ALG, the sockets by which programs reach the ciphers of Linux's own (Documentation/crypto/userspace-if.rst),
 * and all FFI that they take.
 *
 * SAFETY, for all of it: data whose addresses are in a struct (iovec, msghdr) are held by `withAddresses` until the
 * synchronous call returned; the kernel keeps none of them. An iovec has the length of the view
 * that it was made of, so that the kernel reads and writes inside views only.
 */
import koffi from 'koffi';
import { Descriptor } from './descriptor.ts';
import { SystemError } from './system-error.ts';
import { withAddresses } from './view-address.ts';

const AF_ALG = 38;
const SOCK_SEQPACKET = 5;
const SOCK_CLOEXEC = 0o2000000;
const SOL_ALG = 279;
const ALG_SET_KEY = 1;
const ALG_SET_IV = 2;
const ALG_SET_OP = 3;
const ALG_SET_AEAD_ASSOCLEN = 4;
const ALG_SET_AEAD_AUTHSIZE = 5;
const MSG_MORE = 0x8000;

const address = 'uintptr_t';
const SockaddrAlg = koffi.struct({
  salg_family: 'uint16_t',
  salg_type: koffi.array('char', 14),
  salg_feat: 'uint32_t',
  salg_mask: 'uint32_t',
  salg_name: koffi.array('char', 64),
});
const Iovec = koffi.struct({ iov_base: address, iov_len: 'size_t' });
const Msghdr = koffi.struct({
  msg_name: address,
  msg_namelen: 'uint32_t',
  msg_iov: koffi.pointer(Iovec),
  msg_iovlen: 'size_t',
  msg_control: address,
  msg_controllen: 'size_t',
  msg_flags: 'int',
});
const Cmsghdr = koffi.struct({ cmsg_len: 'size_t', cmsg_level: 'int', cmsg_type: 'int' });

const libc = koffi.load(null);
const socket = libc.func('int socket(int, int, int)');
const bind = libc.func('bind', 'int', ['int', koffi.pointer(SockaddrAlg), 'uint32_t']);
const setsockopt = libc.func('int setsockopt(int, int, int, const void *, uint32_t)');
const accept4 = libc.func('int accept4(int, uintptr_t, uintptr_t, int)');
const sendmsg = libc.func('sendmsg', 'intptr_t', ['int', koffi.pointer(Msghdr), 'int']);
const recvmsg = libc.func('recvmsg', 'intptr_t', ['int', koffi.pointer(Msghdr), 'int']);

/** IOV_MAX: most ranges of one call. */
export const maxRanges = 1024;

export type AlgType = 'skcipher' | 'aead' | 'hash';

/** What an operation needs to be told before its first byte. */
export type Control = {
  readonly direction?: 'encrypt' | 'decrypt';
  readonly iv?: Uint8Array;
  readonly associatedLength?: number;
};

/** An algorithm with its key. */
export class AlgTransform implements Disposable {
  readonly #descriptor: Descriptor;

  /**
   * @param name as in /proc/crypto: `cbc(aes)`
   * @throws {SystemError} EAFNOSUPPORT if the kernel has no AF_ALG, ENOENT if it has no such algorithm
   */
  constructor(type: AlgType, name: string) {
    const number = check('socket(AF_ALG)', socket(AF_ALG, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    this.#descriptor = new Descriptor(number);
    const algorithm = { salg_family: AF_ALG, salg_type: type, salg_feat: 0, salg_mask: 0, salg_name: name };
    try {
      check(`bind to ${name}`, bind(number, algorithm, koffi.sizeof(SockaddrAlg)));
    } catch (error) {
      this.#descriptor[Symbol.dispose]();
      throw error;
    }
  }

  /** The kernel copies it. @throws {SystemError} EINVAL for one of a length that the algorithm does not take */
  setKey(key: Uint8Array): void {
    check('ALG_SET_KEY', setsockopt(this.#descriptor.number, SOL_ALG, ALG_SET_KEY, key, key.length));
  }

  setTagLength(length: number): void {
    check(
      'ALG_SET_AEAD_AUTHSIZE',
      setsockopt(this.#descriptor.number, SOL_ALG, ALG_SET_AEAD_AUTHSIZE, null, length),
    );
  }

  /** Where operations are carried out. It outlives this object. */
  operation(): AlgOperation {
    return AlgOperation.accept(this.#descriptor);
  }

  [Symbol.dispose](): void {
    this.#descriptor[Symbol.dispose]();
  }
}

export class AlgOperation implements Disposable {
  readonly #descriptor: Descriptor;

  private constructor(descriptor: Descriptor) {
    this.#descriptor = descriptor;
  }

  static accept(from: Descriptor): AlgOperation {
    return new AlgOperation(new Descriptor(check('accept', accept4(from.number, 0, 0, SOCK_CLOEXEC))));
  }

  /** Of a hash: an operation of its own, with all that this one has taken in. */
  copy(): AlgOperation {
    return AlgOperation.accept(this.#descriptor);
  }

  /**
   * Hands over data, of no more than `maxRanges` ranges; the kernel copies them.
   * @param more further data will follow
   * @throws {SystemError}
   */
  send(data: readonly Uint8Array[], more: boolean, control?: Control): void {
    const messages = control === undefined ? nothing : controlMessages(control);
    const { number } = this.#descriptor;
    const result = withAddresses((addressOf) => {
      const control = { msg_control: addressOf(messages), msg_controllen: messages.length };
      return sendmsg(number, { ...messageOf(data, addressOf), ...control }, more ? MSG_MORE : 0);
    });
    const sent = check('sendmsg', result);
    const wanted = byteLength(data);
    // All of it or nothing, for data that fit the socket's buffer.
    if (sent !== wanted) throw new Error(`sendmsg took ${sent} of ${wanted} bytes`);
  }

  /** Carries the operation out. @returns bytes written @throws {SystemError} EBADMSG if a tag does not match */
  receive(into: readonly Uint8Array[]): number {
    const { number } = this.#descriptor;
    const result = withAddresses((addressOf) => recvmsg(number, messageOf(into, addressOf), 0));
    return check('recvmsg', result);
  }

  [Symbol.dispose](): void {
    this.#descriptor[Symbol.dispose]();
  }
}

const nothing = new Uint8Array(0);

function messageOf(data: readonly Uint8Array[], addressOf: (view: Uint8Array) => number) {
  return {
    ...{ msg_name: 0, msg_namelen: 0, msg_control: 0, msg_controllen: 0, msg_flags: 0 },
    msg_iov: data.map((view) => ({ iov_base: addressOf(view), iov_len: view.length })),
    msg_iovlen: data.length,
  };
}

function byteLength(data: readonly Uint8Array[]): number {
  return data.reduce((sum, { length }) => sum + length, 0);
}

/** cmsg(3), one after the other. */
function controlMessages({ direction, iv, associatedLength }: Control): Uint8Array<ArrayBuffer> {
  const messages: Uint8Array[] = [];
  if (direction !== undefined) messages.push(message(ALG_SET_OP, word(direction === 'encrypt' ? 1 : 0)));
  // struct af_alg_iv: the length, then the bytes.
  if (iv !== undefined) messages.push(message(ALG_SET_IV, word(iv.length), iv));
  if (associatedLength !== undefined) messages.push(message(ALG_SET_AEAD_ASSOCLEN, word(associatedLength)));
  return new Uint8Array(Buffer.concat(messages));
}

function message(type: number, ...payload: Uint8Array[]): Uint8Array {
  const header = koffi.sizeof(Cmsghdr);
  const length = header + byteLength(payload);
  const alignment = koffi.sizeof('size_t');
  const bytes = Buffer.alloc(Math.ceil(length / alignment) * alignment);
  koffi.encode(bytes, Cmsghdr, { cmsg_len: length, cmsg_level: SOL_ALG, cmsg_type: type });
  bytes.set(Buffer.concat(payload), header);
  return bytes;
}

function word(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

function check(what: string, result: number): number {
  if (result === -1) throw new SystemError(koffi.errno(), what);
  return result;
}
