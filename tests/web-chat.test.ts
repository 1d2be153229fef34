/** The whole of it in Chromium: a server as people start it, its page, several people, and one in a terminal. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { nodeCrypto, openInvite, parseInvite } from '@skytale/chat';
import type { Page } from 'playwright-core';
import { joinStatement } from '../packages/chat/src/protocol/signed.ts';
import { newKeyPair, RawClient } from '../packages/chat/src/server/raw-client.testing.ts';
import { builtPage } from '../packages/web/src/assets.ts';
import { TemporaryDirectory } from './support/directory.ts';
import { Program, run, Server } from './support/programs.ts';
import { type Profile, WebBrowser } from './support/web-browser.ts';

const log = (page: Page) => page.getByRole('log', { name: 'Messages' });
const items = (page: Page) => log(page).getByRole('listitem');
const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });
const message = (page: Page) => page.getByRole('textbox', { name: 'Message', exact: true });
const shows = (page: Page, text: string) => items(page).filter({ hasText: text }).first().waitFor();
const isConnected = (page: Page) =>
  page.getByRole('status').getByText('Connected', { exact: true }).waitFor();

async function say(page: Page, text: string): Promise<void> {
  await message(page).fill(text);
  await button(page, 'Send').click();
  await shows(page, text);
}

async function begin(profile: Profile, origin: string, name: string): Promise<Page> {
  const page = await profile.open(origin);
  await page.getByRole('textbox', { name: 'Your name' }).fill(name);
  await button(page, 'New room').click();
  await isConnected(page);
  return page;
}

async function enter(profile: Profile, link: string, name: string): Promise<Page> {
  const page = await profile.open(link);
  await page.getByRole('textbox', { name: 'Your name' }).fill(name);
  await button(page, 'Join').click();
  return page;
}

async function join(profile: Profile, link: string, name: string): Promise<Page> {
  const page = await enter(profile, link, name);
  await isConnected(page);
  return page;
}

async function inviteOf(page: Page): Promise<string> {
  await button(page, 'Invite').click();
  const link = await page.getByRole('textbox', { name: 'Invite link' }).inputValue();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  return link;
}

describe('a room in browsers', { timeout: 300_000 }, () => {
  const data = new TemporaryDirectory();
  let browser: WebBrowser;
  let server: Server;
  let origin: string;
  const tcp = () => server.address;

  before(async () => {
    assert.ok(existsSync(builtPage), 'the page is not built: sh scripts/setup does so');
    server = await Server.start(data.join('data'));
    origin = `http://${server.listening.http}`;
    browser = await WebBrowser.launch();
  });
  after(async () => {
    await browser?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
    data[Symbol.dispose]();
  });

  /** As after a power cut: at the same addresses, with the same messages. */
  async function startAgain(): Promise<void> {
    server = await Server.start(data.join('data'), tcp(), '--http', server.listening.http!);
  }

  it('is made, found by its link, and talked in from a second profile and a terminal', async () => {
    await using one = await browser.profile();
    await using two = await browser.profile();
    const alice = await begin(one, origin, 'Alice');
    await say(alice, 'Is anybody here?');
    const link = await inviteOf(alice);
    assert.match(link, new RegExp(`^${origin}/r/[\\w-]{22}#[\\w-]{43}$`));
    const bob = await join(two, link, 'Bob');
    assert.ok(!bob.url().includes('#'));
    await shows(bob, 'Is anybody here?');
    await say(bob, 'I am.');
    await shows(alice, 'I am.');
    assert.match(await items(alice).filter({ hasText: 'I am.' }).innerText(), /Bob/);

    await using terminal = new Program(
      ['chat', '--follow', '--name', 'carol', '--state', data.join('carol')],
      { env: { SKYTALE_INVITE: link } },
    );
    terminal.stdin.write('from a terminal\n');
    await Promise.all([shows(alice, 'from a terminal'), shows(bob, 'from a terminal')]);
    await say(alice, 'to a terminal');
    await terminal.until(() => terminal.stdout.includes('to a terminal'), 'what Alice said');

    await bob.reload();
    await shows(bob, 'to a terminal');
    await isConnected(bob);
    assert.equal(await items(bob).filter({ hasText: 'I am.' }).count(), 1);
    assert.deepEqual([...one.complaints, ...two.complaints], []);
  });

  it('has a passphrase where one wants it, which a link alone does not give', async () => {
    await using one = await browser.profile();
    await using two = await browser.profile();
    const alice = await one.open(origin);
    await alice.getByRole('textbox', { name: 'Your name' }).fill('Alice');
    await alice.getByText('With a passphrase').click();
    await alice.getByLabel('Passphrase', { exact: true }).fill('correct horse battery');
    await button(alice, 'New room').click();
    await isConnected(alice);
    await say(alice, 'for those who know it');
    const bob = await two.open(await inviteOf(alice));
    await bob.getByRole('textbox', { name: 'Your name' }).fill('Bob');
    await bob.getByLabel('Passphrase of the room').fill('wrong horse battery');
    await button(bob, 'Join').click();
    await bob
      .getByRole('alert')
      .getByText(/[Ww]rong passphrase/)
      .waitFor();
    await bob.getByLabel('Passphrase of the room').fill('correct horse battery');
    await button(bob, 'Join').click();
    await shows(bob, 'for those who know it');
    assert.deepEqual([...one.complaints, ...two.complaints], []);
  });

  it('goes on without the server: what is typed waits, the page opens, and all of it arrives once', async () => {
    await using one = await browser.profile();
    await using two = await browser.profile();
    const alice = await begin(one, origin, 'Alice');
    const bob = await join(two, await inviteOf(alice), 'Bob');
    await say(alice, 'before');
    await shows(bob, 'before');
    await alice.evaluate(() => navigator.serviceWorker.ready);
    await alice.waitForFunction(async () => (await caches.keys()).length === 1);

    await server.crash();
    await alice
      .getByRole('status')
      .getByText(/^Offline/)
      .waitFor();
    await say(alice, 'written offline');
    await alice.reload();
    await shows(alice, 'before');
    await shows(alice, 'written offline');
    await say(alice, 'written after that');
    await items(alice)
      .filter({ hasText: 'written after that' })
      .getByText('waiting')
      .waitFor({ state: 'attached' });

    await startAgain();
    await shows(bob, 'written after that');
    await items(alice)
      .filter({ hasText: 'written after that' })
      .getByText('sent')
      .waitFor({ state: 'attached' });
    const said = await items(bob).allInnerTexts();
    assert.deepEqual(
      said.flatMap((text) => /before|written offline|written after that/.exec(text)?.[0] ?? []),
      ['before', 'written offline', 'written after that'],
    );
  });

  it('is the same in several tabs, and loses nothing when the one that leads is closed in mid-send', async () => {
    await using one = await browser.profile();
    await using two = await browser.profile();
    const first = await begin(one, origin, 'Alice');
    const bob = await join(two, await inviteOf(first), 'Bob');
    const second = await one.open(first.url());
    await isConnected(second);
    await say(first, 'from the first tab');
    await shows(second, 'from the first tab');
    await say(second, 'from the second tab');
    await shows(first, 'from the second tab');

    await server.crash();
    await first
      .getByRole('status')
      .getByText(/^Offline/)
      .waitFor();
    for (let count = 1; count <= 5; count += 1) await say(first, `in the middle ${count}`);
    await shows(second, 'in the middle 5');
    await first.close();
    await startAgain();
    await shows(bob, 'in the middle 5');
    await items(second)
      .filter({ hasText: 'in the middle 5' })
      .getByText('sent')
      .waitFor({ state: 'attached' });
    for (const page of [second, bob]) {
      const said = (await items(page).allInnerTexts()).flatMap(
        (text) => /in the middle \d/.exec(text)?.[0] ?? [],
      );
      assert.deepEqual(
        said,
        [1, 2, 3, 4, 5].map((count) => `in the middle ${count}`),
      );
    }
  });

  it('brings a newcomer all that was said, ten thousand messages, to scroll through', async () => {
    await using one = await browser.profile();
    await using two = await browser.profile();
    const alice = await begin(one, origin, 'Alice');
    const link = await inviteOf(alice);
    await alice.close();
    const lines = Array.from({ length: 10_000 }, (_, index) => `line ${index + 1}\n`).join('');
    const options = { env: { SKYTALE_INVITE: link }, input: lines };
    await using writer = new Program(['chat', '--name', 'writer', '--state', data.join('writer')], options);
    assert.equal(await writer.exit(), 0, writer.stderr);

    const bob = await enter(two, link, 'Bob');
    // One can talk while it reads.
    await say(bob, 'I am reading');
    await items(bob).filter({ hasText: 'line 10000' }).waitFor({ timeout: 120_000 });
    const seen = await log(bob).evaluate(async (element) => {
      const seen = new Set<number>();
      const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
      for (let turn = 0; turn < 20_000 && !seen.has(1); turn += 1) {
        element.scrollTop -= 3000;
        await frame();
        for (const item of element.querySelectorAll('li'))
          seen.add(Number(/line (\d+)/.exec(item.textContent!)?.[1] ?? 0));
      }
      return { count: seen.size, held: element.querySelectorAll('li').length };
    });
    assert.ok(seen.count >= 10_000, `${seen.count} seen`);
    assert.ok(seen.held < 500, `${seen.held} held`);
  });

  it('shows what a member forges as forged, and does not show it as said', async () => {
    await using one = await browser.profile();
    const alice = await begin(one, origin, 'Alice');
    await say(alice, 'only I said this');
    const link = await inviteOf(alice);
    const invite = await parseInvite(nodeCrypto(), link);
    using keys = await openInvite(nodeCrypto(), invite);
    const [host = '', port = ''] = tcp().split(':');
    await using mallory = await RawClient.connect({ host, port: Number(port) });
    const access = { publicKey: keys.accessKey.publicKey, privateKey: newKeyPair().privateKey };
    const member = newKeyPair();
    const statement = joinStatement(mallory.challenge, keys.roomId, member.publicKey);
    mallory.sendJoin(access, member, 0, { accessSignature: await keys.accessKey.sign(statement) });
    await mallory.next('joined');
    const { envelope } = await mallory.next('deliver');
    // Alice's own words, as if Mallory had said them; then bytes that are nothing.
    mallory.publish(envelope, new Uint8Array(200));
    await log(alice).getByText('A forged message was dropped').waitFor();
    await log(alice).getByText('Something came that cannot be read').waitFor();
    assert.equal(await items(alice).filter({ hasText: 'only I said this' }).count(), 1);
  });

  it('is reached by a page that the server did not deliver, and what it delivers can be compared', async () => {
    await using one = await browser.profile();
    await using two = await browser.profile();
    const alice = await begin(one, origin, 'Alice');
    const [room = ''] = /[^/]*$/.exec(await inviteOf(alice))!;
    // The server's TCP port, which no page reaches by itself.
    const link = `skytale://${tcp()}/${room}`;
    await using relay = new Program(['web', '--port', '0'], { env: { SKYTALE_INVITE: link } });
    await relay.until(() => /Ctrl-C/.test(relay.stdout), 'the link');
    const [, own = ''] = /Open in a browser on this machine: (\S+)/.exec(relay.stdout)!;
    assert.notEqual(new URL(own).origin, origin);
    const bob = await join(two, own, 'Bob');
    await say(bob, 'by a page of my own');
    await shows(alice, 'by a page of my own');
    relay.kill('SIGINT');
    assert.equal(await relay.exit(), 0, relay.stderr);

    const compared = await run(['verify-web', `${origin}/`]);
    assert.equal(compared.code, 0, compared.stderr);
    assert.match(compared.stdout, /are those of this version/);
  });

  it('says what is wrong with a link', async () => {
    await using profile = await browser.profile();
    const alice = await begin(profile, origin, 'Alice');
    const link = await inviteOf(alice);
    const [address = '', secret = ''] = link.split('#');
    const other = link.replace(/^http:\/\/[^/]+/, 'https://other.example');
    for (const [wrong, words] of [
      [link.slice(0, -5), /cut short/],
      [`${address}#${secret.split('').reverse().join('')}`, /changed|do not belong/],
      [other, /other\.example/],
      [
        'skytale://other.example:7000/MgLziu8HXf7uIAlZMh9Smg#vUChKxTORcvaXWQMvTQSjW5RZrTCxfXI0RI04vw8Brc',
        /skytale chat/,
      ],
      ['what is this', /not an invite/],
    ] as const) {
      await using stranger = await browser.profile();
      const page = await stranger.open(origin);
      await page.getByRole('textbox', { name: 'Your name' }).fill('Eve');
      await page.getByRole('textbox', { name: 'Invite link' }).fill(wrong);
      await button(page, 'Join').click();
      await page.getByRole('alert').getByText(words).waitFor();
      if (!wrong.startsWith(origin)) continue;
      const opened = await stranger.open(wrong);
      await opened.getByRole('alert').getByText(words).waitFor();
      assert.ok(!opened.url().includes('#'));
    }
    await using stranger = await browser.profile();
    const page = await stranger.open(address);
    await page
      .getByRole('alert')
      .getByText(/lacks its secret/)
      .waitFor();
  });
});
