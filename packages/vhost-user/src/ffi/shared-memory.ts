import { FileDescriptor } from './file-descriptor.ts';
import {
  check,
  errno,
  fcntl,
  ftruncate,
  memfdCreate,
  mmap,
  munmap,
  SystemError,
  viewMemory,
} from './libc.ts';

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
const F_GET_SEALS = 1034;
const F_SEAL_SEAL = 1;
const F_SEAL_SHRINK = 2;
const F_SEAL_GROW = 4;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const PAGE = 4096;
const LARGEST_PAGE = 2 ** 30;

/**
 * New shared memory of `size` bytes of zeros, without a name in any file system. It is sealed: nobody who
 * is given the descriptor can make it smaller or larger.
 */
export function createSharedMemory(name: string, size: number): FileDescriptor {
  const memory = createUnsealedMemory(name, size);
  try {
    const seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    check(fcntl(memory.number, F_ADD_SEALS, seals), 'fcntl(F_ADD_SEALS)');
    return memory;
  } catch (error) {
    memory[Symbol.dispose]();
    throw error;
  }
}

/** As `createSharedMemory`, but its size can be changed: for front ends that must try that on a back end. */
export function createUnsealedMemory(name: string, size: number): FileDescriptor {
  const memory = new FileDescriptor(
    check(memfdCreate(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), 'memfd_create'),
  );
  try {
    resize(memory, size);
    return memory;
  } catch (error) {
    memory[Symbol.dispose]();
    throw error;
  }
}

/** Makes a file or unsealed memory `size` bytes long. */
export function resize(file: FileDescriptor, size: number): void {
  check(ftruncate(file.number, size), `ftruncate to ${size} bytes`);
}

/** Whether nobody can make this file shorter, now or later: it is a memfd with F_SEAL_SHRINK set. */
export function cannotShrink(file: FileDescriptor): boolean {
  // Files that know no seals fail with EINVAL.
  const seals = fcntl(file.number, F_GET_SEALS, 0);
  return seals !== -1 && (seals & F_SEAL_SHRINK) !== 0;
}

/** A range of a file that was refused: it is not all there, or it may vanish. */
export class MappingRefused extends Error {
  readonly code = 'ERR_MAPPING_REFUSED';
  override readonly name = 'MappingRefused';
}

export interface MapOptions {
  /**
   * Map files that can be made shorter too. Whoever holds such a file can truncate it, and our next access
   * behind its new end kills this whole process (SIGBUS): only for peers that are trusted not to. There is
   * no way to check at the time of access, and JavaScript cannot catch the signal.
   */
  allowUnsealed?: boolean;
  /** What `allowUnsealed` is called where it is set: a refusal names it. */
  unsealedOption?: string;
}

/**
 * Memory shared with another process. It owns the mapping, not the descriptor, which may be closed at once.
 *
 * SAFETY: disposing first *detaches* the buffer, whereupon every array over it, wherever it was passed, has
 * length 0, and only then unmaps. So a stale reference reads `undefined` and throws on bulk writes; it
 * never touches memory that is gone. What this cannot see is native code of another thread that still
 * works on the memory; whoever starts such work keeps the mapping until it is done.
 */
export class SharedMapping implements Disposable {
  /** All the bytes that were asked for. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #address: number;
  readonly #mappedLength: number;

  /**
   * Maps `length` bytes of `file` from `offset`, for reading and writing.
   * @throws {MappingRefused} if they are not all inside the file, or if it can shrink and may not
   * @throws {SystemError} if the kernel refuses
   */
  constructor(file: FileDescriptor, offset: number, length: number, options: MapOptions = {}) {
    if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length <= 0) {
      throw new MappingRefused(`${length} bytes at offset ${offset} are no range of a file`);
    }
    if (!options.allowUnsealed && !cannotShrink(file)) {
      throw new MappingRefused(
        `${file.describe()} is not sealed against shrinking: whoever holds it could kill this process. ` +
          'Use a sealed memfd (QEMU: -object memory-backend-memfd,share=on,seal=on), or, for a VMM that is trusted ' +
          `not to shrink its memory, ${options.unsealedOption ?? 'allowUnsealed'}`,
      );
    }
    // Only now: size is only worth something when it cannot shrink any more.
    const { size, blockSize } = file.stat();
    if (offset + length > size) {
      throw new MappingRefused(`${length} bytes at offset ${offset} are not inside of ${size} bytes`);
    }
    // Huge pages (hugetlbfs reports them as block size) must be mapped and unmapped whole.
    const unit = isMappingUnit(blockSize) ? blockSize : PAGE;
    const start = offset - (offset % unit);
    this.#mappedLength = Math.ceil((offset + length - start) / unit) * unit;
    this.#address = mmap(0, this.#mappedLength, PROT_READ_WRITE, MAP_SHARED, file.number, start);
    if (this.#address === -1) throw new SystemError(errno(), `mmap of ${length} bytes at offset ${offset}`);
    // SAFETY: [start, start + mappedLength) is mapped, and offset + length <= start + mappedLength.
    this.bytes = new Uint8Array(viewMemory(this.#address + (offset - start), length));
  }

  [Symbol.dispose](): void {
    if (this.bytes.buffer.detached) return;
    this.bytes.buffer.transfer(0);
    munmap(this.#address, this.#mappedLength);
  }
}

function isMappingUnit(bytes: number): boolean {
  return bytes >= PAGE && bytes <= LARGEST_PAGE && Number.isInteger(Math.log2(bytes));
}
