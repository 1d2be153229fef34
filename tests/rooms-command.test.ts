/** `skytale rooms`: what the owner of a server sees and does while it runs. */
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { describe, it } from 'node:test';
import { TemporaryDirectory } from './support/directory.ts';
import { invite, Program, run, Server } from './support/programs.ts';

describe('skytale rooms', { timeout: 300_000 }, () => {
  it('lists the rooms of a server that runs, and deletes one under those who are in it', async () => {
    using directory = new TemporaryDirectory();
    const data = directory.join('data');
    await using server = await Server.start(data);
    assert.equal((await run(['rooms', '--data', data])).stdout, 'There are no rooms.\n');
    const [spoken] = [await invite(server.address), await invite(server.address)];
    const state = directory.join('state');
    const say = ['chat', spoken!, '--state', state, '--name', 'alice'];
    assert.equal((await run(say, { input: 'one\ntwo\n' })).code, 0);

    const listed = await run(['rooms', '--data', data, '--json']);
    const rooms = listed.stdout
      .trim()
      .split('\n')
      .map(
        (line) =>
          JSON.parse(line) as {
            room: string;
            messages: number;
            members: number;
            createdFrom: string;
            damaged: boolean;
          },
      );
    assert.equal(rooms.length, 2);
    const used = rooms.find(({ messages }) => messages > 0)!;
    assert(used.messages >= 2);
    assert.deepEqual([used.members, used.createdFrom], [1, '127.0.0.1']);
    assert.equal(used.damaged, false);
    const { stdout: help } = await run(['rooms', '--help']);
    for (const key of Object.keys(used)) assert(help.includes(`"${key}":`), key);
    const shown = await run(['rooms', '--data', data]);
    assert.match(shown.stdout, new RegExp(`^ *ROOM .*\n *${used.room} .* 127\\.0\\.0\\.1\n`));

    await using inside = new Program(['chat', spoken!, '--state', directory.join('bob'), '--name', 'bob']);
    await inside.until(() => inside.stdout.includes('two'), 'what was said');
    const deleted = await run(['rooms', 'delete', used.room.slice(0, 8), '--data', data]);
    assert.equal(deleted.code, 0, deleted.stderr);
    assert.match(deleted.stderr, new RegExp(used.room));
    assert.notEqual(await inside.exit(), 0);
    const left = (await run(['rooms', '--data', data, '--json'])).stdout;
    assert(!left.includes(used.room));
    const again = await run(say, { input: 'three\n' });
    assert.equal(again.code, 1);
    assert.match(again.stderr, /no such room/i);
    assert.equal(statSync(`${data}/control`).mode & 0o777, 0o600);
  });

  it('deletes a room that is named as a chat shows it, or by its invite', async () => {
    using directory = new TemporaryDirectory();
    const data = directory.join('data');
    await using server = await Server.start(data);
    for (const name of [
      (link: string) => link,
      (link: string) => /\/([\w-]{22})#/.exec(link)![1]!,
      (link: string) =>
        Buffer.from(/\/([\w-]{22})#/.exec(link)![1]!, 'base64url')
          .toString('hex')
          .toUpperCase(),
    ]) {
      const [kept, room] = [await invite(server.address), name(await invite(server.address))];
      const deleted = await run(['rooms', 'delete', room, '--data', data]);
      assert.equal(deleted.code, 0, `${room}: ${deleted.stderr}`);
      const again = await run(['rooms', 'delete', room, '--data', data]);
      assert.equal(again.code, 1, again.stderr);
      assert.equal((await run(['rooms', 'delete', kept, '--data', data])).code, 0);
    }
    assert.equal((await run(['rooms', '--data', data])).stdout, 'There are no rooms.\n');
  });

  it('says so when it cannot', async () => {
    using directory = new TemporaryDirectory();
    const data = directory.join('data');
    const none = await run(['rooms', '--data', data]);
    assert.equal(none.code, 1);
    assert.match(none.stderr, /No server runs with its data in .*--data/);
    await using server = await Server.start(data);
    for (const [words, code, message] of [
      [['delete'], 2, /followed by nothing/],
      [['forget', 'abcd'], 2, /followed by nothing/],
      [['delete', 'abc'], 2, /4 to 32 hexadecimal digits/],
      [['delete', 'z'.repeat(23)], 2, /or by its invite/],
      [['delete', 'skytale://127.0.0.1:1/AAAA#x'], 2, /cut short/],
      [['delete', 'abcd', 'abce'], 2, /followed by nothing/],
      [['delete', 'abcd'], 1, /no room that begins with abcd/],
    ] as const) {
      const result = await run(['rooms', ...words, '--data', data]);
      assert.equal(result.code, code, result.stderr);
      assert.match(result.stderr, message);
    }
    await server.crash();
    assert.match((await run(['rooms', '--data', data])).stderr, /No server runs/);
    await using next = await Server.start(data);
    assert.equal((await run(['rooms', '--data', data])).code, 0);
    next.program.kill('SIGTERM');
    assert.equal(await next.program.exit(), 0);
  });
});
