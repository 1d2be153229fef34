/**
 * Builds the Debian package of the guest's driver, `virtio-cryptodev-dkms`, with dpkg-deb alone: the sources of the
 * module for DKMS, the rules of udev, and the header for programs. The same sources make the same bytes.
 *
 *   npx node guest/package.ts [DIRECTORY]
 *
 * It is written to DIRECTORY, or to the current one, and its path to standard output.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';

const name = 'virtio-cryptodev-dkms';
const header = 'include/crypto/cryptodev.h';

const read = (path: string) => readFile(fileURLToPath(new URL(path, import.meta.url)), 'utf8');

/** What builds the module; not what building it has left behind. */
async function moduleFiles(): Promise<string[]> {
  const files = await readdir(new URL('driver/', import.meta.url));
  const sources = files.filter((file) => /\.[ch]$/.test(file) && !file.endsWith('.mod.c'));
  return [...sources, header, 'Kbuild', 'Makefile', 'dkms.conf'].sort();
}

/** The version, which DKMS is told as well, and when it was made, in seconds since 1970. */
async function release(): Promise<{ version: string; time: number }> {
  const version = /^PACKAGE_VERSION="(.+)"$/m.exec(await read('driver/dkms.conf'))?.[1];
  const latest = /^\S+ \((.+)\) .*\n[\s\S]*?\n -- .+ {2}(.+)$/m.exec(await read('debian/changelog'));
  if (version === undefined || version !== latest?.[1])
    throw new Error(`dkms.conf has version ${version}, debian/changelog ${latest?.[1]}`);
  return { version, time: Date.parse(latest[2]!) / 1000 };
}

/** Builds the package in `directory`; resolves with its path. */
export async function buildPackage(directory: string): Promise<string> {
  const { version, time } = await release();
  const root = await mkdtemp(join(tmpdir(), 'skytale-package-'));
  try {
    const sums: string[] = [];
    // Modes by chmod: whose umask it is must not matter.
    const put = async (path: string, content: string | Uint8Array, mode = 0o644) => {
      const file = join(root, path);
      await mkdir(dirname(file), { recursive: true });
      for (let above = dirname(file); above.startsWith(root); above = dirname(above))
        await chmod(above, 0o755);
      await writeFile(file, content);
      await chmod(file, mode);
      if (path.startsWith('usr/')) sums.push(`${createHash('md5').update(content).digest('hex')}  ${path}\n`);
    };
    const driver = `usr/src/virtio-cryptodev-${version}`;
    for (const file of await moduleFiles()) await put(join(driver, file), await read(`driver/${file}`));
    await put('usr/include/crypto/cryptodev.h', await read(`driver/${header}`));
    await put('usr/lib/udev/rules.d/60-cryptodev.rules', await read('driver/60-cryptodev.rules'));
    await put(`usr/share/doc/${name}/copyright`, await read('debian/copyright'));
    const changelog = gzipSync(await read('debian/changelog'), { level: 9 });
    await put(`usr/share/doc/${name}/changelog.gz`, changelog);
    await put('DEBIAN/control', `${await read('debian/control')}Version: ${version}\n`);
    for (const script of ['postinst', 'prerm'])
      await put(`DEBIAN/${script}`, (await read(`debian/${script}`)).replaceAll('@VERSION@', version), 0o755);
    await put('DEBIAN/md5sums', sums.sort().join(''));
    const env = { ...process.env, SOURCE_DATE_EPOCH: String(time) };
    await promisify(execFile)('dpkg-deb', ['--root-owner-group', '--build', root, directory], { env });
  } finally {
    await rm(root, { recursive: true, force: true });
  }
  return join(directory, `${name}_${version}_all.deb`);
}

if (import.meta.main) console.log(await buildPackage(process.argv[2] ?? '.'));
