/** The guest's driver builds for every kernel that guests have, and neither compiler nor sparse has a word to say. */
import assert from 'node:assert/strict';
import { appendFile, readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { type KernelName, kernelSources } from '@skytale/vm';
import { GuestBuild, obstacle } from './support/guest-driver.ts';

const kernels = Object.keys(kernelSources) as KernelName[];
/** What only sparse finds: a pointer of the kernel's in place of a user's. */
const mistake = 'int __user *vcd_mistake(int *p);\nint __user *vcd_mistake(int *p)\n{\n\treturn p;\n}\n';
const dkms = new URL('../guest/driver/dkms.conf', import.meta.url);
const skip = (await obstacle(kernels)) ?? false;

describe("the guest driver's DKMS", () => {
  it('builds for Linux 6.1 and newer, as does the driver', async () => {
    const pattern = /^BUILD_EXCLUSIVE_KERNEL="(.*)"$/m.exec(await readFile(dkms, 'utf8'))?.[1];
    assert.ok(pattern);
    const fits = (release: string) => new RegExp(pattern).test(release);
    const [wanted, unwanted] = [
      ['6.1.0-50-amd64', '6.9.7', '6.12.117+deb13-amd64', '7.0.1', '10.2.0'],
      ['2.6.32', '4.19.0-27-amd64', '5.10.0-30-amd64', '6.0.12'],
    ];
    assert.deepEqual([wanted.filter(fits), unwanted.filter(fits)], [wanted, []]);
  });
});

describe('the guest driver', { skip }, () => {
  for (const name of kernels) {
    it(`builds without a warning for Linux ${name}`, async () => {
      using build = await GuestBuild.make(name);
      const warnings = async () =>
        (await build.complaints()).split('\n').filter((line) => /warning|error/i.test(line));
      assert.deepEqual(await warnings(), []);
      // Sparse was there, and would have said something.
      await appendFile(build.path('driver', 'abi.c'), mistake);
      assert.match((await warnings()).join('\n'), /abi\.c:\d+:\d+: warning: .*different address spaces/);
    });
  }
});
