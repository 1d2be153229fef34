/** The guest's driver builds for every kernel that guests have, and neither compiler nor sparse has a word to say. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type KernelName, kernelSources } from '@skytale/vm';
import { GuestBuild, obstacle } from './support/guest-driver.ts';

const kernels = Object.keys(kernelSources) as KernelName[];
const skip = (await obstacle(kernels)) ?? false;

describe('the guest driver', { skip }, () => {
  for (const name of kernels) {
    it(`builds without a warning for Linux ${name}`, async (test) => {
      using build = await GuestBuild.make(name);
      const lines = (await build.complaints()).split('\n');
      assert.deepEqual(
        lines.filter((line) => /warning|error/i.test(line)),
        [],
      );
      // A kernel can be too new for Debian's sparse, or its headers lack the script that looks whether it is.
      const unchecked = lines.find((line) => line.includes('C=2 specified, but'));
      if (unchecked !== undefined) test.diagnostic(`not checked by sparse: ${unchecked}`);
    });
  }
});
