import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type CpioEntry, cpioArchive } from './cpio.ts';

/** Reads an archive as the format's description says, apart from the code that writes it. */
function* readArchive(archive: Buffer) {
  const align = (offset: number) => Math.ceil(offset / 4) * 4;
  for (let offset = 0; offset < archive.length; ) {
    assert.equal(archive.toString('latin1', offset, offset + 6), '070701');
    const field = (index: number) =>
      Number.parseInt(archive.toString('latin1', offset + 6 + 8 * index, offset + 14 + 8 * index), 16);
    const nameSize = field(11);
    const name = archive.toString('utf8', offset + 110, offset + 110 + nameSize - 1);
    assert.equal(archive[offset + 110 + nameSize - 1], 0);
    const start = align(offset + 110 + nameSize);
    const content = archive.subarray(start, start + field(6));
    yield { name, inode: field(0), mode: field(1), uid: field(2), time: field(5), content };
    offset = align(start + content.length);
  }
}

const entries: CpioEntry[] = [
  { path: 'bin', type: 'directory', mode: 0o755 },
  { path: 'bin/sh', type: 'symlink', mode: 0o777, content: 'busybox' },
  ...[0, 1, 2, 3, 4, 5].map(
    (size): CpioEntry => ({
      path: `f${'x'.repeat(size)}`,
      type: 'file',
      mode: 0o644,
      content: Buffer.alloc(size, 65),
    }),
  ),
  { path: 'é', type: 'file', mode: 0o600, content: 'text' },
];

describe('a cpio archive', () => {
  it('holds every entry, whatever the lengths of names and contents, and ends with the trailer', () => {
    const read = [...readArchive(cpioArchive(entries))];
    assert.deepEqual(
      read.map(({ name }) => name),
      [...entries.map(({ path }) => path), 'TRAILER!!!'],
    );
    const types = { directory: 0o040000, symlink: 0o120000, file: 0o100000 };
    entries.forEach(({ type, mode, content = '' }, index) => {
      assert.equal(read[index]!.mode, types[type] | mode);
      assert.deepEqual(read[index]!.content, Buffer.from(content as string));
      assert.equal(read[index]!.uid, 0);
      assert.equal(read[index]!.time, 0);
    });
    const inodes = read.slice(0, -1).map(({ inode }) => inode);
    assert.equal(new Set(inodes).size, inodes.length, 'the same inode would be a hard link');
  });

  it('is the same for the same entries', () => {
    assert.ok(cpioArchive(entries).equals(cpioArchive(structuredClone(entries))));
  });
});
