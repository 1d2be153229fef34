/** The chat in a pipe over a client that only tells of events; run by pipe-chat.test.ts as a process of its own. */
import { EventEmitter } from 'node:events';
import type { ChatClient } from '@skytale/chat';
import { pipeChat } from './pipe-chat.ts';

const member = 'cd'.repeat(32);
const fake = Object.assign(new EventEmitter(), {
  member: 'ab'.repeat(32),
  name: 'alice',
  unacknowledged: 0,
  confirm: () => {},
  flush: async () => {},
  close: async () => {},
  send: async () => ({ n: 1 }),
  start: () => {
    fake.emit('state', { phase: 'online' });
    fake.emit('unsupported', { seq: 4, member, name: 'bo\x1bb', kind: 'poll' });
    const reason = { code: 'CHAT_TEXT_TOO_LONG', message: 'This server takes 100 bytes.' };
    fake.emit('setAside', { id: new Uint8Array(16), text: 'a draft\x9b of last week', reason });
    fake.emit('caughtUp', { seq: 4 });
  },
});

process.exitCode = await pipeChat({
  client: fake as unknown as ChatClient,
  ...{ room: 'room', format: 'json', follow: false, timeout: 30, longest: 1000 },
  stateDirectory: process.argv[2]!,
});
