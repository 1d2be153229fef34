/** What the command promises to shells and scripts: outputs, errors, exit codes. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { dirname } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { FrameType } from '../packages/chat/src/protocol/frames.ts';
import { TemporaryDirectory } from './support/directory.ts';
import { HostileProxy, typeOf, type WireFrame } from './support/hostile-proxy.ts';
import { invite, Program, run, Server, throughAddress } from './support/programs.ts';

const sentence = /^skytale: [^\n]+\n$/;

/** Runs what must fail: one line on standard error, nothing on standard output. */
async function fails(
  args: readonly string[],
  code: number,
  message: RegExp,
  env: Record<string, string> = {},
) {
  const result = await run(args, { env });
  assert.equal(result.code, code, result.stderr);
  assert.equal(result.stdout, '');
  assert.match(result.stderr, sentence);
  assert.match(result.stderr, message);
}

describe('the command line', { timeout: 300_000 }, () => {
  it('explains itself', async () => {
    const help = await run(['--help']);
    assert.equal(help.code, 0);
    for (const command of [
      'serve',
      'rooms',
      'invite',
      'chat',
      'web',
      'verify-web',
      'doctor',
      'device',
      'vm',
      'start',
    ]) {
      assert.match(help.stdout, new RegExp(`^  ${command}\\b`, 'm'));
      const { code, stdout } = await run([command, '--help']);
      assert.equal(code, 0);
      assert.match(stdout, /Examples:/);
    }
    assert.match((await run(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/);
    assert.equal((await run([])).code, 2);
  });

  it('refuses what it does not know', async () => {
    await fails(['--colour'], 2, /Unknown option '--colour'/);
    await fails(['talk'], 2, /Unknown command 'talk'/);
    await fails(['help', 'talk'], 2, /Unknown command 'talk'/);
    await fails(['serve', '--lisen', ':1'], 2, /Did you mean --listen/);
    await fails(['serve', '--listen'], 2, /argument missing/);
    await fails(['serve', '--listen', 'nowhere'], 2, /not HOST:PORT/);
    await fails(['serve', '--listen', 'off', '--http', 'off'], 2, /Nothing is left to listen on/);
    const noFile = ['invite', '--passphrase-file', '/nowhere'];
    await fails(noFile, 2, /--passphrase-file: There is no file \/nowhere/);
    await fails(['chat'], 2, /INVITE/);
    await fails(['chat', 'a', 'b'], 2, /Too many arguments/);
    await fails(['chat', 'a', '--crypto', 'rot13'], 2, /none of auto, virtio/);
    await fails(['chat', 'a'], 2, /SKYTALE_TIMEOUT: "soon"/, { SKYTALE_TIMEOUT: 'soon' });
    await fails(['serve', '--config', '/nowhere.json'], 2, /nowhere\.json/);
    await fails(['verify-web', 'http://127.0.0.1:1'], 1, /Nothing is known about the page of .* Is that/);
  });

  it('refuses wrong settings wherever they stand, as wrong usage, naming them', async () => {
    using directory = new TemporaryDirectory();
    const file = directory.join('config.json');
    writeFileSync(file, '{"rooms-per-hour": "many"}');
    writeFileSync(directory.join('no-certificate'), 'something else');
    writeFileSync(
      directory.join('damaged'),
      '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
    );
    const serve = ['serve', '--data', directory.join('data')];
    const link = 'skytale://127.0.0.1:1/AAAAAAAAAAAAAAAAAAAAAA#x';
    for (const [args, message, env] of [
      [[...serve, '--trusted-proxies', 'foo'], /--trusted-proxies: "foo" is no address or network/],
      [[...serve, '--trusted-proxies', '::1, foo'], /"::1, foo" has "foo" in it, which is no address/],
      [[...serve, '--origins', 'https://a.example/path'], /--origins: .* is no origin of pages/],
      [[...serve, '--proxy-protocol'], /--trusted-proxies: nobody is named/],
      [[...serve, '--hello-timeout', '10x'], /--hello-timeout: .* like 500ms or 30s \(a number alone is sec/],
      [[...serve, '--config', file], /"rooms-per-hour" in .*: "many" is not a whole number/],
      [serve, /SKYTALE_ORIGINS: "chat\.example" is no origin/, { SKYTALE_ORIGINS: 'chat.example' }],
      [[...serve, '--tls-cert', '/nowhere', '--tls-key', '/nowhere'], /--tls-cert: There is no file/],
      [[...serve, '--tls-cert', file, '--tls-key', file], /certificate and key cannot be used/],
      [['invite', '--ca-file', directory.path], /--ca-file: .* is a directory/],
      [['invite', '--ca-file', directory.join('no-certificate')], /--ca-file: .* has no certificate in it/],
      [['invite', '--ca-file', directory.join('damaged')], /--ca-file: certificate 1 in .* is damaged/],
      [['chat'], /not an invite/, { SKYTALE_INVITE: 'nonsense' }],
      [['chat', '--invite-file', directory.join('no-certificate')], /not an invite/],
      [['chat', link], /cut short/],
      [['chat', 'skytale://nowhere/AAAA#x'], /no server address/],
    ] as const) {
      await fails(args, 2, message, env);
    }
  });

  it('explains the units of sizes and times', async () => {
    const { stdout } = await run(['serve', '--help']);
    assert.match(stdout, /^TIME has its unit: 500ms, 30s, 5m or 2h\. A number alone is seconds\.$/m);
    assert.match(stdout, /^SIZE is in bytes: 65536, 64K/m);
    assert.match((await run(['chat', '--help'])).stdout, /--timeout <TIME>[\s\S]*^TIME has its unit/m);
  });

  it('prints stack traces only when asked to', async () => {
    const args = ['chat', 'nonsense'];
    assert.doesNotMatch((await run(args)).stderr, /\n {4}at /);
    assert.match((await run(args, { env: { SKYTALE_DEBUG: '1' } })).stderr, /\n {4}at /);
  });

  it('has no colours in a pipe', async () => {
    for (const args of [['doctor'], ['--help'], ['chat', 'nonsense']]) {
      const { stdout, stderr } = await run(args);
      assert.ok(!(stdout + stderr).includes('\x1b'), args.join(' '));
    }
  });

  it('has a doctor', async () => {
    const { code, stdout } = await run(['doctor']);
    assert.equal(code, 0);
    assert.match(stdout, /openssl/);
    assert.match(stdout, /virtio-cryptodev/);
    // Many distributions forbid these modules; to load them is no advice.
    assert.doesNotMatch(stdout, /algif_|modprobe/);
    const json = await run(['doctor', '--json']);
    assert.equal(json.code, 0);
    assert.equal(typeof JSON.parse(json.stdout), 'object');
  });
});

describe('a server', { timeout: 300_000 }, () => {
  it('says where it listens, drains on SIGTERM, and ends with 0', async () => {
    using directory = new TemporaryDirectory();
    await using server = await Server.start(directory.join('data'));
    assert.deepEqual(Object.keys(server.listening), ['event', 'tcp', 'http']);
    assert.equal(server.listening.event, 'listening');
    assert.match(server.listening.tcp, /^127\.0\.0\.1:\d+$/);
    assert.notEqual(server.listening.tcp, '127.0.0.1:0');
    assert.match(server.listening.http!, /^127\.0\.0\.1:\d+$/);
    server.program.kill('SIGTERM');
    assert.equal(await server.program.exit(), 0, server.program.stderr);
    assert.equal(server.program.lines.length, 1);
    for (const line of server.program.stderr.trimEnd().split('\n')) JSON.parse(line);
    assert.equal(statSync(directory.join('data')).mode & 0o777, 0o700);
  });

  it('waits for its clients when it ends, but not after a second signal', async () => {
    using directory = new TemporaryDirectory();
    await using server = await Server.start(directory.join('data'), undefined, '--close-timeout', '1h');
    const [host, port] = server.address.split(':') as [string, string];
    const client = connect({ host, port: Number(port), allowHalfOpen: true });
    await once(client, 'data'); // It is greeted, and from now on it says nothing.
    server.program.kill('SIGTERM');
    await server.program.stderrHas(/"stopping"/);
    // The first repetitions count as echoes of the same key press.
    while (server.program.running) {
      server.program.kill('SIGTERM');
      await setTimeout(20);
    }
    assert.equal(await server.program.exit(), 143);
    client.destroy();
  });

  it('takes settings from the environment and a file', async () => {
    using directory = new TemporaryDirectory();
    writeFileSync(
      directory.join('config.json'),
      JSON.stringify({ http: 'off', listen: '[::1]:0', json: true }),
    );
    await using server = new Program(['serve', '--config', directory.join('config.json')], {
      env: { SKYTALE_LISTEN: '127.0.0.1:0', SKYTALE_DATA: directory.join('data') },
    });
    const listening = JSON.parse(await server.line(0));
    assert.match(listening.tcp, /^127\.0\.0\.1:/);
    assert.equal(listening.http, undefined);
  });

  it('refuses a port that is taken', async () => {
    using directory = new TemporaryDirectory();
    await using first = await Server.start(directory.join('one'));
    const args = ['serve', '--listen', first.address, '--http', 'off', '--data', directory.join('two')];
    await failsToServe(args, /in use by another program/);
  });

  it('refuses a data directory that is in use, not a directory, or corrupt', async () => {
    using directory = new TemporaryDirectory();
    const serve = (data: string) => ['serve', '--listen', '127.0.0.1:0', '--http', 'off', '--data', data];
    await using first = await Server.start(directory.join('data'));
    await failsToServe(serve(directory.join('data')), /in use/);
    await first.crash();

    writeFileSync(directory.join('file'), '');
    await failsToServe(serve(directory.join('file')), /file/);
    await failsToServe(serve(directory.join('file', 'below')), /director/);

    for (const name of readdirSync(directory.join('data'))) {
      if (/wal|shm|lock|control/.test(name)) continue;
      chmodSync(directory.join('data', name), 0o600);
      writeFileSync(directory.join('data', name), 'this is no database'.repeat(500));
    }
    await failsToServe(serve(directory.join('data')), /damaged|corrupt|not a database/i);
  });
});

/** As `fails`, but a log may stand before the last line of standard error. */
async function failsToServe(args: readonly string[], message: RegExp): Promise<void> {
  const result = await run([...args, '--log-level', 'silent']);
  assert.equal(result.code, 1, result.stderr);
  assert.equal(result.stdout, '');
  assert.match(result.stderr, sentence);
  assert.match(result.stderr, message);
}

describe('an invite', { timeout: 300_000 }, () => {
  it('is a link, alone on standard output', async () => {
    using directory = new TemporaryDirectory();
    await using server = await Server.start(directory.join('data'));
    const { code, stdout } = await run(['invite', '--server', server.address]);
    assert.equal(code, 0);
    assert.match(stdout, new RegExp(`^skytale://${server.address}/[\\w-]{22}#[\\w-]{43}\\n$`));
    const json = await run(['invite', '--server', server.address, '--json']);
    assert.deepEqual(Object.keys(JSON.parse(json.stdout)), ['invite', 'web']);
    assert.equal((JSON.parse(json.stdout) as { web: unknown }).web, null);
    for (const [where, origin] of [
      [['--server', server.address, '--public-url', 'https://chat.example.org'], 'https://chat.example.org'],
      [['--server', `ws://${server.listening.http}`], `http://${server.listening.http}`],
    ] as const) {
      const both = await run(['invite', ...where]);
      const [forTerminals = '', forBrowsers = ''] = both.stdout.split('\n');
      assert.match(forTerminals, /^skytale(\+ws)?:\/\//);
      assert.equal(forBrowsers.replace(/\/r\/.*/, ''), origin);
      assert.equal(forBrowsers.split('/').at(-1), forTerminals.split('/').at(-1));
    }
  });

  it('that was cut short or changed is found out without a server', async () => {
    using directory = new TemporaryDirectory();
    await using server = await Server.start(directory.join('data'));
    const good = await invite(server.address);
    const chat = (text: string) => ['chat', text, '--state', directory.join('state')];
    await fails(chat('skytale://127.0.0.1:9/'), 2, /cut short/);
    await fails(chat(good.slice(0, -1)), 2, /cut short/);
    await fails(chat(good.slice(0, good.indexOf('#'))), 2, /cut short/);
    for (const at of [good.indexOf('/', 12) + 3, good.indexOf('#') + 7, good.length - 2]) {
      const changed = good.slice(0, at) + (good[at] === 'A' ? 'B' : 'A') + good.slice(at + 1);
      await fails(chat(changed), 2, /changed/);
    }
    for (const name of ['\u2800', 'x'.repeat(65)]) {
      await fails([...chat(good), '--name', name], 2, /cannot be a name/);
    }
    await fails(chat('https://example.org/'), 2, /not an invite/);
  });

  it('with a passphrase needs it, and finds out a wrong one without a server', async () => {
    using directory = new TemporaryDirectory();
    await using server = await Server.start(directory.join('data'));
    const right = 'correct horse battery staple';
    const made = await run(['invite', '--server', server.address, '--passphrase', '--json'], {
      input: `${right}\n`,
    });
    assert.equal(made.code, 0, made.stderr);
    const { invite: link } = JSON.parse(made.stdout) as { invite: string };
    assert.match(link, /#p\./);
    const args = ['chat', link, '--state', directory.join('state')];
    await fails(args, 2, /passphrase/);
    await fails(args, 2, /Wrong passphrase/, { SKYTALE_PASSPHRASE: 'wrong' });
    writeFileSync(directory.join('passphrase'), `${right}\n`);
    const entered = await run([...args, '--passphrase-file', directory.join('passphrase')], {
      input: 'hello\n',
    });
    assert.equal(entered.code, 0, entered.stderr);
  });

  it('and a passphrase come from files, standard input and the environment too', async () => {
    using directory = new TemporaryDirectory();
    await using server = await Server.start(directory.join('data'));
    const right = 'correct horse battery staple';
    const made = await run(['invite', '--server', server.address, '--passphrase-file', '-', '--json'], {
      input: `${right}\n`,
    });
    assert.equal(made.code, 0, made.stderr);
    const { invite: link } = JSON.parse(made.stdout) as { invite: string };
    writeFileSync(directory.join('invite'), `${link}\n`);
    writeFileSync(directory.join('passphrase'), `${right}\n`);
    const files = { invite: directory.join('invite'), passphrase: directory.join('passphrase') };
    const as = (name: string) => ['chat', '--name', name, '--state', directory.join(name)];
    const texts: string[] = [];
    for (const [name, args, env, before] of [
      ['files', ['--invite-file', files.invite, '--passphrase-file', files.passphrase], {}, ''],
      ['environment', [], { SKYTALE_INVITE: link, SKYTALE_PASSPHRASE: right }, ''],
      ['variables', [], { SKYTALE_INVITE_FILE: files.invite, SKYTALE_PASSPHRASE_FILE: files.passphrase }, ''],
      ['mixed', ['--invite-file', '-'], { SKYTALE_PASSPHRASE: right }, `${link}\n`],
      ['input', ['--invite-file', '-', '--passphrase-file', '-'], {}, `${link}\r\n${right}\n`],
    ] as const) {
      const input = `${before}by ${name}\nand more`;
      const { code, stderr } = await run([...as(name), ...args], { env, input });
      assert.equal(code, 0, `${name}: ${stderr}`);
      texts.push(`by ${name}`, 'and more');
    }
    const reader = await run([...as('reader'), '--invite-file', files.invite], {
      env: { SKYTALE_PASSPHRASE: right },
    });
    assert.deepEqual(reader.stdout.trimEnd().split('\n'), texts);
    await fails([...as('x'), link, '--invite-file', files.invite], 2, /given twice/);
    await fails([...as('x'), '--invite-file', '/nowhere'], 2, /--invite-file: There is no file \/nowhere/);
    await fails([...as('x'), '--invite-file', '-'], 2, /The invite is empty/);
    await fails(as('x'), 2, /INVITE is missing/);
    assert.match(
      (await run(['chat', '--help'])).stdout,
      /seen by every user[\s\S]*\(ps\)[\s\S]*--invite-file/,
    );
  });

  it('with escape sequences in it prints none of them', async () => {
    for (const path of ['\x1b[2J', '\x9b2J', '\u202e']) {
      const { code, stderr } = await run(['chat', `skytale+ws://127.0.0.1:1/${path}/room#secret`]);
      assert.equal(code, 2);
      assert.match(stderr, sentence);
      assert.doesNotMatch(stderr.trimEnd(), /[\p{Cc}\p{Bidi_Control}]/u);
    }
  });

  it('to a room that the server does not have is refused', async () => {
    using directory = new TemporaryDirectory();
    await using one = await Server.start(directory.join('one'));
    await using two = await Server.start(directory.join('two'));
    const elsewhere = (await invite(one.address)).replace(one.address, two.address);
    const { code, stderr } = await run(['chat', elsewhere, '--state', directory.join('state')]);
    assert.equal(code, 1);
    assert.match(stderr, /^skytale: This server does not know the room\./m);
  });

  it('cannot be made, nor used, where no server is', async () => {
    using directory = new TemporaryDirectory();
    const listener = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => listener.once('listening', resolve));
    const { port } = listener.address() as { port: number };
    await new Promise((resolve) => listener.close(resolve));
    const nobody = `skytale://127.0.0.1:${port}/`;
    await using server = await Server.start(directory.join('data'));
    const link = (await invite(server.address)).replace(/^.*?:\d+\//, nobody);
    const unanswered = await run(['chat', link, '--timeout', '1', '--state', directory.join('state')]);
    assert.equal(unanswered.code, 1);
    assert.match(unanswered.stderr, /^skytale: The server 127\.0\.0\.1:\d+ cannot be reached/m);
    const refused = new RegExp(`127\\.0\\.0\\.1:${port} cannot be reached: no server listens there\\.`);
    await fails(['invite', '--server', `127.0.0.1:${port}`], 1, refused);
    await fails(['invite', '--server', 'nowhere'], 2, /nowhere/);
  });
});

describe('a client in a pipe', { timeout: 300_000 }, () => {
  it('takes the link that browsers take, and keeps as much to be shown again as it is told', async () => {
    using directory = new TemporaryDirectory();
    await using server = await Server.start(directory.join('data'));
    const { http } = server.listening;
    const link = (await invite(`ws://${http}`)).replace(/^.*\/\/[^/]+\//, `http://${http}/r/`);
    const as = (name: string, ...more: string[]) => [
      ...['chat', link, '--name', name, '--state', directory.join(name), ...more],
    ];
    assert.equal((await run(as('alice'), { input: 'one\ntwo\nthree\n' })).code, 0);
    assert.equal((await run(as('bob', '--history', '2'))).stdout, 'one\ntwo\nthree\n');
    const again = await run(as('bob', '--since', '0'));
    assert.equal(again.stdout, 'two\nthree\n');
    assert.match(
      again.stderr,
      /^Warning: Of the messages up to number 1, .* nothing is kept here any more\./m,
    );
    const cut = await run(as('carol').map((one) => (one === link ? link.slice(0, -9) : one)));
    assert.deepEqual([cut.code, /This invite was cut short/.test(cut.stderr)], [2, true]);
  });

  it('sends lines exactly, prints them escaped, and does not print its own', async () => {
    using directory = new TemporaryDirectory();
    await using server = await Server.start(directory.join('data'));
    const link = await invite(server.address);
    const as = (name: string, ...more: string[]) => [
      'chat',
      link,
      '--name',
      name,
      '--state',
      directory.join(name),
      ...more,
    ];
    const input = 'plain\n\ncrlf\r\n\ttab \\ back\x1b[2Jslash\x9b\u202e\nno line ending';
    const alice = await run(as('alice'), { input });
    assert.deepEqual({ code: alice.code, stdout: alice.stdout }, { code: 0, stdout: '' });
    const bob = await run(as('bob'));
    assert.equal(bob.stdout, 'plain\n\ncrlf\n\ttab \\\\ back\\x1b[2Jslash\\x9b\\u202e\nno line ending\n');
    const again = await run(as('bob'));
    assert.deepEqual({ code: again.code, stdout: again.stdout }, { code: 0, stdout: '' });
    const json = await run(as('bob', '--since', '3', '--format', 'json'));
    const lines = json.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      lines.map(({ type }) => type),
      ['hello', 'message', 'message', 'live'],
    );
    const [hello, ...messages] = lines.slice(0, 3);
    assert.deepEqual(Object.keys(hello), ['type', 'format', 'room', 'member', 'name']);
    assert.equal(hello.format, 1);
    assert.match(hello.member, /^[0-9a-f]{64}$/);
    assert.deepEqual(
      messages.map(({ member: _member, at: _at, ...rest }) => rest),
      [
        ['\ttab \\ back\x1b[2Jslash\x9b\u202e', 4],
        ['no line ending', 5],
      ].map(([text, seq]) => ({ type: 'message', seq, from: 'alice', text, own: false, again: false })),
    );
    assert.equal(new Date(messages[0].at).toISOString(), messages[0].at);
    assert.match(messages[0].member, /^[0-9a-f]{64}$/);
    assert.equal(messages[0].member, messages[1].member);
    assert.notEqual(messages[0].member, hello.member);
  });

  it('sets aside lines that no message can carry, names them, and sends the others', async () => {
    using directory = new TemporaryDirectory();
    await using server = await Server.start(directory.join('data'));
    const link = await invite(server.address);
    const state = directory.join('alice');
    const args = ['chat', link, '--name', 'alice', '--state', state];
    const long = `too \x1b[2J long ${'x'.repeat(70_000)}`;
    const binary = Buffer.from([0xff, 0xfe, 0x0a]);
    await using alice = new Program(args);
    alice.stdin.end(Buffer.concat([Buffer.from(`before\n${long}\nbetween\n`), binary, Buffer.from('after')]));
    assert.equal(await alice.exit(), 3, alice.stderr);
    assert.match(
      alice.stderr,
      /^Line 2 of standard input \(“too \ufffd\[2J long x+…”\) was not sent\. It is longer than 65536 bytes/m,
    );
    assert.match(alice.stderr, /^Line 4 of standard input .* was not sent\. It is not UTF-8/m);
    const file = /^What is not sent is in (.*)$/m.exec(alice.stderr)![1]!;
    assert.equal(dirname(file), state);
    assert.deepEqual(readFileSync(file), Buffer.concat([Buffer.from(`${long}\n`), binary]));
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const bob = await run(['chat', link, '--name', 'bob', '--state', directory.join('bob')]);
    assert.equal(bob.stdout, 'before\nbetween\nafter\n');
  });

  it('puts into a file what it has read and cannot keep, when it has to end', async () => {
    using directory = new TemporaryDirectory();
    const state = directory.join('alice');
    await using server = await Server.start(directory.join('data'));
    const link = await invite(server.address);
    await server.crash();
    // More than an outbox takes.
    const lines = Array.from({ length: 1500 }, (_, i) => `line ${i}`);
    const args = ['chat', link, '--name', 'alice', '--state', state, '--timeout', '1'];
    const alice = await run(args, { input: lines.map((line) => `${line}\n`).join('') });
    assert.equal(alice.code, 1, alice.stderr);
    const file = /^What is not sent is in (.*)$/m.exec(alice.stderr)![1]!;
    assert.match(alice.stderr, /^\d+ lines were read and not taken over\.$/m);
    await using again = await Server.start(directory.join('data'), server.address);
    assert.equal((await run(args)).code, 0);
    const bob = await run(['chat', link, '--name', 'bob', '--state', directory.join('bob')]);
    assert.deepEqual((bob.stdout + readFileSync(file, 'utf8')).trimEnd().split('\n'), lines);
    assert.ok(again.program.running);
  });

  it('gives up on a server that is there and does nothing, whatever it does not do', async () => {
    using directory = new TemporaryDirectory();
    await using server = await Server.start(directory.join('data'));
    const link = await invite(server.address);
    const as = (name: string, to: string) => [
      ...['chat', throughAddress(link, to), '--name', name],
      ...['--state', directory.join(name), '--timeout', '1'],
    ];
    assert.equal((await run(as('carol', server.address), { input: 'hello\n' })).code, 0);
    for (const [dropped, words] of [
      [[FrameType.welcome], /^skytale: The server does not answer\.$/m],
      // With the ACK, whose place is behind what is kept back, the client would notice that it is.
      [
        [FrameType.deliver, FrameType.live, FrameType.ack],
        /^skytale: The server does not hand out what was said\.$/m,
      ],
      [[FrameType.ack], /^skytale: The server does not store what was sent\. .*kept here/m],
    ] as const) {
      const isDropped = (frame: WireFrame) => dropped.some((type) => type === typeOf(frame));
      const toClient = (frame: WireFrame) => (isDropped(frame) ? [] : [frame]);
      await using proxy = await HostileProxy.start(server.address, () => ({ toClient }));
      const result = await run(as(`alice${dropped[0]}`, proxy.address), { input: 'hello\n' });
      assert.equal(result.code, 1, result.stderr);
      assert.match(result.stderr, words);
    }
  });

  it('works on every crypto device', async () => {
    using directory = new TemporaryDirectory();
    await using server = await Server.start(directory.join('data'));
    const link = await invite(server.address);
    const devices = ['auto', 'virtio', 'openssl', 'node', 'webcrypto'];
    for (const device of devices) {
      const args = ['chat', link, '--name', device, '--crypto', device, '--state', directory.join('state')];
      const { code, stderr } = await run(args, { input: `by ${device}\n` });
      assert.equal(code, 0, stderr);
    }
    const all = await run(['chat', link, '--name', 'reader', '--state', directory.join('reader')]);
    assert.equal(all.stdout, devices.map((device) => `by ${device}\n`).join(''));
  });

  it('ends quietly when the reader of its output has gone', async () => {
    using directory = new TemporaryDirectory();
    await using server = await Server.start(directory.join('data'));
    const link = await invite(server.address);
    const lines = Array.from({ length: 2000 }, (_, i) => `${i} ${'x'.repeat(200)}\n`).join('');
    assert.equal(
      (await run(['chat', link, '--name', 'a', '--state', directory.join('a')], { input: lines })).code,
      0,
    );
    await using reader = new Program(
      ['chat', link, '--name', 'b', '--state', directory.join('b'), '--follow'],
      {
        input: '',
      },
    );
    await using asker = new Program(['serve', '--help']);
    for (const program of [reader, asker]) {
      program.leaveStdout();
      assert.equal(await program.exit(), 0, program.stderr);
      assert.doesNotMatch(program.stderr, /EPIPE|skytale:/);
    }
  });

  it('gives up on a server that has no space left, and keeps what is not stored', async () => {
    using directory = new TemporaryDirectory();
    await using server = await Server.start(directory.join('data'), undefined, '--max-room-size', '16K');
    const link = await invite(server.address);
    const args = ['chat', link, '--name', 'alice', '--state', directory.join('alice'), '--timeout', '1'];
    const input = Array.from({ length: 50 }, (_, i) => `${i} ${'x'.repeat(1000)}\n`).join('');
    const refused = await run(args, { input });
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /^skytale: .* kept here, and sent the next time/m);
    server.program.kill('SIGTERM');
    await server.program.exit();
    await using roomier = await Server.start(directory.join('data'), server.address);
    assert.equal((await run(args)).code, 0);
    const reader = await run(['chat', link, '--name', 'bob', '--state', directory.join('bob')]);
    assert.equal(reader.stdout, input);
    assert.ok(roomier.program.running);
  });

  it('goes through WebSocket and TLS', async () => {
    using directory = new TemporaryDirectory();
    const [cert, key] = [directory.join('cert.pem'), directory.join('key.pem')];
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
    const request = ['req', '-x509', '-newkey', 'ed25519', '-nodes', '-days', '2', ...subject];
    execFileSync('openssl', [...request, '-out', cert, '-keyout', key], { stdio: 'ignore' });
    await using server = await Server.start(directory.join('plain'));
    await using secure = await Server.start(
      ...([directory.join('tls'), 'localhost:0', '--tls-cert', cert, '--tls-key', key] as const),
    );
    const tls = secure.address.replace(/^.*:/, 'localhost:');
    for (const [address, scheme] of [
      [`ws://${server.listening.http}`, 'skytale+ws'],
      [`tls://${tls}`, 'skytales'],
    ] as const) {
      const link = await invite(address, '--ca-file', cert);
      assert.ok(link.startsWith(`${scheme}://`), link);
      const state = ['--state', directory.join('state'), '--ca-file', cert, '--timeout', '5'];
      assert.equal((await run(['chat', link, '--name', 'a', ...state], { input: 'hello\n' })).code, 0);
      assert.equal((await run(['chat', link, '--name', 'b', ...state])).stdout, 'hello\n');
    }
    // Without the authority the certificate proves nothing.
    const untrusted = await run(['invite', '--server', `tls://${tls}`]);
    assert.equal(untrusted.code, 1);
    assert.match(untrusted.stderr, /certificate/);
  });

  it('keeps its secrets to its user', async () => {
    using directory = new TemporaryDirectory();
    await using server = await Server.start(directory.join('data'));
    mkdirSync(directory.join('state'), { mode: 0o755 });
    const args = ['chat', await invite(server.address), '--state', directory.join('state', 'own')];
    assert.equal((await run(args, { input: 'hello\n' })).code, 0);
    for (const entry of readdirSync(directory.join('state'), { recursive: true, withFileTypes: true })) {
      const { mode } = statSync(`${entry.parentPath}/${entry.name}`);
      assert.equal(mode & 0o777, entry.isDirectory() ? 0o700 : 0o600, entry.name);
    }
  });
});
