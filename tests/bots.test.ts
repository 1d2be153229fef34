/** What docs/bots.md says, done. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ExitCode } from '../packages/skytale/src/command-error.ts';
import { TemporaryDirectory } from './support/directory.ts';
import { invite, Program, run, Server } from './support/programs.ts';

const main = fileURLToPath(new URL('../packages/skytale/src/main.ts', import.meta.url));
const page = readFileSync(new URL('../docs/bots.md', import.meta.url), 'utf8');

/** The page's bot in a process of its own, with `skytale` in its path. */
class Bot implements AsyncDisposable {
  readonly #child;
  readonly #exit;
  readonly #allEnded;
  #isOver = false;

  constructor(directory: TemporaryDirectory, link: string, env: Record<string, string> = {}) {
    writeFileSync(directory.join('skytale'), `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`, {
      mode: 0o755,
    });
    writeFileSync(directory.join('bot.mjs'), /```js\n([\s\S]*?)```/.exec(page)![1]!);
    this.#child = spawn(process.execPath, [directory.join('bot.mjs')], {
      env: {
        ...process.env,
        PATH: `${directory.path}:${process.env.PATH}`,
        SKYTALE_INVITE: link,
        SKYTALE_STATE: directory.join('bot'),
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.#exit = once(this.#child, 'exit');
    this.#allEnded = once(this.#child.stderr.resume(), 'close');
  }

  /** Ends the bot itself, which can do nothing about it. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exit;
  }

  /** Resolves when its skytale has ended too: standard error is of both. */
  async allEnded(): Promise<void> {
    await this.#allEnded;
    this.#isOver = true;
  }

  async ready(): Promise<void> {
    await once(createInterface({ input: this.#child.stdout }), 'line');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isOver) process.kill(-this.#child.pid!); // and its skytale
    await this.#exit;
  }
}

function ask(link: string, directory: TemporaryDirectory, name: string): Program {
  const state = ['--state', directory.join(name)];
  const program = new Program(['chat', link, '--name', name, ...state, '--format', 'json', '--follow']);
  program.stdin.write('!ping\n');
  return program;
}

type Line = Readonly<Record<string, unknown>>;
const ofType = (program: Program, type: string): Line[] =>
  program.lines.map((line) => JSON.parse(line) as Line).filter((line) => line.type === type);

describe('docs/bots.md', { timeout: 120_000 }, () => {
  it('has a bot that answers, to the member that it obeys', async () => {
    using directory = new TemporaryDirectory();
    await using server = await Server.start(directory.join('data'));
    const link = await invite(server.address);
    await using bot = new Bot(directory, link);
    await bot.ready();
    await using alice = ask(link, directory, 'alice');
    await alice.until(() => ofType(alice, 'message').length > 0, 'an answer');
    const [hello] = ofType(alice, 'hello');
    const [answer] = ofType(alice, 'message');
    assert.equal(answer!.text, `pong, ${(hello!.member as string).slice(0, 8)}`);
    assert.equal(answer!.from, 'bot');
    assert.deepEqual(
      ofType(alice, 'stored').map(({ line }) => line),
      [1],
    );
  });

  it('has a bot that does not answer to others of the same name', async () => {
    using directory = new TemporaryDirectory();
    await using server = await Server.start(directory.join('data'));
    const link = await invite(server.address);
    const first = ask(link, directory, 'owner');
    await first.until(() => ofType(first, 'stored').length > 0, 'its message is stored');
    const owner = ofType(first, 'hello')[0]!.member as string;
    first.kill('SIGTERM');
    await first.exit();
    await using bot = new Bot(directory, link, { OWNER: owner });
    await bot.ready();
    using elsewhere = new TemporaryDirectory();
    await using impostor = ask(link, elsewhere, 'owner');
    await impostor.until(() => ofType(impostor, 'stored').length > 0, 'its message is stored');
    await using real = ask(link, directory, 'owner');
    const answers = () => ofType(real, 'message').filter(({ from }) => from === 'bot');
    await real.until(() => answers().length > 0, 'an answer');
    // Behind the answer to another question there is none to what was asked before that.
    const asked = () => ofType(real, 'stored').find(({ line }) => line === 2)?.seq as number | undefined;
    real.stdin.write('!ping\n');
    await real.until(() => answers().some(({ seq }) => (seq as number) > (asked() ?? Infinity)), 'the next');
    assert.deepEqual(
      answers().map(({ text }) => text),
      [`pong, ${owner.slice(0, 8)}`, `pong, ${owner.slice(0, 8)}`],
    );
  });

  it('has a bot that leaves nothing behind, however it ends', async () => {
    using directory = new TemporaryDirectory();
    await using server = await Server.start(directory.join('data'));
    const link = await invite(server.address);
    await using bot = new Bot(directory, link);
    await bot.ready();
    await bot.kill();
    await bot.allEnded();
  });

  it('describes every type of line, in the form that is printed', async () => {
    using directory = new TemporaryDirectory();
    await using server = await Server.start(directory.join('data'));
    const link = await invite(server.address);
    const { stdout, code } = await run(
      ['chat', link, '--name', 'alice', '--state', directory.join('alice'), '--format', 'json'],
      { input: `hello\n${'x'.repeat(70_000)}\n` },
    );
    assert.equal(code, ExitCode.notAllSent);
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Line);
    const rows = new Map(
      [...page.matchAll(/^\| `(\w+)` \| ([^|]*) \|/gm)].map(([, type, fields]) => [
        type!,
        [...fields!.matchAll(/`(\w+)`/g)].map(([, field]) => field!),
      ]),
    );
    rows.delete('type');
    assert.deepEqual(new Set(lines.map(({ type }) => type)), new Set(['hello', 'live', 'stored', 'unsent']));
    for (const { type, ...fields } of lines) assert.deepEqual(Object.keys(fields), rows.get(type as string));
    const formats = readFileSync(
      new URL('../packages/skytale/src/pipe/line-format.ts', import.meta.url),
      'utf8',
    );
    const printed = [...formats.matchAll(/line\('(\w+)'/g)].map(([, type]) => type!);
    assert.deepEqual(new Set(rows.keys()), new Set(printed));
  });

  it('has the exit codes, as the help has', async () => {
    const { stdout } = await run(['--help']);
    for (const code of [0, ExitCode.failed, ExitCode.usage, ExitCode.notAllSent]) {
      assert.match(stdout, new RegExp(`^ {2}${code} {2,}\\S`, 'm'));
      assert.match(page, new RegExp(`^\\| ${code} \\| \\S`, 'm'));
    }
    assert.match(stdout, /^ {2}128\+n /m);
    assert.match(page, /^\| 128 \+ n \|/m);
  });
});
