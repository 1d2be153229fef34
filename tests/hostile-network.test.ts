/** Whatever is done to the frames between client and server is noticed, and no wrong text is ever shown. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TemporaryDirectory } from './support/directory.ts';
import { frameOf, HostileProxy, type Tamper, typeOf, type WireFrame } from './support/hostile-proxy.ts';
import { invite, Program, run, Server, throughAddress } from './support/programs.ts';
import { Random, testSeed } from './support/random.ts';

// Frame types and layouts of docs/protocol.md.
const welcomeType = 1;
const publishType = 6;
const deliverType = 8;
const header = 5;
const deliver = { seq: header, time: header + 8, member: header + 16, n: header + 48, envelope: header + 56 };
const welcome = { highest: header + 6 };
const publish = { n: header, envelope: header + 8 };

const random = new Random(testSeed);

function flipBit(frame: WireFrame, from: number, to: number): WireFrame {
  const changed = Buffer.from(frame);
  const at = from + random.below(to - from);
  changed[at] = changed[at]! ^ (1 << random.below(8));
  return changed;
}

/** What may be done to the next DELIVER; `earlier` are those that went before, unharmed. */
const attacks: Record<string, (frame: WireFrame, earlier: readonly WireFrame[]) => readonly WireFrame[]> = {
  'flips a bit of the sequence number': (frame) => [flipBit(frame, deliver.seq, deliver.time)],
  'flips a bit of the member id': (frame) => [flipBit(frame, deliver.member, deliver.n)],
  "flips a bit of the sender's number": (frame) => [flipBit(frame, deliver.n, deliver.envelope)],
  'flips a bit of the envelope': (frame) => [flipBit(frame, deliver.envelope, frame.length)],
  "flips a bit of the envelope's head": (frame) => [flipBit(frame, deliver.envelope, deliver.envelope + 42)],
  'flips a bit of the type': (frame) => [flipBit(frame, 4, 5)],
  'cuts the envelope short': (frame) => [frameOf(deliverType, frame.subarray(header, frame.length - 1))],
  'adds a byte to the envelope': (frame) => [
    frameOf(deliverType, Buffer.concat([frame.subarray(header), Buffer.from([0])])),
  ],
  'drops it': () => [],
  'repeats it': (frame) => [frame, frame],
  'repeats an earlier one': (frame, earlier) => [frame, random.pick(earlier)],
  'puts an earlier one in its place': (frame, earlier) => {
    const old = Buffer.from(random.pick(earlier));
    frame.copy(old, deliver.seq, deliver.seq, deliver.time);
    return [old];
  },
  'puts an earlier envelope into it': (frame, earlier) => {
    const old = random.pick(earlier).subarray(deliver.envelope);
    return [frameOf(deliverType, Buffer.concat([frame.subarray(header, deliver.envelope), old]))];
  },
  'adds one that is made up': (frame) => {
    const forged = Buffer.from(frame);
    forged.writeBigUInt64BE(forged.readBigUInt64BE(deliver.seq) + 1n, deliver.seq);
    forged.writeBigUInt64BE(forged.readBigUInt64BE(deliver.n) + 1n, deliver.n);
    random.bytes(forged.length - deliver.envelope).copy(forged, deliver.envelope);
    return [frame, forged];
  },
  'adds one of a member who is not there': (frame) => {
    const forged = Buffer.from(frame);
    forged.writeBigUInt64BE(forged.readBigUInt64BE(deliver.seq) + 1n, deliver.seq);
    random.bytes(32).copy(forged, deliver.member);
    return [frame, forged];
  },
  'adds a frame of random bytes': (frame) => [
    frame,
    frameOf(random.below(256), random.bytes(random.below(300))),
  ],
  'adds bytes that are no frame': (frame) => [frame, Buffer.concat([Buffer.from([0xff]), random.bytes(300)])],
};

describe(`a hostile network (SKYTALE_TEST_SEED=${testSeed})`, { timeout: 300_000 }, () => {
  it('does not fool the one who reads', async () => {
    using directory = new TemporaryDirectory();
    await using server = await Server.start(directory.join('data'));
    const link = await invite(server.address);
    const earlier: WireFrame[] = [];
    let attack: ((frame: WireFrame, earlier: readonly WireFrame[]) => readonly WireFrame[]) | undefined;
    const toClient: Tamper = (frame) => {
      if (typeOf(frame) !== deliverType) return [frame];
      const armed = attack;
      attack = undefined;
      if (armed !== undefined) return armed(frame, earlier);
      earlier.push(frame);
      return [frame];
    };
    await using proxy = await HostileProxy.start(server.address, () => ({ toClient }));
    await using alice = new Program(['chat', link, '--name', 'alice', '--state', directory.join('alice')]);
    const sent: string[] = [];
    const say = (text: string) => {
      sent.push(text);
      alice.stdin.write(`${text}\n`);
    };
    for (const before of ['one', 'two', 'three']) say(before);

    // The first bear them all, more than a client asks again about without a pause; then others bear a few each.
    const all = Object.entries(attacks);
    for (const [turn, some] of [all, all.toReversed(), ...groupsOf(5, all)].entries()) {
      const args = ['--name', 'bob', '--state', directory.join(`bob ${turn}`), '--follow'];
      await using bob = new Program(['chat', throughAddress(link, proxy.address), ...args], { input: '' });
      const heard = (text: string) => bob.until(() => bob.lines.includes(text), `"${text}"`);
      await heard(sent.at(-1)!);
      for (const [name, tamper] of some) {
        const findings = () => bob.stderr.match(/Warning:|Trying again/g)?.length ?? 0;
        const before = findings();
        attack = tamper;
        say(`${name}, turn ${turn}`);
        say(`after: ${name}, turn ${turn}`);
        await bob.until(() => findings() > before, `a word about a network that ${name}`);
        say(`later: ${name}, turn ${turn}`);
        await heard(`later: ${name}, turn ${turn}`);
      }
      // What was damaged was had again from the server, which is honest: not a line is missing.
      assert.deepEqual(bob.lines, sent);
    }
    alice.stdin.end();
    assert.equal(await alice.exit(), 0, alice.stderr);
  });

  it('does not fool the one who writes, nor those who read what it made of that', async () => {
    using directory = new TemporaryDirectory();
    await using server = await Server.start(directory.join('data'));
    const link = await invite(server.address);
    const earlier: WireFrame[] = [];
    const harms: ((frame: WireFrame) => readonly WireFrame[])[] = [
      (frame) => [flipBit(frame, publish.n, publish.envelope)],
      (frame) => [flipBit(frame, publish.envelope, frame.length)],
      (frame) => [flipBit(frame, 0, 5)],
      (frame) => [frame, frame],
      (frame) => [frame, random.pick(earlier)],
      () => [],
      (frame) => [frame, frameOf(random.below(256), random.bytes(100))],
    ];
    const toServer: Tamper = (frame) => {
      if (typeOf(frame) !== publishType) return [frame];
      earlier.push(frame);
      return random.onceIn(10) ? random.pick(harms)(frame) : [frame];
    };
    let version = 0;
    const toClient: Tamper = (frame) => {
      if (typeOf(frame) === welcomeType) version = frame.readUInt16BE(welcome.highest);
      return [frame];
    };
    await using proxy = await HostileProxy.start(server.address, () => ({ toServer, toClient }));
    const texts = Array.from({ length: 150 }, (_, i) => `text ${i}`);
    await using bob = new Program(
      ['chat', link, '--name', 'bob', '--state', directory.join('bob'), '--follow'],
      { input: '' },
    );
    await using alice = new Program(
      ['chat', throughAddress(link, proxy.address), '--name', 'alice', '--state', directory.join('alice')],
      { input: texts.map((text) => `${text}\n`).join('') },
    );
    assert.equal(await alice.exit(), 0, alice.stderr);
    const end = await run(['chat', link, '--name', 'carol', '--state', directory.join('carol')], {
      input: 'end\n',
    });
    assert.equal(end.code, 0);
    await bob.until(() => bob.lines.includes('end'), 'the end');
    const heard = bob.lines.slice(0, -1);
    assertOnlyWhatWasSaid(heard, texts);
    // An altered message is said again under another number, behind what was under way; in version 1 nobody can know of all.
    if (version >= 2) assert.equal(heard.length, texts.length);
    if (heard.length < texts.length || !isSorted(heard, texts)) {
      assert.match(bob.stderr, /Warning/);
      assert.match(alice.stderr, /Warning|Trying again/);
    }
  });
});

function groupsOf<T>(size: number, items: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  );
}

/** Each text is one that was said, and none comes twice. */
function assertOnlyWhatWasSaid(heard: readonly string[], said: readonly string[]): void {
  for (const text of heard) assert.ok(said.includes(text), `"${text}" is wrong here`);
  assert.equal(new Set(heard).size, heard.length, `twice: ${heard}`);
}

/** Whether some of the texts come in the order of all. */
function isSorted(some: readonly string[], all: readonly string[]): boolean {
  const places = some.map((text) => all.indexOf(text));
  return places.every((place, index) => index === 0 || place > places[index - 1]!);
}
