/** What a browser does in its own way, in Chromium. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { startServer } from '@skytale/chat/testing/server';
import type { Engine, EngineEvent } from '../packages/web/src/engine.ts';
import {
  bundle,
  FileServer,
  openBrowser,
  openPage,
  Profile,
  runTestsOf,
} from '../packages/web/src/testing/browser.ts';

const testing = join(import.meta.dirname, '../packages/web/src/testing');

type Told = {
  readonly engine: Engine;
  readonly told: EngineEvent[];
};

/** Done in a page. */
const scope = globalThis as unknown as Told;

describe('in Chromium', () => {
  let files: Awaited<ReturnType<typeof bundle>>;
  before(async () => {
    files = await bundle({ cases: join(testing, 'cases.page.ts'), engine: join(testing, 'engine.page.ts') });
  });

  it('the cases hold', async (t) => {
    await using server = await FileServer.listen(files);
    await using profile = await Profile.make();
    await using browser = await openBrowser(profile);
    const { page, problems } = await openPage(browser, `${server.origin}/cases`);
    await runTestsOf(t, page);
    assert.deepEqual(problems, []);
  });

  it('two people meet in a room, go offline and come back, and reload', async () => {
    await using chat = await startServer({ http: [{ host: '127.0.0.1', port: 0 }] });
    await using server = await FileServer.listen(files, chat.addresses.http[0]!.port);
    await using profiles = new AsyncDisposableStack();
    const open = async () => {
      const browser = profiles.use(await openBrowser(profiles.use(await Profile.make())));
      return await openPage(browser, `${server.origin}/engine`);
    };
    const [alice, bob] = [await open(), await open()];
    const { room, web } = await alice.page.evaluate(async () => {
      const room = await scope.engine.create({ name: 'alice', label: 'A room', passphrase: 'correct horse' });
      await scope.engine.open(room);
      await scope.engine.send(room, 'hello');
      return { room, web: (await scope.engine.invite(room)).web };
    });
    assert.equal(web.startsWith(`${server.origin}/r/${room}#p.`), true);
    await bob.page.evaluate(
      async ([link, id]) => {
        const found = await scope.engine.look(link!);
        if (found.kind !== 'invite' || !found.needsPassphrase) throw new Error(JSON.stringify(found));
        const options = { link: link!, name: 'bob', label: '', passphrase: 'correct horse' };
        await scope.engine.join(options);
        await scope.engine.open(id!);
      },
      [web, room],
    );
    const hears = (expected: string) =>
      scope.told.some(
        (event) =>
          event.kind === 'room' &&
          event.events.some(
            (one) => one.kind === 'item' && one.item.kind === 'message' && one.item.text === expected,
          ),
      );
    await bob.page.waitForFunction(hears, 'hello');
    server.goOffline();
    await bob.page.evaluate((id) => scope.engine.send(id, 'said offline'), room);
    server.isOnline = true;
    await alice.page.waitForFunction(hears, 'said offline');
    await alice.page.reload();
    const again = await alice.page.evaluate(async (id) => {
      const { items } = await scope.engine.open(id);
      return items.flatMap((item) => (item.kind === 'message' ? [[item.seq, item.text, item.own]] : []));
    }, room);
    assert.deepEqual(again, [
      [1, 'hello', true],
      [2, 'said offline', false],
    ]);
    for (const { problems } of [alice, bob])
      assert.deepEqual(
        problems.filter((problem) => !problem.includes('WebSocket connection')),
        [],
      );
  });
});
