/**
 * Builds kernels that find faults in drivers, out of Debian's linux-source: one with KASAN (memory) and kmemleak
 * (leaks), one with KCSAN (data races), which excludes the former; both with lockdep (locks), the checks of DMA and
 * what else `config` has. `run.ts` then runs the driver in them.
 *
 *   npx node guest/debug-kernel/build.ts [kasan] [kcsan]
 *   npx node guest/debug-kernel/run.ts [kasan | kcsan] [SECONDS [STEP…]]
 *
 * It takes about ten minutes on two cores for each, and 4 GB in the cache.
 */
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
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

const asked = process.argv.slice(2);
const variants = asked.length === 0 ? ['kasan', 'kcsan'] : asked;
const tree = await buildTree(await debianKernel('6.1', say), packages, say);
const directory = join(cacheDirectory(), 'debug-kernel');
await mkdir(directory, { recursive: true });
for (const name of ['config', ...variants.map((variant) => `config-${variant}`)])
  await copyFile(new URL(name, import.meta.url), join(directory, name));

/** Changes to the kernel's source: a file, what sed does, and what must be there afterwards */
const changes = [
  // The checks of DMA see what is mapped. Virtio hands over addresses as they are, unless a device has
  // VIRTIO_F_ACCESS_PLATFORM: here every one has.
  [
    'include/linux/virtio_config.h',
    's/return !virtio_has_feature(vdev, VIRTIO_F_ACCESS_PLATFORM);/return false;/',
    'return false;',
  ],
  // Programs may have two operations write to the same place, which no driver of theirs can know.
  [
    'kernel/dma/debug.c',
    's/ else if (rc == -EEXIST && .*DMA_ATTR_SKIP_CPU_SYNC)) {/ else if (false) {/',
    'else if (false)',
  ],
].map(([file, change, after]) => `sed -i '${change}' ${file} && grep -q '${after}' ${file}`);

/** What is built already is built anew only where something has changed. */
const build = (variant: string) => `set -e
mkdir -p ${variant}
rm -f ${variant}/release
if ! [ -e linux ]; then
  rm -rf new && mkdir new
  tar xf /usr/src/linux-source-6.1.tar.xz -C new
  (cd new/linux-source-6.1 && ${changes.join(' && ')})
  mv new/linux-source-6.1 linux
fi
cd linux
make -s O=../${variant} tinyconfig
cat ../config ../config-${variant} >>../${variant}/.config
make -s O=../${variant} olddefconfig
# What depends on something else that is missing is dropped without a word.
for option in $(sed -n 's/=y$//p' ../config ../config-${variant}); do
  grep -q "^$option=y" ../${variant}/.config || { echo "The kernel has no $option" >&2; exit 1; }
done
nice make -s O=../${variant} -j"$(nproc)" bzImage modules >../${variant}/make.log 2>&1 ||
  { tail -40 ../${variant}/make.log >&2; exit 1; }
make -s O=../${variant} modules_install INSTALL_MOD_PATH=/mnt/${variant}/root >/dev/null
make -s O=../${variant} kernelrelease >../${variant}/release`;

await writeFile(join(directory, 'tree'), tree);
for (const variant of variants) {
  say(`Building a debugging kernel: ${variant}`);
  await runInTree(tree, directory, ['sh', '-c', build(variant)]);
  say(`Built in ${join(directory, variant)}`);
}
