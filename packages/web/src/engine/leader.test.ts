import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SimulatedBrowser, type SimulatedTab } from '../testing/simulated-tabs.ts';
import { MAX_UNANSWERED, PING_INTERVAL } from './leader.ts';

/** More than it takes until a leader that does not answer is deposed, and another leads. */
const DEPOSED = (MAX_UNANSWERED + 4) * PING_INTERVAL;

const leaders = (browser: SimulatedBrowser) =>
  browser.tabs.filter(({ tab, isDead, isFrozen }) => tab.isLeading && !isDead && !isFrozen);

/** Sends, and tells the place when it is known. */
function send({ tab }: SimulatedTab, text: string) {
  const sent = { place: undefined as number | undefined, failed: undefined as unknown };
  tab.call('send', ['room', text]).then(
    (place) => {
      sent.place = place as number;
    },
    (error: unknown) => {
      sent.failed = error;
    },
  );
  return sent;
}

/** Some tabs, of which the first leads. */
async function openTabs(count: number, seed = 1) {
  const browser = new SimulatedBrowser(seed);
  const tabs = [browser.open()];
  await browser.run(1000, () => tabs[0]!.tab.isLeading);
  for (let more = 1; more < count; more += 1) tabs.push(browser.open());
  await browser.run(100);
  return { browser, tabs };
}

describe('of several tabs', () => {
  it('one leads, and the others ask it', async () => {
    const { browser, tabs } = await openTabs(3);
    const sent = tabs.map((tab, at) => send(tab, `text ${at}`));
    await browser.run(1000, () => sent.every(({ place }) => place !== undefined));
    assert.deepEqual(sent.map(({ place }) => place).sort(), [1, 2, 3]);
    assert.deepEqual(
      tabs.map(({ tab }) => tab.isLeading),
      [true, false, false],
    );
    assert.equal(browser.generation, 1);
    await browser.run(100);
    for (const { told } of tabs) assert.equal(told.length, 3);
  });

  it('another leads when the first is closed in the middle of sending, and nothing is lost or said twice', async () => {
    for (let moment = 0; moment < 90; moment += 1) {
      const { browser, tabs } = await openTabs(3, moment);
      const sent = [send(tabs[1]!, 'one'), send(tabs[2]!, 'two')];
      await browser.run(moment);
      tabs[0]!.die();
      const isTold = () => sent.every(({ place }) => place !== undefined);
      await browser.run(5000, () => isTold() && leaders(browser).length === 1);
      assert.deepEqual(browser.stored.map(({ text }) => text).sort(), ['one', 'two'], `moment ${moment}`);
    }
  });

  it('a leader that does not answer is deposed, and waking writes nothing', async () => {
    for (let moment = 0; moment < 60; moment += 1) {
      const { browser, tabs } = await openTabs(3, moment);
      const [first, second] = tabs as [SimulatedTab, SimulatedTab];
      const own = send(first, 'of the first');
      const other = send(second, 'of the second');
      await browser.run(moment);
      first.isFrozen = true;
      await browser.run(DEPOSED, () => other.place !== undefined);
      await browser.run(DEPOSED, () => browser.generation === 2);
      first.isFrozen = false;
      await browser.run(5000, () => own.place !== undefined && !first.tab.isLeading);
      assert.equal(leaders(browser).length, 1);
      assert.deepEqual(browser.stored.map(({ text }) => text).sort(), ['of the first', 'of the second']);
      // Nothing was written by the first after the second had begun.
      const generations = browser.stored.map(({ generation }) => generation);
      assert.deepEqual(generations, generations.toSorted());
    }
  });

  it('one that was deposed leads again as soon as the other is closed', async () => {
    const { browser, tabs } = await openTabs(2);
    const [first, second] = tabs as [SimulatedTab, SimulatedTab];
    first.isFrozen = true;
    await browser.run(DEPOSED, () => second.tab.isLeading);
    first.isFrozen = false;
    await browser.run(PING_INTERVAL, () => !first.tab.isLeading);
    second.die();
    await browser.run(PING_INTERVAL / 4, () => first.tab.isLeading);
    assert.equal(browser.generation, 3);
  });

  it('shows anew what it showed, when another leads', async () => {
    const { browser, tabs } = await openTabs(2);
    const [first, second] = tabs as [SimulatedTab, SimulatedTab];
    const opened = second.tab.call('open', ['room']);
    await browser.run(1000);
    assert.deepEqual(await opened, { room: 'room', generation: 1 });
    first.die();
    await browser.run(1000, () => second.told.length === 2);
    assert.deepEqual(second.told.map((event) => (event.kind === 'room' ? event : event.kind)).sort(), [
      {
        kind: 'room',
        room: 'room',
        events: [{ kind: 'view', view: { room: 'room', generation: 2 } }],
      },
      'rooms',
    ]);
  });

  it('is not deposed while it answers, nor by a machine that slept', async () => {
    const { browser, tabs } = await openTabs(3);
    await browser.run(20 * PING_INTERVAL);
    for (const tab of tabs) tab.isFrozen = true;
    await browser.run(100 * PING_INTERVAL);
    for (const tab of tabs) tab.isFrozen = false;
    await browser.run(20 * PING_INTERVAL);
    assert.equal(browser.generation, 1);
    assert.equal(tabs[0]!.tab.isLeading, true);
  });

  it('whatever happens to them, each text is stored once, and who waits is told', async () => {
    let fenced = 0;
    for (let seed = 1; seed <= 60; seed += 1) {
      const browser = new SimulatedBrowser(seed);
      const sent: { of: SimulatedTab; text: string; outcome: ReturnType<typeof send> }[] = [];
      for (let step = 0; step < 60; step += 1) {
        const alive = browser.tabs.filter(({ isDead }) => !isDead);
        const chosen = alive[Math.floor(browser.random() * alive.length)];
        const dice = browser.random();
        if (chosen === undefined || (dice < 0.15 && alive.length < 5)) browser.open();
        else if (dice < 0.25) chosen.die();
        else if (dice < 0.4) chosen.isFrozen = true;
        else if (dice < 0.6) chosen.isFrozen = false;
        else if (!chosen.isFrozen) {
          const text = `text ${sent.length}`;
          sent.push({ of: chosen, text, outcome: send(chosen, text) });
        }
        await browser.run(browser.some(dice < 0.5 ? 100 : 9000));
      }
      if (browser.tabs.every(({ isDead }) => isDead)) browser.open();
      for (const tab of browser.tabs) tab.isFrozen = false;
      const waiting = () =>
        sent.some(
          ({ of, outcome }) => !of.isDead && outcome.place === undefined && outcome.failed === undefined,
        );
      await browser.run(3 * DEPOSED, () => !waiting() && leaders(browser).length === 1);
      const texts = browser.stored.map(({ text }) => text);
      assert.equal(new Set(texts).size, texts.length, `seed ${seed}: said twice`);
      for (const { of, text, outcome } of sent) {
        assert.equal(outcome.failed, undefined, `seed ${seed}`);
        if (!of.isDead) assert.equal(texts[outcome.place! - 1], text, `seed ${seed}`);
      }
      const generations = browser.stored.map(({ generation }) => generation);
      assert.deepEqual(
        generations,
        generations.toSorted((one, other) => one - other),
        `seed ${seed}`,
      );
      fenced += browser.fenced;
    }
    assert.notEqual(fenced, 0, 'none woke to write after it was deposed');
  });
});
