/** `skytale verify-web`: whether a server delivers the page that is installed here. */
import { webOriginOf } from '@skytale/chat/setting-table';
import { webAssets } from '@skytale/web/assets';
import { CommandError, UsageError } from '../command-error.ts';
import { displayLine } from '../safe-text.ts';
import { writeOut } from '../stdio.ts';
import { verifyPage } from '../verify-page.ts';

export async function verifyWeb(_settings: object, url: string): Promise<number> {
  // A whole invite link is taken too; its secret goes nowhere.
  const origin = URL.canParse(url) ? webOriginOf(new URL(url).origin) : undefined;
  if (origin === undefined) throw new UsageError('URL is not http(s)://HOST or http(s)://HOST:PORT.');
  const pages = webAssets();
  if (pages === undefined)
    throw new CommandError('The page is not built: node packages/web/build.ts does so.');
  const differences = await verifyPage(origin, pages.hashes);
  const [first] = differences;
  if (
    first !== undefined &&
    differences.length > pages.hashes.size &&
    differences.every((one) => !one.answered)
  ) {
    throw new CommandError(
      `Nothing is known about the page of ${origin}: it ${displayLine(first.what)}. Is that the address of --http?`,
    );
  }
  for (const { path, what } of differences) await writeOut(`${path} ${displayLine(what)}\n`);
  if (differences.length > 0) {
    throw new CommandError(
      `What ${origin} delivers is not the page of this version: another version runs there, or somebody changed it.`,
    );
  }
  await writeOut(
    `The ${pages.hashes.size} files that ${origin} delivered to this machine are those of this version.\n`,
  );
  return 0;
}
