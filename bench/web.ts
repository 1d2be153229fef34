/**
 * The page in Chromium on this machine, over a server of its own: how much script, how long until it can be used, how long a message takes
 * from one page to another, how fast a newcomer reads, how smoothly ten thousand messages scroll.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeCrypto } from '@skytale/chat';
import type { Page } from 'playwright-core';
import { builtPage, readEntries, webAssets } from '../packages/web/src/assets.ts';
import { Program, Server } from '../tests/support/programs.ts';
import { WebBrowser } from '../tests/support/web-browser.ts';
import { type BenchOptions, median, notMeasured, type Row } from './row.ts';

const bench = 'web';

export async function run({ quick, progress }: BenchOptions): Promise<Row[]> {
  const assets = webAssets();
  if (assets === undefined) return [notMeasured(bench, 'the page', 'not built: sh scripts/setup')];
  const rows: Row[] = [];
  const add = (what: string, value: number, unit: string) => rows.push({ bench, case: what, value, unit });
  const scripts = readEntries(builtPage).filter(({ path }) => /\/(index|engine\.worker)-/.test(path));
  const bytes = scripts.reduce((sum, { path }) => sum + (assets.get(path)?.brotli?.length ?? 0), 0);
  add('script for a room, compressed', bytes / 1000, 'kB');

  const directory = mkdtempSync(join(tmpdir(), 'skytale-web-'));
  try {
    await using server = await Server.start(join(directory, 'data'));
    await using browser = await WebBrowser.launch();
    const origin = `http://${server.listening.http}`;
    progress('web: first loads');
    const loads: number[] = [];
    for (let count = 0; count < (quick ? 2 : 7); count += 1) {
      await using profile = await browser.profile();
      const begin = performance.now();
      const page = await profile.open(origin);
      await page.getByRole('button', { name: 'New room' }).waitFor();
      loads.push(performance.now() - begin);
    }
    add('first load until it can be used', median(loads), 'ms');

    await using one = await browser.profile();
    await using two = await browser.profile();
    const alice = await one.open(origin);
    await alice.getByRole('textbox', { name: 'Your name' }).fill('Alice');
    await alice.getByRole('button', { name: 'New room' }).click();
    await connected(alice);
    await alice.getByRole('button', { name: 'Invite' }).click();
    const link = await alice.getByRole('textbox', { name: 'Invite link' }).inputValue();
    await alice.keyboard.press('Escape');
    const bob = await two.open(link);
    await bob.getByRole('textbox', { name: 'Your name' }).fill('Bob');
    const entering = performance.now();
    await bob.getByRole('button', { name: 'Join' }).click();
    await connected(bob);
    add('from “Join” until in the room', performance.now() - entering, 'ms');

    progress('web: messages');
    const own: number[] = [];
    const others: number[] = [];
    for (let count = 0; count < (quick ? 5 : 40); count += 1) {
      const text = `message ${count} ${Buffer.from(nodeCrypto().randomBytes(6)).toString('hex')}`;
      const shown = [shownAt(alice, text), shownAt(bob, text)] as const;
      await alice.getByRole('textbox', { name: 'Message' }).fill(text);
      const sent = await alice.evaluate<number>(`(() => {
        const at = performance.timeOrigin + performance.now();
        document.querySelector('button[aria-label=Send]').click();
        return at;
      })()`);
      own.push((await shown[0]) - sent);
      others.push((await shown[1]) - sent);
    }
    add('from “Send” until it stands on one’s own page', median(own), 'ms');
    add('from “Send” until it stands on another’s', median(others), 'ms');

    progress('web: a long history');
    // Nobody is there when it is said.
    await Promise.all([alice.close(), bob.close()]);
    const count = quick ? 500 : 10_000;
    const input = Array.from({ length: count }, (_, index) => `line ${index + 1}\n`).join('');
    await using writer = new Program(['chat', '--name', 'writer', '--state', join(directory, 'writer')], {
      env: { SKYTALE_INVITE: link },
      input,
    });
    if ((await writer.exit()) !== 0) throw new Error(writer.stderr);
    await using three = await browser.profile();
    const carol = await three.open(link);
    await carol.getByRole('textbox', { name: 'Your name' }).fill('Carol');
    const reading = performance.now();
    await carol.getByRole('button', { name: 'Join' }).click();
    await carol
      .getByRole('listitem')
      .filter({ hasText: `line ${count}` })
      .waitFor({ timeout: 240_000 });
    add(`a newcomer reads ${count} messages`, (count / (performance.now() - reading)) * 1000, 'messages/s');
    const frames = await frameTimes(carol, quick ? 50 : 600);
    add('a frame while it scrolls back, median', median(frames), 'ms');
    add(
      'a frame while it scrolls back, p99',
      frames.sort((a, b) => a - b)[Math.floor(frames.length * 0.99)]!,
      'ms',
    );
    return rows;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function connected(page: Page): Promise<void> {
  await page.getByRole('status').getByText('Connected', { exact: true }).waitFor({ timeout: 60_000 });
}

/** When a text first stands in the log, by the machine's clock; milliseconds. */
function shownAt(page: Page, text: string): Promise<number> {
  return page.evaluate(`new Promise((resolve) => {
    const log = document.querySelector('[role=log]');
    const observer = new MutationObserver(() => {
      if (!log.textContent.includes(${JSON.stringify(text)})) return;
      observer.disconnect();
      resolve(performance.timeOrigin + performance.now());
    });
    observer.observe(log, { childList: true, subtree: true, characterData: true });
  })`);
}

/** Times between frames, in milliseconds, while the log goes up by 400 pixels with each. */
function frameTimes(page: Page, count: number): Promise<number[]> {
  return page.evaluate(`(async () => {
    const log = document.querySelector('[role=log]');
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
    const times = [];
    let last = await frame();
    while (times.length < ${count}) {
      log.scrollTop -= 400;
      const now = await frame();
      times.push(now - last);
      last = now;
    }
    return times;
  })()`);
}
