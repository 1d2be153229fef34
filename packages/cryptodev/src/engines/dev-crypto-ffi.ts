/**
 * The ioctls of `/dev/crypto` (guest/driver/include/crypto/cryptodev.h), and all FFI that they take.
 *
 * Calls are synchronous: one blocks this thread until the device has answered, as a call of OpenSSL does; the
 * kernel gives up a device that stays silent (ETIMEDOUT). Who serves others from the same thread puts the engine
 * into a Worker.
 *
 * SAFETY, for all of it: an address is taken with `addressOf` from a view that the caller holds until the
 * synchronous call returned, and is handed on with that view's own length. The kernel keeps none of them. It checks every
 * address and length itself, and writes no more than `len` bytes at `dst` (CIOCAUTHCRYPT: and the tag), a digest
 * at `mac`, an IV at `iv`: those who call make sure that there is room.
 */
import { constants, openSync, statSync } from 'node:fs';
import koffi, { type TypeObject } from 'koffi';
import { CryptoError } from '../crypto-error.ts';
import { Descriptor } from './descriptor.ts';
import { SystemError } from './system-error.ts';
import { withAddresses } from './view-address.ts';

const address = 'uintptr_t';
const SessionOp = koffi.struct({
  cipher: 'uint32_t',
  mac: 'uint32_t',
  keylen: 'uint32_t',
  key: address,
  mackeylen: 'uint32_t',
  mackey: address,
  ses: 'uint32_t',
});
const CryptOp = koffi.struct({
  ses: 'uint32_t',
  op: 'uint16_t',
  flags: 'uint16_t',
  len: 'uint32_t',
  src: address,
  dst: address,
  mac: address,
  iv: address,
});
const CryptAuthOp = koffi.struct({
  ses: 'uint32_t',
  op: 'uint16_t',
  flags: 'uint16_t',
  len: 'uint32_t',
  auth_len: 'uint32_t',
  auth_src: address,
  src: address,
  dst: address,
  tag: address,
  tag_len: 'uint32_t',
  iv: address,
  iv_len: 'uint32_t',
});
const CphashOp = koffi.struct({ dst_ses: 'uint32_t', src_ses: 'uint32_t' });
const SessionId = koffi.struct({ ses: 'uint32_t' });

type Fields = Record<string, number>;
type Ioctl = (file: CryptoFile, fields: Fields) => void;

const libc = koffi.load(null);
const write = 1;
const readWrite = 3;

/** _IOW or _IOWR of <linux/ioctl.h>: direction, size of the struct, type `c`, number. */
function ioctl(name: string, direction: number, number: number, struct: TypeObject): Ioctl {
  const request = ((direction << 30) | (koffi.sizeof(struct) << 16) | (0x63 << 8) | number) >>> 0;
  const pointer = koffi.inout(koffi.pointer(struct));
  const call = libc.func('ioctl', 'int', ['int', 'unsigned long', pointer]);
  return (file, fields) => {
    if (call(file.descriptor, request, fields) === -1) throw new SystemError(koffi.errno(), name);
  };
}

const CIOCGSESSION = ioctl('CIOCGSESSION', readWrite, 102, SessionOp);
const CIOCFSESSION = ioctl('CIOCFSESSION', write, 103, SessionId);
const CIOCCRYPT = ioctl('CIOCCRYPT', readWrite, 104, CryptOp);
const CIOCAUTHCRYPT = ioctl('CIOCAUTHCRYPT', readWrite, 109, CryptAuthOp);
const CIOCCPHASH = ioctl('CIOCCPHASH', write, 112, CphashOp);

export const operation = { encrypt: 0, decrypt: 1 } as const;
export const flag = { update: 1, final: 2, reset: 64 } as const;

const nothing = new Uint8Array(0);

/** A cipher, a hash or MAC, each by its number of `cryptodev.h`. */
export type SessionRequest = {
  readonly cipher?: number;
  readonly key?: Uint8Array;
  readonly mac?: number;
  readonly macKey?: Uint8Array;
};

export type CryptOptions = {
  /** `COP_ENCRYPT` unless told. */
  readonly op?: number;
  readonly flags?: number;
  readonly source?: Uint8Array;
  /** As long as `source`. */
  readonly destination?: Uint8Array;
  /** Where the digest goes; at least as long as that. */
  readonly mac?: Uint8Array;
  readonly iv?: Uint8Array;
};

/** An open file of a crypto device. Its sessions end with it. */
export class CryptoFile implements Disposable {
  readonly path: string;
  readonly #descriptor: Descriptor;

  /** @throws {CryptoError | Error} if there is no such character device, or no permission to use it */
  constructor(path: string) {
    if (!statSync(path).isCharacterDevice()) {
      throw new CryptoError('CRYPTO_UNAVAILABLE', `${path} is no character device`);
    }
    this.path = path;
    this.#descriptor = new Descriptor(openSync(path, constants.O_RDWR));
  }

  get descriptor(): number {
    return this.#descriptor.number;
  }

  /** @throws {SystemError} EINVAL if the device does not have the algorithm, or not with such a key */
  createSession(session: SessionRequest): number {
    const { cipher = 0, key = nothing, mac = 0, macKey = nothing } = session;
    return withAddresses((addressOf) => {
      const fields = {
        ...{ cipher, mac, ses: 0 },
        ...{ keylen: key.length, key: addressOf(key), mackeylen: macKey.length, mackey: addressOf(macKey) },
      };
      CIOCGSESSION(this, fields);
      return fields.ses;
    });
  }

  endSession(session: number): void {
    CIOCFSESSION(this, { ses: session });
  }

  /** A cipher's operation, or a part of a digest. @throws {SystemError} */
  crypt(session: number, options: CryptOptions): void {
    const { op = operation.encrypt, flags = 0, source = nothing, destination = nothing } = options;
    withAddresses((addressOf) => {
      CIOCCRYPT(this, {
        ...{ ses: session, op, flags, len: source.length },
        ...{ src: addressOf(source), dst: addressOf(destination) },
        ...{ mac: addressOf(options.mac ?? nothing), iv: addressOf(options.iv ?? nothing) },
      });
    });
  }

  /**
   * An AEAD cipher's operation in place, on data with the tag, or room for it, behind them.
   * @throws {SystemError} EBADMSG if the tag does not match
   */
  authCrypt(
    session: number,
    op: number,
    data: Uint8Array,
    tagLength: number,
    associatedData: Uint8Array,
    iv: Uint8Array,
  ): void {
    withAddresses((addressOf) => {
      const start = addressOf(data);
      CIOCAUTHCRYPT(this, {
        ...{ ses: session, op, flags: 0, src: start, dst: start, tag: 0, tag_len: tagLength },
        len: op === operation.encrypt ? data.length - tagLength : data.length,
        ...{ auth_len: associatedData.length, auth_src: addressOf(associatedData) },
        ...{ iv: addressOf(iv), iv_len: iv.length },
      });
    });
  }

  /** Makes the digest of one session that of another. @throws {SystemError} */
  copyDigest(from: number, to: number): void {
    CIOCCPHASH(this, { dst_ses: to, src_ses: from });
  }

  [Symbol.dispose](): void {
    this.#descriptor[Symbol.dispose]();
  }
}
