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
