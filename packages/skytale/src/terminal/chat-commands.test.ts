import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ChatError, type SetAside } from '@skytale/chat';
import { Names } from '../names.ts';
import { answer } from './chat-commands.ts';

const [me, bob, eve] = ['11', '22', '33'].map((byte) => byte.repeat(32)) as [string, string, string];
const groups = Array.from({ length: 12 }, (_, i) => String(10_000 + i)).join(' ');
const client = {
  member: me,
  present: [{ member: bob, name: 'bob', present: true }],
  knownMembers: new Map([
    [bob, 'bob'],
    [eve, 'bob'],
  ]),
  safetyNumber: async () => groups,
  setAside: [] as SetAside[],
  hidden: new Set<string>(),
  hide: async (member: string, hidden: boolean) => {
    if (hidden) client.hidden.add(member);
    else client.hidden.delete(member);
  },
  unacknowledged: 0,
  discard: async (id: string) => {
    client.setAside = client.setAside.filter((draft) => draft.id !== id);
  },
};
const names = new Names();
names.learn(me, 'alice');
names.learn(bob, 'bob');
names.learn(eve, 'bob');
const ask = async (line: string) => (await answer(line, client, names)).text.join('\n');

describe('commands in the chat', () => {
  it('say who is here', async () => {
    assert.equal(await ask('/who'), 'Here, by what the server says: alice (you), bob~222222.');
  });

  it('show safety numbers of all, of a name, of one of two with the same name, or of nobody', async () => {
    assert.match(
      await ask('/verify'),
      /you and bob~222222:\n {4}10000( \d{5}){5}\n {4}10006.*you and bob~333333:/s,
    );
    assert.match(await ask('/verify bob'), /222222.*333333/s);
    assert.doesNotMatch(await ask('/verify bob~333333'), /222222/);
    assert.match(await ask('/verify \x1b[2J'), /^Nobody called \\x1b\[2J/);
  });

  it('hide one member, and show it again', async () => {
    assert.match(await ask('/hide'), /^Nobody is hidden/);
    assert.match(await ask('/hide bob'), /Say which: bob~222222, bob~333333\.$/);
    assert.deepEqual([...client.hidden], []);
    assert.match(await ask('/hide bob~222222'), /^bob~222222 is hidden, for you only\. \/show bob~222222/);
    assert.deepEqual([...client.hidden], [bob]);
    assert.match(await ask('/who'), /bob~222222 \(hidden\)/);
    assert.equal(await ask('/hide'), 'Hidden: bob~222222.');
    assert.match(await ask('/hide bob~222222'), /is shown again/);
    assert.deepEqual([...client.hidden], []);
    await ask('/hide 3333');
    assert.match(await ask('/show bob~333333'), /is shown again/);
    assert.match(await ask('/show bob~333333'), /is shown again/);
    assert.match(await ask('/hide \x1b[2J'), /^Nobody called \\x1b\[2J/);
    assert.match(await ask('/hide alice'), /^Nobody called alice/);
    assert.deepEqual([...client.hidden], []);
  });

  it('forget the room when that was asked, and answered', async () => {
    for (const line of ['/forget', '/forget no', '/forget yes please']) {
      const { text, forget } = await answer(line, client, names);
      assert.equal(forget, undefined, line);
      assert.match(text.join('\n'), /type: \/forget yes/);
      assert.doesNotMatch(text.join('\n'), /lost/);
    }
    client.unacknowledged = 2;
    assert.match(await ask('/forget'), /lost then: 2\./);
    client.unacknowledged = 0;
    assert.equal((await answer('/forget yes', client, names)).forget, true);
  });

  it('forget what cannot be sent', async () => {
    const reason = new ChatError('CHAT_TEXT_TOO_LONG', 'It is too long.');
    client.setAside = [1, 2].map((n) => ({ n, id: `${n}`, text: 'x', reason }));
    assert.equal(await ask('/discard'), 'All 2 are forgotten.');
    assert.deepEqual(client.setAside, []);
    assert.match(await ask('/discard'), /^There are none/);
  });

  it('leave, help, and say what they do not know', async () => {
    assert.equal((await answer('/quit', client, names)).quit, true);
    assert.match(await ask('/help'), /\/verify/);
    assert.match(await ask('/nick'), /no command \/nick/);
  });
});
