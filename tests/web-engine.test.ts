/** What a browser does in its own way, in Chromium. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { startServer } from '@skytale/chat/testing/server';
import type { Page } from 'playwright-core';
import type { Engine, EngineEvent } from '../packages/web/src/engine.ts';
import {
  bundle,
  FileServer,
  killBrowser,
  openBrowser,
  openPage,
  Profile,
  runTestsOf,
} from '../packages/web/src/testing/browser.ts';

const testing = join(import.meta.dirname, '../packages/web/src/testing');

/** In a page. */
declare const engine: Engine;
declare const told: EngineEvent[];

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

  it('a state that is written when Chromium is killed has all of the first commits, and nothing of others', async () => {
    await using server = await FileServer.listen(files);
    await using profile = await Profile.make();
    let written = 0;
    for (const enough of [40, 90]) {
      const browser = await openBrowser(profile);
      const { page } = await openPage(browser, `${server.origin}/cases`);
      const { promise, resolve } = Promise.withResolvers<void>();
      await page.exposeFunction('tell', (n: number) => {
        written = n;
        if (n >= enough) resolve();
      });
      void page.evaluate('writeForEver(tell)').catch(() => {});
      await promise;
      await killBrowser(browser, profile);
      await using again = await openBrowser(profile);
      const { page: reader } = await openPage(again, `${server.origin}/cases`);
      const { place, keys } = (await reader.evaluate('readWritten()')) as {
        place: { seq: number };
        keys: number[];
      };
      assert.equal(place.seq >= written, true, `${place.seq} of ${written}`);
      assert.deepEqual(
        keys,
        Array.from({ length: place.seq }, (_, index) => index + 1),
      );
    }
  });

  it('an engine that hangs in the middle of a write keeps no other from writing', async () => {
    await using server = await FileServer.listen(files);
    await using profile = await Profile.make();
    await using browser = await openBrowser(profile);
    const { page } = await openPage(browser, `${server.origin}/cases`);
    assert.deepEqual(await page.evaluate('overtake()'), [
      ['of the first', 1],
      ['of the second', 1],
    ]);
    const woken = page.evaluate('woken()');
    server.letGo();
    assert.equal(await woken, 'CHAT_STATE_IN_USE');
  });

  it('of several tabs another leads when the first is closed in the middle of sending, or hangs', async () => {
    await using chat = await startServer({ http: [{ host: '127.0.0.1', port: 0 }] });
    await using server = await FileServer.listen(files, chat.addresses.http[0]!.port);
    await using profile = await Profile.make();
    await using browser = await openBrowser(profile);
    const open = () => openPage(browser, `${server.origin}/engine`);
    const first = await open();
    const room = await first.page.evaluate(async () => {
      const made = await engine.create({ name: 'alice', label: 'A room' });
      await engine.open(made);
      return made;
    });
    const [second, third] = [await open(), await open()];
    const sendAll = (page: Page, prefix: string) =>
      page.evaluate(
        async ([id, text]) => {
          await engine.open(id!);
          const all = Array.from({ length: 30 }, (_, at) => engine.send(id!, `${text} ${at}`));
          return (await Promise.all(all)).length;
        },
        [room, prefix],
      );
    const pages = [second.page, third.page];
    const sending = [sendAll(second.page, 'second'), sendAll(third.page, 'third')];
    await second.page.waitForFunction(() => told.some(({ kind }) => kind === 'room'), undefined, {
      polling: 50,
    });
    await first.page.close();
    assert.deepEqual(await Promise.all(sending), [30, 30]);

    // One of the two leads now. Whoever does not lead is not missed; whoever does, is deposed.
    const holder = (await second.page.workers()[0]!.evaluate(() => navigator.locks.query())).held![0]!
      .clientId;
    const ids = await Promise.all(
      pages.map((page) =>
        page.workers()[0]!.evaluate(async () => {
          const { promise, resolve } = Promise.withResolvers<string>();
          void navigator.locks.request('who', async () => {
            resolve((await navigator.locks.query()).held!.find(({ name }) => name === 'who')!.clientId!);
          });
          return await promise;
        }),
      ),
    );
    const leader = pages[ids.indexOf(holder!)]!;
    const other = pages.find((page) => page !== leader)!;
    void leader
      .workers()[0]!
      .evaluate(() => {
        const request = new XMLHttpRequest();
        request.open('GET', '/hold', false);
        request.send();
      })
      .catch(() => {});
    await other.evaluate(async (id) => {
      await engine.send(id, 'after all');
    }, room);
    server.letGo();
    // Whoever wakes may give what it knew; and is then told that another leads.
    const isThere = async (id: string) =>
      (await engine.open(id)).items.some((item) => item.kind === 'message' && item.text === 'after all');
    for (const page of pages) await page.waitForFunction(isThere, room, { polling: 50 });
    const texts = async (page: Page) =>
      await page.evaluate(async (id) => {
        const { items } = await engine.open(id);
        return items.flatMap((item) => (item.kind === 'message' ? [item.text] : []));
      }, room);
    const expected = ['second', 'third'].flatMap((name) =>
      Array.from({ length: 30 }, (_, at) => `${name} ${at}`),
    );
    for (const page of pages) assert.deepEqual((await texts(page)).sort(), [...expected, 'after all'].sort());
    for (const { problems } of [second, third]) assert.deepEqual(problems, []);
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
      const room = await engine.create({ name: 'alice', label: 'A room', passphrase: 'correct horse' });
      await engine.open(room);
      await engine.send(room, 'hello');
      return { room, web: (await engine.invite(room)).web };
    });
    assert.equal(web.startsWith(`${server.origin}/r/${room}#p.`), true);
    await bob.page.evaluate(
      async ([link, id]) => {
        const found = await engine.look(link!);
        if (found.kind !== 'invite' || !found.needsPassphrase) throw new Error(JSON.stringify(found));
        const options = { link: link!, name: 'bob', label: '', passphrase: 'correct horse' };
        await engine.join(options);
        await engine.open(id!);
      },
      [web, room],
    );
    const hears = (expected: string) =>
      told.some(
        (event) =>
          event.kind === 'room' &&
          event.events.some(
            (one) => one.kind === 'item' && one.item.kind === 'message' && one.item.text === expected,
          ),
      );
    await bob.page.waitForFunction(hears, 'hello', { polling: 50 });
    server.goOffline();
    await bob.page.evaluate((id) => engine.send(id, 'said offline'), room);
    server.isOnline = true;
    await alice.page.waitForFunction(hears, 'said offline', { polling: 50 });
    await alice.page.reload();
    const again = await alice.page.evaluate(async (id) => {
      const { items } = await engine.open(id);
      return items.flatMap((item) => (item.kind === 'message' ? [[item.text, item.own]] : []));
    }, room);
    assert.deepEqual(again, [
      ['hello', true],
      ['said offline', false],
    ]);
    for (const { problems } of [alice, bob])
      assert.deepEqual(
        problems.filter((problem) => !problem.includes('WebSocket connection')),
        [],
      );
  });
});
