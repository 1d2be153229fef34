/** What `npm start` runs: a first and a second start, and the command it shows, pasted. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { TemporaryDirectory } from './support/directory.ts';
import { Program, run } from './support/programs.ts';

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
    const linkIn = (text: string) => /skytale:\/\/\S+/.exec(text)![0];

    await using first = await begin();
    assert.match(first.stdout, /virtio-cryptodev .*on openssl, tested/);
    assert.match(first.stdout, /127\.0\.0\.1:\d+/);
    // The link for browsers comes first, and opens the page that this server has.
    const web = /^ *Open in a browser: (\S+)$/m.exec(first.stdout)!;
    assert.ok(web.index < first.stdout.indexOf('Server'));
    const page = await fetch(web[1]!);
    assert.equal(page.status, 200);
    assert.match(page.headers.get('content-security-policy')!, /script-src 'self'/);
    assert.equal(web[1]!.replace(/^.*\/r\//, ''), linkIn(first.stdout).replace(/^.*\//, ''));
    assert.doesNotMatch(first.stdout, /refuse this page/);
    const command = /^ *(npx --no-install skytale chat .*)$/m.exec(first.stdout)![1]!;
    const [, secret] = linkIn(first.stdout).split('#') as [string, string];
    assert.ok(!command.includes(secret), 'the secret would stand in the list of processes');
    const inviteFile = directory.join('data', 'start-room.invite');
    assert.equal(statSync(inviteFile).mode & 0o777, 0o600);
    assert.equal(await paste(command, { XDG_STATE_HOME: directory.join('state') }, 'hello\n'), 0);
    first.kill('SIGINT');
    assert.equal(await first.exit(), 0, first.stderr);

    await using second = await begin();
    const [before, after] = [linkIn(first.stdout), linkIn(second.stdout)];
    const roomAndSecret = (link: string) => link.replace(/^.*?:\d+\//, '');
    assert.equal(roomAndSecret(after), roomAndSecret(before));
    assert.equal(readFileSync(inviteFile, 'utf8'), `${after}\n`);
    await using reader = new Program(['chat', after, '--name', 'bob', '--state', directory.join('bob')], {
      input: '',
    });
    assert.equal(await reader.exit(), 0, reader.stderr);
    assert.equal(reader.stdout, 'hello\n');
    second.kill('SIGTERM');
    assert.equal(await second.exit(), 0, second.stderr);
  });

  it('makes its room again when the server has forgotten it: invites stay what they are', async () => {
    using directory = new TemporaryDirectory();
    const data = directory.join('data');
    const begin = async () => {
      const listen = ['--listen', '127.0.0.1:0', '--http', 'off', '--data', data];
      const program = new Program(['start', ...listen], { cwd: repository });
      await program.until(() => /Ctrl-C/.test(program.stdout), 'the end of what it shows');
      return program;
    };
    const invites: string[] = [];
    for (const forgets of [true, false, false]) {
      await using program = await begin();
      const link = /skytale:\/\/\S+/.exec(program.stdout)![0];
      invites.push(link.replace(/^.*?:\d+\//, ''));
      const enter = ['chat', link, '--name', 'alice', '--state', directory.join('state')];
      // With a server that forgets it, the room is one in which nothing was ever said.
      const result = await run(enter, { input: forgets ? '' : 'hello\n' });
      assert.equal(result.code, 0, result.stderr);
      if (forgets) {
        const { stdout } = await run(['rooms', '--data', data, '--json']);
        const { room } = JSON.parse(stdout) as { room: string };
        assert.equal((await run(['rooms', 'delete', room, '--data', data])).code, 0);
      }
      program.kill('SIGINT');
      assert.equal(await program.exit(), 0, program.stderr);
    }
    assert.equal(new Set(invites).size, 1);
  });

  it('says before a link that browsers elsewhere refuse, that they do, and what helps', async () => {
    using directory = new TemporaryDirectory();
    const shownWith = async (...more: string[]) => {
      const listen = ['--listen', '0.0.0.0:0', '--http', '0.0.0.0:0', '--data', directory.join('data')];
      await using program = new Program(['start', ...listen, ...more], { cwd: repository });
      await program.until(() => /Ctrl-C/.test(program.stdout), 'the end of what it shows');
      return program.stdout;
    };
    const plain = await shownWith();
    assert.match(
      plain,
      /refuse this page[\s\S]*--tls-cert[\s\S]*Open in a browser: http:\/\/127\.0\.0\.1:\d+\/r\//,
    );
    const proxied = await shownWith('--public-url', 'https://chat.example.org');
    assert.doesNotMatch(proxied, /refuse this page/);
    assert.match(proxied, /Open in a browser: https:\/\/chat\.example\.org\/r\//);
  });

  it('with TLS talks to itself by a name that is in its certificate, whoever signed that', async () => {
    using directory = new TemporaryDirectory();
    for (const signed of ['self', 'authority'] as const) {
      const { cert, key } = certificate(directory.join(signed), 'DNS:localhost', signed);
      const listen = [
        '--listen',
        '127.0.0.1:0',
        '--http',
        '127.0.0.1:0',
        '--data',
        directory.join(signed, 'data'),
      ];
      await using program = new Program(['start', ...listen, '--tls-cert', cert, '--tls-key', key], {
        cwd: repository,
      });
      await program.until(() => /Ctrl-C/.test(program.stdout), 'the end of what it shows');
      assert.match(program.stdout, /^ *Server +127\.0\.0\.1:\d+, https:\/\/127\.0\.0\.1:\d+$/m);
      assert.match(program.stdout, /skytales:\/\/localhost:\d+\//);
      const command = /^ *(npx --no-install skytale chat .*)$/m.exec(program.stdout)![1]!;
      assert.equal(await paste(command, { XDG_STATE_HOME: directory.join(signed, 'state') }, 'hello\n'), 0);
      program.kill('SIGINT');
      assert.equal(await program.exit(), 0, program.stderr);
    }
  });

  it('says so when its certificate is for no name of this machine', async () => {
    using directory = new TemporaryDirectory();
    const { cert, key } = certificate(directory.join('x'), 'DNS:chat.example.invalid', 'self');
    const listen = ['--listen', '127.0.0.1:0', '--http', 'off', '--data', directory.join('data')];
    const result = await run(['start', ...listen, '--tls-cert', cert, '--tls-key', key]);
    assert.equal(result.code, 1);
    assert.match(
      result.stderr,
      /^skytale: The certificate .* is for DNS:chat\.example\.invalid: none of these leads to this machine/m,
    );
  });
});

/** A certificate for a name, signed by itself or by an authority that nobody has. */
function certificate(directory: string, name: string, signed: 'self' | 'authority') {
  mkdirSync(directory);
  const file = (of: string) => join(directory, of);
  const [cert, key] = [file('cert.pem'), file('key.pem')];
  const make = (...args: string[]) =>
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ed25519', '-nodes', '-days', '2', ...args], {
      stdio: 'ignore',
    });
  const authority = ['-CA', file('ca.pem'), '-CAkey', file('ca-key.pem')];
  if (signed === 'authority')
    make('-subj', '/CN=nobody', '-out', file('ca.pem'), '-keyout', file('ca-key.pem'));
  make(
    ...[
      '-subj',
      '/CN=server',
      '-addext',
      `subjectAltName=${name}`,
      '-addext',
      'basicConstraints=critical,CA:FALSE',
    ],
    ...['-out', cert, '-keyout', key, ...(signed === 'authority' ? authority : [])],
  );
  return { cert, key };
}
