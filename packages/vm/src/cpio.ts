/**
 * Archives in the format "newc", which Linux unpacks as its initial file system (Linux,
 * Documentation/driver-api/early-userspace/buffer-format.rst). The same entries make the same bytes.
 */
export interface CpioEntry {
  /** Path without a leading slash; directories stand before what is in them. */
  readonly path: string;
  readonly type: 'file' | 'directory' | 'symlink';
  /** Permission bits. */
  readonly mode: number;
  /** A file's content, or a symlink's target. */
  readonly content?: Uint8Array | string;
}

const typeBits = { file: 0o100000, directory: 0o040000, symlink: 0o120000 } as const;

/** The length of the archive's parts is a multiple of this. */
const alignment = 4;
const trailer = 'TRAILER!!!';

/** An archive of these entries, all owned by root and as old as the epoch. */
export function cpioArchive(entries: readonly CpioEntry[]): Buffer {
  const parts: Buffer[] = [];
  const append = (inode: number, mode: number, path: string, content: Buffer) => {
    if (content.length > 0xffff_ffff)
      throw new RangeError(`${path} has ${content.length} bytes, 2^32 - 1 is most`);
    const name = Buffer.from(`${path}\0`);
    const links = 1;
    const fields = [inode, mode, 0, 0, links, 0, content.length, 0, 0, 0, 0, name.length, 0];
    const header = Buffer.from(
      `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`,
    );
    parts.push(header, name, padding(header.length + name.length), content, padding(content.length));
  };
  entries.forEach(({ path, type, mode, content = '' }, index) => {
    append(index + 1, typeBits[type] | mode, path, Buffer.from(content as Uint8Array));
  });
  append(0, 0, trailer, Buffer.alloc(0));
  return Buffer.concat(parts);
}

const padding = (length: number) => Buffer.alloc(-length & (alignment - 1));
