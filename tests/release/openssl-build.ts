/**
 * OpenSSL as Debian 12 has it, but with its engine for /dev/crypto, which Debian leaves out: built from Debian's source
 * package with the driver's header, once, into the cache.
 */
import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildTree, cached, debianKernel, debianSource, runInTree } from '@skytale/vm';

const packages = ['gcc', 'libc6-dev', 'dpkg-dev', 'patch', 'tar', 'xz-utils', 'gzip', 'diffutils'];
const headers = fileURLToPath(new URL('../../guest/driver/include/', import.meta.url));
const say = (message: string) => console.error(message);

/**
 * What is linked statically runs in any guest. `-static` for Configure would leave threads out, so that it is said to
 * make. With the engine in the library and not in a file of its own, nothing has to be found at run time.
 */
const script = `set -e
dpkg-source --no-check -x source/*.dsc openssl >&2
cd openssl
./Configure linux-x86_64 --prefix=/usr --openssldir=/etc/ssl no-shared no-dynamic-engine no-tests \\
  enable-devcryptoeng -I/mnt/include >&2
make -s -j"$(nproc)" LDFLAGS=-static build_generated >&2
nice make -s -j"$(nproc)" LDFLAGS=-static libcrypto.a libssl.a apps/openssl >../make.log 2>&1 || {
  tail -40 ../make.log >&2; exit 1;
}`;

/** The tree in which it is built, and in which programs can be linked with it. */
export const openSslTree = async () => buildTree(await debianKernel('6.1', say), packages, say);

/** A directory with `openssl`, `libssl.a`, `libcrypto.a` and `include`. The first call takes some minutes. */
export async function openSsl(): Promise<{ readonly directory: string; readonly version: string }> {
  const source = await debianSource('bookworm', 'openssl', say);
  const dsc = (await readdir(source)).find((file) => file.endsWith('.dsc'))!;
  const version = basename(dsc, '.dsc').replace('openssl_', '');
  const header = await readFile(join(headers, 'crypto/cryptodev.h'));
  const digest = createHash('sha256').update(script).update(header).digest('hex').slice(0, 8);
  const directory = await cached(`openssl-devcrypto-${version}-${digest}`, async (temporary) => {
    const tree = await openSslTree();
    await mkdir(temporary);
    await cp(source, join(temporary, 'source'), { recursive: true });
    await cp(headers, join(temporary, 'include'), { recursive: true });
    say(`Building OpenSSL ${version}`);
    await runInTree(tree, temporary, ['sh', '-c', script]);
    // Only what is used is kept: the built tree has 300 MB.
    await rename(join(temporary, 'openssl'), join(temporary, 'built'));
    const keep = { 'libssl.a': '', 'libcrypto.a': '', 'apps/openssl': '', 'include/openssl': 'include' };
    for (const [path, place] of Object.entries(keep))
      await rename(join(temporary, 'built', path), join(temporary, place, basename(path)));
    for (const file of await readdir(temporary))
      if (!['libssl.a', 'libcrypto.a', 'openssl', 'include'].includes(file))
        await rm(join(temporary, file), { recursive: true });
  });
  return { directory, version };
}
