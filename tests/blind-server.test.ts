/** The server's memory, database and log hold no byte of what is said, nor of any key. */
import assert from 'node:assert/strict';
import { hkdfSync } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { TemporaryDirectory } from './support/directory.ts';
import { findInMemory, formsOf } from './support/process-memory.ts';
import { invite, Program, run, Server } from './support/programs.ts';

const marked = 'MARKED-PLAINTEXT';
const name = 'MARKED-NAME-OF-ALICE';

describe('a server', { timeout: 300_000 }, () => {
  it('cannot know what it carries', async () => {
    using directory = new TemporaryDirectory();
    await using server = await Server.start(directory.join('data'), undefined, '--log-level', 'debug');
    const link = await invite(server.address);
    await using bob = new Program(
      ['chat', link, '--name', 'bob', '--state', directory.join('bob'), '--follow'],
      { input: '' },
    );
    const texts = Array.from({ length: 200 }, (_, i) => `${marked}-${i} ${'pad '.repeat(i)}`);
    const alice = await run(['chat', link, '--name', name, '--state', directory.join('alice')], {
      input: texts.map((text) => `${text}\n`).join(''),
    });
    assert.equal(alice.code, 0, alice.stderr);
    await bob.until(() => bob.lines.length === texts.length, 'all messages');
    assert.deepEqual(bob.lines, texts);

    const secrets = { ...secretsOf(link), marked: Buffer.from(marked), name: Buffer.from(name) };
    const room = Buffer.from(roomOf(link), 'base64url');
    // The room's id is what the server does know. If it were not found, this method of looking would be no good.
    assert.deepEqual(
      findInMemory(server.program.pid, { ...secrets, room }),
      new Set(['room']),
      'found in the memory of the server',
    );
    // And where the keys are, the method finds them.
    const known = findInMemory(bob.pid, { marked: Buffer.from(marked), link: Buffer.from(link) });
    assert.deepEqual(known, new Set(['marked', 'link']), 'found in the memory of a client');

    server.program.kill('SIGTERM');
    assert.equal(await server.program.exit(), 0);
    const files = readdirSync(directory.join('data'), { recursive: true, encoding: 'utf8' });
    const stored = Buffer.concat(files.map((file) => readFileSync(directory.join('data', file))));
    const written = Buffer.from(server.program.stderr + server.program.stdout);
    assert.ok(stored.includes(room), 'the room is in the database');
    for (const [what, secret] of Object.entries(secrets)) {
      for (const form of formsOf(secret)) {
        assert.ok(!stored.includes(form), `${what} is in the database`);
        assert.ok(!written.includes(form), `${what} is in the log`);
      }
    }
  });
});

const roomOf = (link: string): string => /\/([\w-]{22})#/.exec(link)![1]!;

/** The room secret, as it is and as it stands in the link, and all keys derived from it (docs/protocol.md). */
function secretsOf(link: string): Record<string, Buffer> {
  const text = link.slice(link.indexOf('#') + 1);
  const secret = Buffer.from(text, 'base64url');
  const derived = (label: string) => Buffer.from(hkdfSync('sha256', secret, '', `skytale ${label} 1`, 32));
  return {
    secret,
    'secret in the link': Buffer.from(text),
    'access seed': derived('access'),
    'message root': derived('messages'),
    'verify key': derived('verify'),
  };
}
