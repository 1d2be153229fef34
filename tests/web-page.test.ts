/** The page as people use it, in Chromium, over an engine in memory: what is shown, what is not, and how it is reached. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ChatServer } from '@skytale/chat';
import type { Page } from 'playwright-core';
import { MemoryLog } from '../packages/chat/src/log/memory-log.ts';
import { buildPage } from '../packages/web/build.ts';
import { webAssets } from '../packages/web/src/assets.ts';
import type { AppModel } from '../packages/web/src/page/app.svelte.ts';
import type { FakeEngine } from '../packages/web/src/testing/fake-engine.ts';
import { assertAccessible } from './support/axe.ts';
import { TemporaryDirectory } from './support/directory.ts';
import { type Profile, screens, WebBrowser } from './support/web-browser.ts';

declare const fake: { readonly engine: FakeEngine; readonly self: string };
declare const app: AppModel;
/** What the scenes put down for the tests: the room that is shown, and members. */
declare const scene: { room: string; bob: string; carol: string };

const secret = 'vUChKxTORcvaXWQMvTQSjW5RZrTCxfXI0RI04vw8Brc';
const invitePath = `/r/${'room'.repeat(5)}00#${secret}`;

/** Three rooms, and a conversation in one. It runs in the page before its scripts. */
function conversation(engine: FakeEngine, self: string): void {
  const bob = `b0b1c2d3${'1'.repeat(56)}`;
  const carol = `ca401777${'2'.repeat(56)}`;
  const room = engine.addRoom('Garden project');
  engine.summarize(engine.addRoom('Climbing'), { unread: 3, lastAt: Date.now() });
  engine.enter(room, 'Bob', bob);
  engine.enter(room, 'Carol', carol, { present: false });
  const day = 24 * 3600_000;
  engine.say(room, 'Bob', bob, 'Who has the key to the shed?', Date.now() - day);
  engine.say(room, 'Carol', carol, 'I do. The plan: https://garden.example.org/plan?bed=3', Date.now() - day);
  engine.say(room, 'Carol', carol, 'سأحضر الأدوات', Date.now() - day);
  engine.fill(room, 1, () => ({ from: 'Alice', member: self, text: 'Thank you.', at: Date.now() - day }));
  engine.of(room).readUpTo = 4;
  engine.say(room, 'Bob', bob, 'Perfect.');
  Object.assign(globalThis, { scene: { room, bob, carol } });
}

const scenes = {
  empty: () => {},
  conversation,
  long(engine: FakeEngine) {
    const room = engine.addRoom('Long');
    const bob = `b0b1c2d3${'1'.repeat(56)}`;
    const begin = Date.now() - 10_000 * 60_000;
    engine.fill(room, 10_000, (index) => ({
      from: 'Bob',
      member: bob,
      text: `message ${index + 1}${' and so on'.repeat(index % 7)}`,
      at: begin + index * 60_000,
    }));
    engine.of(room).readUpTo = 10_000;
    Object.assign(globalThis, { scene: { room, bob } });
  },
};

describe('the page', { timeout: 240_000 }, () => {
  const directory = new TemporaryDirectory();
  let browser: WebBrowser;
  let server: ChatServer;
  let origin: string;

  before(async () => {
    await buildPage(join(import.meta.dirname, '../packages/web'), directory.path, 'src/testing/fake.html');
    const pages = webAssets(directory.path);
    assert.ok(pages !== undefined);
    const http = [{ host: '127.0.0.1', port: 0 }];
    server = await ChatServer.start({ tcp: [], http }, { log: new MemoryLog(), pages });
    origin = `http://127.0.0.1:${server.addresses.http[0]!.port}`;
    browser = await WebBrowser.launch();
  });
  after(async () => {
    await browser?.[Symbol.asyncDispose]();
    await server?.close();
    directory[Symbol.dispose]();
  });

  const open = (profile: Profile, scene: keyof typeof scenes, path = '/') =>
    profile.open(
      origin + path,
      `window.scenario = ${scenes[scene].toString().replace(/^long/, 'function long')};`,
    );

  /** With the scene's room shown. */
  async function openRoom(profile: Profile, which: 'conversation' | 'long'): Promise<Page> {
    const page = await open(profile, which);
    await page.getByRole('main').waitFor();
    await page.evaluate(() => app.open(scene.room));
    await page.getByRole('log', { name: 'Messages' }).waitFor();
    return page;
  }

  const log = (page: Page) => page.getByRole('log', { name: 'Messages' });
  const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });

  const places: readonly [
    string,
    'empty' | 'conversation' | 'room',
    string,
    (page: Page) => Promise<void>,
  ][] = [
    ['the beginning', 'empty', '/', async () => {}],
    ['the rooms', 'conversation', '/', async () => {}],
    ['an invitation', 'empty', invitePath, (page) => page.getByText('You are invited').waitFor()],
    [
      'a bad link',
      'empty',
      '/',
      async (page) => {
        await page.evaluate(() => fake.engine.links.set('x', { kind: 'bad', code: 'X', text: 'No invite.' }));
        await page.getByLabel('Your name').fill('Alice');
        await page.getByLabel('Invite link').fill('x');
        await button(page, 'Join').click();
        await page.getByRole('alert').getByText('No invite.').waitFor();
      },
    ],
    ['a room', 'room', '/', async () => {}],
    [
      'the invite dialog',
      'room',
      '/',
      async (page) => {
        await button(page, 'Invite').click();
        await page.getByRole('img').waitFor();
      },
    ],
    [
      'the people',
      'room',
      '/',
      async (page) => {
        await page.getByRole('button', { name: /^People/ }).click();
        await page.getByRole('button', { name: /^Compare numbers with Bob/ }).click();
        await page.getByText('Read this safety number').waitFor();
      },
    ],
    [
      'the settings of a room',
      'room',
      '/',
      async (page) => {
        await button(page, 'This room').click();
        await page.getByRole('button', { name: /^Leave and forget/ }).click();
      },
    ],
    [
      'trouble',
      'room',
      '/',
      async (page) => {
        await page.evaluate(() => {
          const { engine } = fake;
          const what = {
            kind: 'warning',
            code: 'FORGED',
            text: 'A message was forged.',
            member: scene.bob,
          } as const;
          engine.notice(scene.room, what);
          engine.enter(scene.room, 'Вob', `e7e00001${'4'.repeat(56)}`, { nameIsShared: true });
          engine.say(scene.room, 'Вob', `e7e00001${'4'.repeat(56)}`, 'a \u202e b');
          engine.connection(scene.room, { phase: 'offline', text: 'No answer.', retryIn: 1000 });
          engine.aside(scene.room, { id: '1', text: 'too long', reason: 'It is too long.' });
          engine.isOnline = false;
        });
        await page.getByLabel('Message', { exact: true }).fill('waits');
        await button(page, 'Send').click();
        await page.getByText('waiting', { exact: true }).waitFor({ state: 'attached' });
      },
    ],
  ];
  for (const [screen, options] of Object.entries(screens)) {
    // Each colour once, each screen once: what axe finds of one does not depend on the other.
    for (const colorScheme of [screen === 'phone' ? 'dark' : 'light'] as const) {
      it(`can be used by everybody on a ${screen}, ${colorScheme}`, async () => {
        await using profile = await browser.profile({ ...options, colorScheme });
        for (const [what, scene, path, act] of places) {
          const page =
            scene === 'room' ? await openRoom(profile, 'conversation') : await open(profile, scene, path);
          await page.getByRole('main').waitFor();
          await act(page);
          await assertAccessible(page, what);
          const tooWide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
          assert.equal(tooWide, false, `${what} is wider than the screen`);
          await page.close();
        }
        assert.deepEqual(profile.complaints, []);
      });
    }
  }

  it('takes the secret out of the address at once, and hands it to the engine alone', async () => {
    await using profile = await browser.profile();
    const page = await open(profile, 'empty', invitePath);
    await page.getByText('You are invited').waitFor();
    assert.equal(page.url(), `${origin}/r/${'room'.repeat(5)}00`);
    assert.deepEqual(await page.evaluate(() => fake.engine.calls), [['look', origin + invitePath]]);
    const kept = await page.evaluate(
      () => document.documentElement.outerHTML + JSON.stringify([{ ...localStorage }, history.state]),
    );
    assert.ok(!kept.includes(secret));
    await page.getByLabel('Your name').fill('Alice');
    await button(page, 'Join').click();
    await log(page).waitFor();
    assert.ok(!page.url().includes('#'));
    // A link that is pasted into the address of the same tab loads nothing.
    await page.evaluate((path) => location.assign(path), invitePath.replace('00#', '01#'));
    await page.waitForURL((url) => url.hash === '');
  });

  it('says of a room with a passphrase that its link alone lets nobody in', async () => {
    await using profile = await browser.profile();
    const page = await openRoom(profile, 'conversation');
    await page.evaluate(() => {
      fake.engine.needsPassphrase = true;
    });
    await button(page, 'Invite').click();
    await page.getByText('Whoever has this link and knows the room’s passphrase').waitFor();
    assert.equal(await page.getByText('Whoever has this link can').count(), 0);
  });

  it('lets one write at once, where there is a keyboard', async () => {
    await using profile = await browser.profile();
    const page = await openRoom(profile, 'conversation');
    await page.keyboard.type('without a click');
    assert.equal(await page.getByRole('textbox', { name: 'Message' }).inputValue(), 'without a click');
  });

  it('makes nothing but text of what others write', async () => {
    await using profile = await browser.profile();
    const page = await openRoom(profile, 'conversation');
    const attacks = [
      '<img src=x onerror="window.pwned=1">',
      '<script>window.pwned=1</script>',
      '"><svg onload=window.pwned=1>',
      '{@html "<img src=x onerror=window.pwned=1>"} {{constructor.constructor("window.pwned=1")()}}',
      'javascript:window.pwned=1',
      '[click](javascript:window.pwned=1) <a href="javascript:window.pwned=1">x</a>',
      'https://bank.example@evil.example/',
      'data:text/html,<script>window.pwned=1</script>',
      '</li></ul><iframe srcdoc="<script>parent.pwned=1</script>"></iframe>',
      '&lt;b&gt; &#60;script&#62;',
      '\u202e\u2066evil\u0007\u001b[2J\u2028\u0000',
      'a'.repeat(20_000),
      'z\u0351\u0352\u0353\u0354\u0355'.repeat(2000),
      '\n'.repeat(3000),
    ];
    await page.evaluate((texts) => {
      const { engine } = fake;
      for (const [index, text] of texts.entries()) {
        const member = String(index).padStart(8, '0') + 'e'.repeat(56);
        engine.enter(scene.room, text, member);
        engine.say(scene.room, text, member, text);
        engine.notice(scene.room, { kind: 'came', member, name: text });
        engine.notice(scene.room, { kind: 'warning', code: text, text, member });
        engine.addRoom(text, text);
      }
      engine.aside(scene.room, ...texts.map((text, id) => ({ id: String(id), text, reason: text })));
      engine.connection(scene.room, { phase: 'offline', text: texts.join(' '), retryIn: 1 });
      engine.summarize(scene.room, { label: texts.join(' '), name: texts.join(' ') });
    }, attacks);
    await page.getByRole('button', { name: /^People/ }).click();
    await page.getByRole('dialog').waitFor();
    const found = await page.evaluate(() => ({
      pwned: 'pwned' in window,
      elements: document.body.querySelectorAll(
        'img, script, iframe, object, embed, [onload], [onerror], [style*=url]',
      ).length,
      links: [...document.querySelectorAll('[role=log] a')].map((link) => (link as HTMLAnchorElement).href),
      rel: [...document.querySelectorAll('[role=log] a')].map((link) => (link as HTMLAnchorElement).rel),
    }));
    assert.equal(found.pwned, false);
    assert.equal(found.elements, 0);
    assert.deepEqual(found.links, ['https://garden.example.org/plan?bed=3']);
    assert.match(found.rel.join(), /noopener noreferrer/);
    const said = await log(page).innerText();
    for (const text of ['<script>window.pwned=1</script>', 'U+202E', 'U+0007', 'U+0000'])
      assert.ok(said.includes(text), text);
    for (const hidden of '\u202e\u2066\u0007\0') assert.ok(!said.includes(hidden));
    const tooWide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    assert.equal(tooWide, false);
    assert.deepEqual(profile.complaints, []);
  });

  it('cannot make markup of text, or run what is not its own, even if it wanted to', async () => {
    await using profile = await browser.profile();
    const page = await open(profile, 'empty');
    const refused = await page.evaluate(async () => {
      const outcome = async (work: () => unknown) => {
        try {
          // In a turn of the page's own: what a debugger evaluates is past the policy.
          await new Promise((resolve) => setTimeout(resolve));
          await work();
          return 'done';
        } catch (error) {
          return (error as Error).name;
        }
      };
      return {
        markup: await outcome(() => {
          document.body.innerHTML = '<p>';
        }),
        evaluated: await outcome(() => Function('return 1')()),
        worker: await outcome(() => new Worker('/service-worker.js')),
        elsewhere: await outcome(() => fetch('http://127.0.0.1:9/')),
      };
    });
    assert.deepEqual(refused, {
      markup: 'TypeError',
      evaluated: 'EvalError',
      worker: 'TypeError',
      elsewhere: 'TypeError',
    });
  });

  it('scrolls through ten thousand messages, and holds some hundred', async () => {
    await using profile = await browser.profile();
    const page = await openRoom(profile, 'long');
    const result = await page.evaluate(async () => {
      const log = document.querySelector('[role=log]')!;
      const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
      const seen = new Set<string>();
      let most = 0;
      let jumps = 0;
      /** The message in the middle, and where it stands. */
      const middle = () => {
        const { left, top, width, height } = log.getBoundingClientRect();
        for (let down = 0; down < 200; down += 20) {
          const item = document
            .elementFromPoint(left + width * 0.4, top + height / 2 + down)
            ?.closest('li.message');
          if (item) return { item, top: item.getBoundingClientRect().top };
        }
        return undefined;
      };
      const scroll = async (by: number) => {
        const before = middle();
        const from = log.scrollTop;
        log.scrollTop += by;
        const moved = log.scrollTop - from;
        await frame();
        await frame();
        // What was fetched meanwhile stands before or behind, and moves nothing.
        if (
          before?.item.isConnected &&
          Math.abs(before.item.getBoundingClientRect().top - before.top + moved) > 2
        )
          jumps += 1;
        const items = document.querySelectorAll('[role=log] li.message');
        most = Math.max(most, items.length);
        for (const item of items) seen.add(/message (\d+)/.exec(item.textContent!)![1]!);
      };
      for (let turn = 0; turn < 3000 && !seen.has('1'); turn += 1) await scroll(-5000);
      const up = seen.size;
      seen.clear();
      for (let turn = 0; turn < 3000 && !seen.has('10000'); turn += 1) await scroll(5000);
      return { up, down: seen.size, most, jumps };
    });
    assert.equal(result.up, 10_000);
    assert.ok(result.down >= 9600, `${result.down} seen on the way down`);
    assert.ok(result.most <= 400, `${result.most} messages at once`);
    assert.equal(result.jumps, 0);
  });

  it('stays where one reads while others write, and comes back', async () => {
    await using profile = await browser.profile();
    const page = await openRoom(profile, 'long');
    await log(page).evaluate((element) => {
      element.scrollTop = 0;
    });
    await page.getByText('message 9870', { exact: false }).first().waitFor({ state: 'attached' });
    const before = await log(page).evaluate((element) => element.scrollTop);
    await page.evaluate(() => {
      for (let count = 0; count < 3; count += 1)
        fake.engine.say(scene.room, 'Bob', scene.bob, `later ${count}`);
    });
    assert.equal(await log(page).evaluate((element) => element.scrollTop), before);
    await page.getByRole('button', { name: /^Latest|new$/ }).click();
    await page.getByText('later 2').waitFor();
    await page.waitForFunction(() =>
      fake.engine.calls.some(([name, , seq]) => name === 'read' && seq === 10_003),
    );
  });

  it('is used by keys alone', async () => {
    await using profile = await browser.profile();
    const page = await open(profile, 'empty');
    await page.getByLabel('Your name').focus();
    await page.keyboard.type('Alice');
    await page.keyboard.press('Enter');
    await log(page).waitFor();
    await page.getByLabel('Message', { exact: true }).focus();
    await page.keyboard.type('first');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.type('second');
    await page.keyboard.press('Enter');
    await log(page)
      .getByRole('listitem')
      .filter({ hasText: 'second' })
      .getByText('sent')
      .waitFor({ state: 'attached' });
    assert.match(await log(page).getByRole('listitem').last().innerText(), /Alice[\s\S]*first\nsecond/);
    await button(page, 'Invite').focus();
    await page.keyboard.press('Enter');
    await page.getByRole('textbox', { name: 'Invite link' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    assert.equal(
      await button(page, 'Invite').evaluate((element) => element === document.activeElement),
      true,
    );
  });

  it('shows what waits, what was sent, what cannot be sent, and what was forged', async () => {
    await using profile = await browser.profile();
    const page = await openRoom(profile, 'conversation');
    await page.evaluate(() => {
      fake.engine.isOnline = false;
      fake.engine.connection(scene.room, {
        phase: 'offline',
        text: 'The server does not answer.',
        retryIn: 1000,
      });
    });
    await page.getByRole('status').getByText('Offline: The server does not answer').waitFor();
    await page.getByLabel('Message', { exact: true }).fill('goes out later');
    await button(page, 'Send').click();
    const own = log(page).getByRole('listitem').filter({ hasText: 'goes out later' });
    await own.getByText('waiting').waitFor({ state: 'attached' });
    await page.evaluate(() => {
      fake.engine.connection(scene.room, { phase: 'online', caughtUp: true });
      fake.engine.flush(scene.room);
    });
    await own.getByText('sent').waitFor({ state: 'attached' });
    assert.equal(await own.count(), 1);
    await page.evaluate(() => {
      const text = 'Message 9 is not Bob’s.';
      fake.engine.notice(scene.room, { kind: 'warning', code: 'FORGED', text, member: scene.bob });
      fake.engine.aside(scene.room, { id: 'one', text: 'lost words', reason: 'It does not fit.' });
    });
    await log(page).getByText('A forged message was dropped').waitFor();
    await page.getByRole('region', { name: 'Could not be sent' }).getByText('lost words').waitFor();
    await button(page, 'Throw away').click();
    await page.getByText('lost words').waitFor({ state: 'detached' });
  });

  it('hides whom one does not want to read, and forgets a room when asked twice', async () => {
    await using profile = await browser.profile();
    const page = await openRoom(profile, 'conversation');
    await log(page).getByText('Perfect.').waitFor();
    await page.getByRole('button', { name: /^People/ }).click();
    await button(page, 'Hide Bob').click();
    await button(page, 'Show Bob').waitFor();
    await button(page, 'Close').click();
    assert.equal(await log(page).getByText('Perfect.').count(), 0);
    assert.ok(
      (await log(page)
        .getByText(/said by somebody whom you hide/)
        .count()) > 0,
    );
    await button(page, 'This room').click();
    await page.getByRole('button', { name: /^Leave and forget/ }).click();
    await button(page, 'Forget it').click();
    await page.getByRole('heading', { name: 'Talk in private' }).waitFor();
    assert.equal(await page.getByRole('navigation').getByText('Garden project').count(), 0);
  });

  it('tells that there is something new when asked to, and not what', async () => {
    await using profile = await browser.profile();
    // The browser's own would need a desktop to show them on.
    const stub = `
      window.told = [];
      window.Notification = class {
        static permission = 'default';
        static async requestPermission() { return (this.permission = 'granted'); }
        constructor(title, options) { told.push({ title, ...options }); }
      };
      window.away = false;
      Object.defineProperty(document, 'visibilityState', { get: () => (away ? 'hidden' : 'visible') });`;
    const page = await profile.open(origin, `${stub}; window.scenario = ${conversation.toString()};`);
    await page.getByRole('main').waitFor();
    await page.evaluate(() => app.open(scene.room));
    const somethingNew = (unread: number) =>
      page.evaluate((unread) => {
        Object.assign(window, { away: true });
        fake.engine.say(scene.room, 'Bob', scene.bob, 'a secret');
        fake.engine.summarize(scene.room, { unread });
      }, unread);
    const told = () => page.evaluate('told');
    await somethingNew(1);
    assert.deepEqual(await told(), []);
    await button(page, 'This room').click();
    await page.getByLabel('Notify me').check();
    await button(page, 'Close').click();
    await somethingNew(2);
    const room = await page.evaluate(() => scene.room);
    assert.deepEqual(await told(), [
      { title: 'Garden project', body: 'There is something new.', tag: room, icon: '/icon-192.png' },
    ]);
    // What was counted already is not told again, nor is anything while one looks.
    await somethingNew(2);
    await page.evaluate(() => Object.assign(window, { away: false }));
    await page.evaluate(() => fake.engine.summarize(scene.room, { unread: 3 }));
    assert.equal(((await told()) as unknown[]).length, 1);
  });

  it('says what failed, in the words of the engine, and keeps what was typed', async () => {
    await using profile = await browser.profile();
    const page = await openRoom(profile, 'conversation');
    await page.evaluate(() => {
      fake.engine.failing = 'The disk is full.';
    });
    await page.getByLabel('Message', { exact: true }).fill('dear');
    await button(page, 'Send').click();
    await page.getByRole('alert').getByText('The disk is full.').waitFor();
    assert.equal(await page.getByLabel('Message', { exact: true }).inputValue(), 'dear');
  });

  it('over plain HTTP from elsewhere says so in words, and does nothing', async () => {
    await using profile = await browser.profile();
    const requests: string[] = [];
    profile.context.on('request', (request) => requests.push(request.url()));
    const page = await profile.open(`${origin.replace('127.0.0.1', 'chat.example')}${invitePath}`);
    await page.getByRole('heading', { name: 'This page is not safe to use here' }).waitFor();
    await page.getByText('skytale web LINK').waitFor();
    assert.equal(await page.evaluate(() => isSecureContext), false);
    assert.ok(!page.url().includes(secret));
    assert.equal(await page.evaluate(() => fake.engine.calls.length), 0);
    assert.deepEqual(
      requests.filter((url) => !/\/(r\/|assets\/|icon\.svg)/.test(url)),
      [],
    );
    await assertAccessible(page, 'the notice');
    assert.deepEqual(profile.complaints, []);
  });
});
