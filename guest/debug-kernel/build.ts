/**
 * Builds a kernel that finds faults in drivers, out of Debian's linux-source: KASAN (memory), lockdep (locks),
 * kmemleak (leaks) and what else `config` has. `run.ts` then runs the driver in it.
 *
 *   npx node guest/debug-kernel/build.ts
 *   npx node guest/debug-kernel/run.ts
 *
 * It takes about ten minutes on two cores, and 2 GB in the cache.
 */
import { copyFile, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildTree, cacheDirectory, debianKernel, runInTree } from '@skytale/vm';

const packages = [
  'gcc-multilib',
  'flex',
  'bison',
  'diffutils',
  'bc',
  'libelf-dev',
  'xz-utils',
  'tar',
  'kmod',
  'linux-source-6.1',
];
const say = (message: string) => console.error(message);

const tree = await buildTree(await debianKernel('6.1', say), packages, say);
const directory = join(cacheDirectory(), 'debug-kernel');
const temporary = `${directory}.new`;
await rm(temporary, { recursive: true, force: true });
await mkdir(temporary, { recursive: true });
await copyFile(new URL('config', import.meta.url), join(temporary, 'config'));

const script = `set -e
tar xf /usr/src/linux-source-6.1.tar.xz
mv linux-source-6.1 linux
cd linux
make -s tinyconfig
cat ../config >>.config
make -s olddefconfig
# What depends on something else that is missing is dropped without a word.
for option in $(sed -n 's/=y$//p' ../config); do
  grep -q "^$option=y" .config || { echo "The kernel has no $option" >&2; exit 1; }
done
nice make -s -j"$(nproc)" bzImage modules >../make.log 2>&1 || { tail -40 ../make.log >&2; exit 1; }
make -s modules_install INSTALL_MOD_PATH=/mnt/root >/dev/null
make -s kernelrelease >../release`;
say('Building a debugging kernel');
await runInTree(tree, temporary, ['sh', '-c', script]);
await writeFile(join(temporary, 'tree'), tree);
await rm(directory, { recursive: true, force: true });
await rename(temporary, directory);
say(`Built in ${directory}`);
