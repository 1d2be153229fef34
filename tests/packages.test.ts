/** The packages that npm installs: complete, well-formed, and used outside the repository, on each version of Node that is promised. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { packAll } from '../scripts/pack.ts';
import { TemporaryDirectory } from './support/directory.ts';
import { InstalledPackages } from './support/installed.ts';
import { Program, run } from './support/programs.ts';
import { programsOf } from './support/programs-of.ts';

const root = join(import.meta.dirname, '..');
const compiler = join(root, 'node_modules/.bin/tsc');

/** The current LTS line, and the Node that the clone runs on. */
const versions = ['24.21.0', process.versions.node];

const directory = new TemporaryDirectory();
after(() => directory[Symbol.dispose]());
const tarballs = await packAll(directory.path);

const pages = ['docs/writing-a-device.md', 'packages/chat/README.md', 'packages/vhost-user/README.md'];
const programs = new Map(pages.flatMap((page) => [...programsOf(join(root, page))]));

/** The same in JavaScript. */
const inJavaScript = (text: string) => stripTypeScriptTypes(text).replace(/(from '\.[^']*)\.ts'/g, "$1.js'");

describe('each package', () => {
  assert.ok(tarballs.size >= 9);
  for (const [name, file] of tarballs) {
    it(`is well-formed: ${name}`, async () => {
      const bytes = readFileSync(file);
      const tarball = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
      const { messages, pkg } = await publint({ pack: { tarball }, strict: true });
      assert.deepEqual(
        messages.map((message) => formatMessage(message, pkg)),
        [],
      );
    });

    it(`has the types of what is imported: ${name}`, async () => {
      const result = await checkPackage(createPackageFromTarballData(readFileSync(file)));
      const problems = result.types === false ? [] : result.problems;
      // There are modules alone, which other programs than TypeScript's oldest settings have read for years.
      const modern = problems.filter(
        (problem) => !('resolutionKind' in problem && /^node10$|cjs$/.test(problem.resolutionKind)),
      );
      assert.deepEqual(modern, []);
    });
  }
});

for (const version of versions) {
  describe(`installed on Node ${version}`, { timeout: 300_000 }, () => {
    let installed: InstalledPackages;
    before(async () => {
      installed = await InstalledPackages.install(version, tarballs);
      for (const [name, text] of programs) {
        await installed.write(name, text);
        await installed.write(name.replace(/ts$/, 'js'), inJavaScript(text));
      }
    });
    after(() => installed?.[Symbol.dispose]());

    const options = () => ({
      command: installed.join('node_modules/.bin/skytale'),
      cwd: installed.path,
      env: installed.env,
    });
    const skytale = (...args: string[]) => new Program(args, options());

    it('the command says its version', async () => {
      assert.equal(await installed.run('node', '--version'), `v${version}\n`);
      assert.match(await installed.run('npx', '--no', 'skytale', '--version'), /^\d+\.\d+\.\d+\n$/);
    });

    it('a server serves the page, and two clients', async () => {
      using data = new TemporaryDirectory();
      await using server = await started(data);
      const page = await fetch(`http://${server.listening.http}/`);
      assert.equal(page.status, 200);
      assert.match(await page.text(), /<script type="module"/);
      const link = await newInvite(server.listening.tcp);
      await using bob = skytale('chat', link, '--name', 'bob', '--state', data.join('bob'), '--follow');
      const args = ['chat', link, '--name', 'alice', '--state', data.join('alice')];
      const alice = await run(args, { ...options(), input: 'one\ntwo\n' });
      assert.equal(alice.code, 0, alice.stderr);
      assert.deepEqual([await bob.line(0), await bob.line(1)], ['one', 'two']);
    });

    it('a device is driven by our front end', async () => {
      using data = new TemporaryDirectory();
      const socket = data.join('device.sock');
      await using device = skytale('device', '--json', '--socket', socket);
      assert.deepEqual(JSON.parse(await device.line(0)), { event: 'listening', socket });
      for (const end of ['ts', 'js'])
        assert.match(await installed.run('node', `encrypt.${end}`, socket), /^[0-9a-f]{32}\n$/);
    });

    it('the entropy device has its types, and passes its tests in TypeScript and in JavaScript', async () => {
      const checks = [
        '--noEmit',
        '--strict',
        '--module',
        'nodenext',
        '--target',
        'esnext',
        '--types',
        'node',
      ];
      await installed.run(compiler, ...checks, '--allowImportingTsExtensions', ...programs.keys());
      for (const name of ['entropy.test', 'slow-entropy.test'])
        for (const end of ['ts', 'js'])
          assert.match(await installed.run('node', '--test-reporter=tap', `${name}.${end}`), /^# pass 1$/m);
    });

    it('a bot of twenty lines answers', async () => {
      assert.ok(programs.get('bot.ts')!.split('\n').length <= 25);
      using data = new TemporaryDirectory();
      await using server = await started(data);
      const link = await newInvite(server.listening.tcp);
      await using alice = skytale('chat', link, '--name', 'alice', '--state', data.join('alice'), '--follow');
      for (const end of ['ts', 'js']) {
        const env = { ...installed.env, SKYTALE_INVITE: link, XDG_STATE_HOME: data.join(end) };
        await using bot = new Program([`bot.${end}`], { ...options(), command: 'node', env });
        const answers = alice.lines.length;
        alice.stdin.write('!ping\n');
        const ended = bot.exit().then((code) => `the bot ended with ${code}: ${bot.stderr}`);
        assert.equal(await Promise.race([alice.line(answers), ended]), 'pong');
      }
    });

    async function started(data: TemporaryDirectory) {
      const addresses = ['--listen', '127.0.0.1:0', '--http', '127.0.0.1:0'];
      const program = skytale('serve', '--json', ...addresses, '--data', data.join('data'));
      const listening = JSON.parse(await program.line(0)) as { tcp: string; http: string };
      return { listening, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
    }

    async function newInvite(server: string): Promise<string> {
      const { stdout } = await run(['invite', '--server', server, '--json'], options());
      return JSON.parse(stdout).invite;
    }
  });
}
