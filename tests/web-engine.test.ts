/** What a browser does in its own way, in Chromium. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  bundle,
  FileServer,
  openBrowser,
  openPage,
  Profile,
  runTestsOf,
} from '../packages/web/src/testing/browser.ts';

const testing = join(import.meta.dirname, '../packages/web/src/testing');

describe('in Chromium', () => {
  it('the cases hold', async (t) => {
    await using server = await FileServer.listen(await bundle({ cases: join(testing, 'cases.page.ts') }));
    await using profile = await Profile.make();
    await using browser = await openBrowser(profile);
    const { page, problems } = await openPage(browser, `${server.origin}/cases`);
    await runTestsOf(t, page);
    assert.deepEqual(problems, []);
  });
});
