/** Two piped clients: ten thousand lines arrive complete, in order, once, whatever is killed on the way. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TemporaryDirectory } from './support/directory.ts';
import { invite, Program, run, Server } from './support/programs.ts';

const count = 10_000;

/** Empty ones, emoji, all that JSON and terminals dislike, and some of 60 KiB. */
const texts = Array.from({ length: count }, (_, i) => {
  if (i % 500 === 250) return `${i} ${'0123456789abcdef'.repeat(3840)}`;
  if (i % 100 === 50) return '';
  if (i % 10 === 3) return `${i} 👩‍👩‍👧‍👦 🇬🇷 日本 γειά`;
  if (i % 10 === 7) return `${i} "quoted" \\n \t\x1b[31m \u202e`;
  return `line ${i}`;
});
const input = (from = 0, to = count) =>
  texts
    .slice(from, to)
    .map((text) => `${text}\n`)
    .join('');

type Line = { type: string; seq: number; from: string; text: string; at: string };
const parse = (lines: readonly string[]): Line[] =>
  lines.map((line) => JSON.parse(line) as Line).filter(({ type }) => type === 'message');

const read = new WeakMap<Program, { until: number; readonly messages: Line[] }>();
/** The messages that a listener has printed so far; each line is looked at once. */
function messagesOf(program: Program): readonly Line[] {
  const state = read.get(program) ?? { until: 0, messages: [] };
  read.set(program, state);
  state.messages.push(...parse(program.lines.slice(state.until)));
  state.until = program.lines.length;
  return state.messages;
}

function assertComplete(lines: readonly Line[]): void {
  // Not one deepEqual: its report of a difference among megabytes takes minutes.
  const different = lines.findIndex(({ text }, i) => text !== texts[i]);
  assert.equal(different, -1, `line ${different} is not what was sent`);
  assert.equal(lines.length, count);
}

const listener = (link: string, state: string, ...more: string[]) =>
  new Program(['chat', link, '--name', 'bob', '--state', state, '--follow', '--format', 'json', ...more], {
    input: '',
  });
const sender = (link: string, state: string, text?: string) =>
  new Program(['chat', link, '--name', 'alice', '--state', state], text === undefined ? {} : { input: text });

describe('two clients in pipes', { timeout: 300_000 }, () => {
  it('carry 10,000 lines', async () => {
    using directory = new TemporaryDirectory();
    await using server = await Server.start(directory.join('data'));
    const link = await invite(server.address);
    await using bob = listener(link, directory.join('bob'));
    await using alice = sender(link, directory.join('alice'), input());
    assert.equal(await alice.exit(), 0, alice.stderr);
    assert.equal(alice.stdout, '');
    await bob.until(() => messagesOf(bob).length >= count, 'all lines');

    // One who comes when everything has been said gets the same; and is told where it is.
    const carol = await run([
      'chat',
      link,
      '--name',
      'carol',
      '--state',
      directory.join('carol'),
      '--format',
      'json',
    ]);
    assert.equal(carol.code, 0, carol.stderr);
    assertComplete(parse(carol.stdout.trimEnd().split('\n')));

    bob.kill('SIGTERM');
    assert.equal(await bob.exit(), 143);
    const lines = messagesOf(bob);
    assertComplete(lines);
    assert.deepEqual(
      lines.map(({ seq }) => seq),
      lines.map((_, i) => i + 1),
    );
    assert.deepEqual(new Set(lines.map(({ from }) => from)), new Set(['alice']));
  });

  it('carry them over three crashes and an orderly restart of the server', async () => {
    using directory = new TemporaryDirectory();
    let server = await Server.start(directory.join('data'));
    try {
      const { address } = server;
      const link = await invite(address);
      await using bob = listener(link, directory.join('bob'));
      await using alice = sender(link, directory.join('alice'), input());
      for (const [progress, signal, code] of [
        [1500, 'SIGKILL', 137],
        [3500, 'SIGTERM', 0],
        [5500, 'SIGKILL', 137],
        [7500, 'SIGKILL', 137],
      ] as const) {
        await bob.until(() => messagesOf(bob).length >= progress, `line ${progress}`);
        assert.ok(messagesOf(bob).length < count, 'too fast for this test');
        server.program.kill(signal);
        assert.equal(await server.program.exit(), code);
        server = await Server.start(directory.join('data'), address);
      }
      assert.equal(await alice.exit(), 0, alice.stderr);
      await bob.until(() => messagesOf(bob).length >= count, 'all lines');
      bob.kill('SIGTERM');
      await bob.exit();
      assertComplete(messagesOf(bob));
      assert.doesNotMatch(bob.stderr + alice.stderr, /Warning/);
    } finally {
      await server[Symbol.asyncDispose]();
    }
  });

  it('carry them over crashes of both clients', async () => {
    using directory = new TemporaryDirectory();
    await using server = await Server.start(directory.join('data'));
    const link = await invite(server.address);

    await using bob1 = listener(link, directory.join('bob'));
    await using alice1 = sender(link, directory.join('alice'));
    // Not all: on a busy machine it may have sent what it has before it is killed.
    alice1.stdin.write(input(0, 8000));
    await bob1.until(() => messagesOf(bob1).length >= 2000, 'line 2000');
    bob1.kill('SIGKILL');
    await bob1.exit();
    const first = messagesOf(bob1);

    // Whoever has kept what was printed says where to go on.
    await using bob2 = listener(link, directory.join('bob'), '--since', String(first.at(-1)!.seq));
    await bob2.until(() => messagesOf(bob2).length >= 2000, 'another 2000 lines');
    alice1.kill('SIGKILL');
    await alice1.exit();

    // What the killed sender had taken is in its outbox; the next run of it sends that, and ends.
    const outbox = await run(['chat', link, '--name', 'alice', '--state', directory.join('alice')]);
    assert.equal(outbox.code, 0, outbox.stderr);
    const all = await run([
      'chat',
      link,
      '--name',
      'carol',
      '--state',
      directory.join('carol'),
      '--format',
      'json',
    ]);
    const sent = parse(all.stdout.trimEnd().split('\n')).length;
    assert.ok(sent >= 4000 && sent < count, `${sent} lines were sent`);
    await using alice2 = sender(link, directory.join('alice'), input(sent));
    assert.equal(await alice2.exit(), 0, alice2.stderr);

    await bob2.until(() => first.length + messagesOf(bob2).length >= count, 'all lines');
    bob2.kill('SIGTERM');
    await bob2.exit();
    assertComplete([...first, ...messagesOf(bob2)]);
  });

  it('go on where a killed client was, without being told', async () => {
    using directory = new TemporaryDirectory();
    await using server = await Server.start(directory.join('data'));
    const link = await invite(server.address);
    await using bob1 = listener(link, directory.join('bob'));
    await using alice = sender(link, directory.join('alice'), input());
    await bob1.until(() => messagesOf(bob1).length >= 3000, 'line 3000');
    bob1.kill('SIGKILL');
    await bob1.exit();
    const first = messagesOf(bob1);
    await using bob2 = listener(link, directory.join('bob'));
    await bob2.until(() => messagesOf(bob2).at(-1)?.seq === count, 'all lines');
    assert.equal(await alice.exit(), 0);
    bob2.kill('SIGTERM');
    await bob2.exit();
    // What was printed and not yet confirmed comes twice, under the same number, and it is said.
    const second = messagesOf(bob2);
    const twice = first.filter(({ seq }) => seq >= second[0]!.seq).length;
    if (twice > 0) assert.match(bob2.stderr, /may be there already/);
    assertComplete([...first.slice(0, first.length - twice), ...second]);
  });

  it('say `Server hung up.` when the server does not come back', async () => {
    using directory = new TemporaryDirectory();
    await using server = await Server.start(directory.join('data'));
    const link = await invite(server.address);
    await using bob = listener(link, directory.join('bob'), '--timeout', '1');
    await using alice = sender(link, directory.join('alice'), 'hello\n');
    await bob.until(() => messagesOf(bob).length > 0, 'a message');
    assert.equal(await alice.exit(), 0);
    await server.crash();
    assert.equal(await bob.exit(), 1);
    assert.match(bob.stderr, /^skytale: Server hung up\.$/m);
  });
});
