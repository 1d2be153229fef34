/**
 * The guest driver's Debian package, as docs/guest-driver.md has it installed: what the page shows is run. It is
 * installed, and its module built, in a system of Debian's before a guest boots it, as an emulated processor would be
 * minutes about it; all that comes afterwards happens in the guest.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { changesTo, type DebianSystem, dkmsSystem, findQemu, Guest, VmError } from '@skytale/vm';
import { buildPackage } from '../guest/package.ts';
import { TemporaryDirectory } from './support/directory.ts';
import { GuestBuild, obstacle, serveCryptodev, until } from './support/guest-driver.ts';

const project = fileURLToPath(new URL('..', import.meta.url));
const page = readFileSync(`${project}docs/guest-driver.md`, 'utf8');
const name = 'virtio-cryptodev-dkms';

/** The commands of the page that begin so, without their comments. */
const shown = (start: string): string[] =>
  [...page.matchAll(/^```sh\n([\s\S]*?)^```/gm)]
    .flatMap(([, block = '']) => block.split('\n'))
    .filter((line) => line.startsWith(start))
    .map((line) => line.replace(/\s+#.*/, ''));

/** Kernels that the driver cannot be built for, and a line of how they are configured */
const kernels = [
  ['6.0.12-1-amd64', 'CONFIG_VIRTIO=m'],
  ['6.6.9-cloud', '# CONFIG_VIRTIO is not set'],
] as const;

/** Has DKMS build the driver for the headers of such a kernel; writes to a file of its name what came of it. */
function tryKernel([release, config]: (typeof kernels)[number]): string {
  const build = `/lib/modules/${release}/build`;
  return `mkdir -p ${build}/include && echo '${config}' >${build}/.config
    status=0; dkms build virtio-cryptodev/1.0 -k ${release} >${release} 2>&1 || status=$?
    echo "status $status" >>${release}; rm -r /lib/modules/${release}`;
}

/** Lists in a file what belongs to the package or tells of it. */
const list = (file: string) =>
  `find /etc /usr /var/lib/dkms -path '*virtio*cryptodev*' -o -name '*-cryptodev.rules' -o -path '*/crypto/*dev.h' >${file}
   grep -l virtio_cryptodev /usr/lib/modules/*/modules.* >>${file} || true`;

describe('the package', { skip: (await obstacle()) ?? false }, () => {
  it('is the same whoever builds it, wherever the driver was built before', async () => {
    using directory = new TemporaryDirectory();
    const { path } = directory;
    await cp(`${project}guest`, directory.join('guest'), { recursive: true });
    for (const file of [
      'virtio_cryptodev.ko',
      'virtio_cryptodev.mod.c',
      'abi.o',
      '.abi.o.cmd',
      'Module.symvers',
    ])
      await writeFile(directory.join('guest/driver', file), file);
    await chmod(directory.join('guest/driver/abi.c'), 0o600);
    await mkdir(directory.join('other'));
    const build = (source: string, target: string) =>
      execFileSync('sh', ['-c', 'umask 077; exec "$0" "$1" "$2"', process.execPath, source, target])
        .toString()
        .trim();
    const one = await readFile(await buildPackage(path));
    const other = await readFile(build(directory.join('guest/package.ts'), directory.join('other')));
    assert.ok(one.equals(other));
  });
});

async function missing(): Promise<string | undefined> {
  try {
    await dkmsSystem('bookworm');
    return await obstacle();
  } catch (error) {
    if (error instanceof VmError) return `no Debian system can be had: ${error.message}`;
    throw error;
  }
}
const skip = (await missing()) ?? false;

describe("the guest driver's Debian package", { skip }, () => {
  const stack = new AsyncDisposableStack();
  const directory = stack.use(new TemporaryDirectory());
  let system: DebianSystem;
  /** The files of the system that the package's installation has written. */
  let changes: Buffer;
  let guest: Guest;
  let device: Awaited<ReturnType<typeof serveCryptodev>>;

  /** Runs a script by Debian's own programs: busybox's shell, which runs commands otherwise, prefers its own. */
  const run = (script: string) => guest.run(['/bin/sh', '-c', script]);
  const check = async (script: string) => (await guest.check(['/bin/sh', '-ec', script])).trim();

  /** What the installation has written to a file. */
  const said = async (file: string) => (await readFile(directory.join(file), 'utf8')).trim();

  before(async () => {
    const [build] = shown('npx node guest/package.ts');
    assert.ok(build);
    execFileSync('npx', [...build.split(' ').slice(1), directory.path], { cwd: project });
    system = await dkmsSystem('bookworm');
    const [install] = shown('apt install ./');
    assert.ok(install);
    // Once more, as over an older one. Here too what DKMS says, as it is slow in a guest.
    const script = [install, `${install} --reinstall`, 'dkms status >status', ...kernels.map(tryKernel)];
    changes = await changesTo(system, directory.path, ['sh', '-ec', script.join('\n')]);

    const qemu = await findQemu(11);
    device = stack.use(await serveCryptodev(qemu, 'cryptodev'));
    guest = stack.use(await Guest.launch({ qemu, system, hotplugSlots: 1 }));
    await guest.check(['/bin/tar', '-x', '-C', '/'], { input: changes });
    await check('/lib/systemd/systemd-udevd --daemon');
    await guest.plug(device.device);
  });
  after(() => stack.disposeAsync());

  it('has the version that the module and DKMS are told', async () => {
    const version = await check(`dpkg-query -W -f '\${Version}' ${name}`);
    assert.equal(await check('modinfo -F version virtio_cryptodev'), version);
    assert.match(
      await said('status'),
      new RegExp(`^virtio-cryptodev/${version}, ${system.kernel.release}, x86_64: installed$`),
    );
  });

  it('has the module loaded when a device comes, for the group crypto', async () => {
    await until(guest, 'test -L /dev/crypto');
    await check('udevadm settle');
    assert.equal(
      await check("stat -c '%U %G %a %F' /dev/cryptodev0"),
      'root crypto 660 character special file',
    );
    assert.equal(await check('readlink /dev/crypto'), 'cryptodev0');
  });

  it('has it loaded where a device is there already when the package is installed', async () => {
    await check('rmmod virtio_cryptodev && ! test -e /dev/cryptodev0 && ! test -e /dev/crypto');
    // So that the script of the installation leaves out DKMS, which has been
    await check('touch /etc/dkms/no-autoinstall');
    await check(`/var/lib/dpkg/info/${name}.postinst configure`);
    assert.equal(await check("stat -L -c '%G %a' /dev/crypto"), 'crypto 660');
  });

  it('lets users of the group in, and nobody else', async () => {
    using build = await GuestBuild.make('6.1');
    const input = await readFile(await build.program('cryptodev-tool/cryptodev-tool.c'));
    await guest.check('cat >/usr/bin/cryptodev-tool && chmod +x /usr/bin/cryptodev-tool', { input });
    await check('adduser --quiet --disabled-password --gecos "" alice');
    const asAlice = 'setpriv --reuid alice --regid alice --init-groups';
    const digest = `${asAlice} cryptodev-tool digest sha256 </etc/hostname`;
    const refused = await run(digest);
    assert.notEqual(refused.status, 0);
    assert.match(refused.stderr, /Permission denied/);
    const [join] = shown('adduser alice');
    assert.ok(join);
    await check(join);
    assert.equal(
      (await check(digest)).split(' ')[0],
      (await check('sha256sum </etc/hostname')).split(' ')[0],
    );
  });

  it('brings the header for programs', async () => {
    const header = await readFile(`${project}guest/driver/include/crypto/cryptodev.h`, 'utf8');
    assert.equal(await check('cat /usr/include/crypto/cryptodev.h'), header.trim());
  });

  it('is passed over for kernels that are too old, and for those without virtio', async () => {
    for (const [release] of kernels)
      assert.match(await said(release), /BUILD_EXCLUSIVE directive which does not match.*\nstatus 77$/s);
  });

  it('has its module signed with the key that firmware is told; without that, Secure Boot refuses it', async () => {
    const [enrol] = shown('mokutil --import');
    assert.ok(enrol);
    const key = enrol.split(' ').at(-1)!;
    // The number of the certificate's key is what modinfo says the module is signed with.
    const serial = await check(`openssl x509 -inform DER -in ${key} -noout -serial`);
    const signedWith = await check('modinfo -F sig_key virtio_cryptodev');
    assert.equal(signedWith.replaceAll(':', ''), serial.replace('serial=', ''));
    await check('rmmod virtio_cryptodev && modprobe virtio_cryptodev && rmmod virtio_cryptodev');
    await check('echo 1 >/sys/module/module/parameters/sig_enforce');
    const { status, stderr } = await run('modprobe virtio_cryptodev');
    assert.notEqual(status, 0);
    assert.match(stderr, /Key was rejected by service/);
    guest.assertCleanLog();
  });

  it('leaves nothing of it but the group when it is removed', async () => {
    const script = [list('there'), `apt-get purge -y ${name}`, list('left'), 'getent group crypto >group'];
    await changesTo(system, directory.path, ['sh', '-ec', script.join('\n')], changes);
    assert.equal(
      (await said('there')).match(/virtio_cryptodev\.ko$|\.rules$|\/cryptodev\.h$|modules\.dep$/gm)?.length,
      6,
    );
    assert.equal(await said('left'), '');
    assert.match(await said('group'), /^crypto:/);
  });
});
