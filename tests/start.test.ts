/** What `npm start` runs: a first and a second start, and the command it shows, pasted. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { TemporaryDirectory } from './support/directory.ts';
import { Program } from './support/programs.ts';

const repository = fileURLToPath(new URL('..', import.meta.url));

/** Runs a line as a user would who pasted it into a shell in the repository. */
async function paste(line: string, env: Record<string, string>, input: string): Promise<number | null> {
  const path = `${dirname(process.execPath)}:${process.env.PATH}`;
  const shell = spawn('sh', ['-c', line], {
    cwd: repository,
    env: { ...process.env, PATH: path, npm_config_update_notifier: 'false', ...env },
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  shell.stdin.end(input);
  const [code] = (await once(shell, 'exit')) as [number | null];
  return code;
}

describe('skytale start', { timeout: 300_000 }, () => {
  it('shows a room that is the same on the next start, and a command that leads into it', async () => {
    using directory = new TemporaryDirectory();
    const args = [
      'start',
      '--listen',
      '127.0.0.1:0',
      '--http',
      '127.0.0.1:0',
      '--data',
      directory.join('data'),
    ];
    const begin = async () => {
      const program = new Program(args, { cwd: repository });
      await program.until(() => /Ctrl-C/.test(program.stdout), 'the end of what it shows');
      return program;
    };
    const linkIn = (text: string) => /'(skytale:\/\/[^']+)'/.exec(text)![1]!;

    await using first = await begin();
    assert.match(first.stdout, /virtio-cryptodev .*on openssl, tested/);
    assert.match(first.stdout, /127\.0\.0\.1:\d+/);
    const command = /^ *(npx --no-install skytale chat .*)$/m.exec(first.stdout)![1]!;
    assert.equal(await paste(command, { XDG_STATE_HOME: directory.join('state') }, 'hello\n'), 0);
    first.kill('SIGINT');
    assert.equal(await first.exit(), 0, first.stderr);

    await using second = await begin();
    const [before, after] = [linkIn(first.stdout), linkIn(second.stdout)];
    const roomAndSecret = (link: string) => link.replace(/^.*?:\d+\//, '');
    assert.equal(roomAndSecret(after), roomAndSecret(before));
    await using reader = new Program(['chat', after, '--name', 'bob', '--state', directory.join('bob')], {
      input: '',
    });
    assert.equal(await reader.exit(), 0, reader.stderr);
    assert.equal(reader.stdout, 'hello\n');
    second.kill('SIGTERM');
    assert.equal(await second.exit(), 0, second.stderr);
  });
});
