/**
 * The chat in a pipe over a client that only tells of events; run by pipe-chat.test.ts as a process of its own. It writes on
 * standard error what it was told to discard.
 */
import { EventEmitter } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ChatClient } from '@skytale/chat';
import { pipeChat } from './pipe-chat.ts';

const stateDirectory = process.argv[2]!;
const member = 'cd'.repeat(32);
const reason = { code: 'CHAT_TEXT_TOO_LONG', message: 'This server takes 100 bytes.' };

/** As the outbox does: what a listener throws is taken for a failure of its own. */
function tell(event: string, argument: unknown): void {
  try {
    fake.emit(event, argument);
  } catch {
    fake.emit('fatal', new Error('The crypto device failed.'));
  }
}

function textsInFiles(): string {
  const files = readdirSync(stateDirectory).filter((name) => name.startsWith('unsent-'));
  return files.map((name) => readFileSync(join(stateDirectory, name), 'utf8')).join('');
}

const fake = Object.assign(new EventEmitter(), {
  member: 'ab'.repeat(32),
  name: 'alice',
  unacknowledged: 0,
  setAside: [{ n: 1, id: 'first', text: 'a draft\x9b of last week', reason }],
  confirm: () => {},
  flush: async () => {},
  close: async () => {},
  discard: async (id: string) => {
    process.stderr.write(`discarded ${id} with ${JSON.stringify(textsInFiles())} in the file\n`);
  },
  send: async (text: string) => {
    // Before the one who sends it can know its number.
    queueMicrotask(() => tell('setAside', { n: 2, id: 'second', text, reason }));
    return await Promise.resolve({ n: 2 });
  },
  start: () => {
    fake.emit('state', { phase: 'online' });
    for (const seq of [4, 5]) fake.emit('unsupported', { seq, member, name: 'bo\x1bb', kind: 'poll' });
    fake.emit('caughtUp', { seq: 4 });
  },
});

try {
  process.exitCode = await pipeChat({
    client: fake as unknown as ChatClient,
    ...{ room: 'room', format: 'json', follow: false, timeout: 30_000, longest: 1000, stateDirectory },
  });
} catch (error) {
  process.stderr.write(`failed: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
