/** The guest's driver builds for every kernel that guests have, and neither compiler nor sparse has a word to say. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type KernelName, kernelSources } from '@skytale/vm';
import { GuestBuild, obstacle } from './support/guest-driver.ts';

const kernels = Object.keys(kernelSources) as KernelName[];
const skip = (await obstacle(kernels)) ?? false;

describe('the guest driver', { skip }, () => {
  for (const name of kernels) {
    it(`builds without a warning for Linux ${name}`, async () => {
      using build = await GuestBuild.make(name);
      const complaints = (await build.complaints()).split('\n').filter((line) => /warning|error/i.test(line));
      assert.deepEqual(complaints, []);
    });
  }
});
