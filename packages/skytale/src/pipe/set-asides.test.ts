import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { ChatError, type SetAside } from '@skytale/chat';
import { SetAsides } from './set-asides.ts';
import { UnsentFile } from './unsent-file.ts';

const root = mkdtempSync(join(tmpdir(), 'set-asides-'));
after(() => rmSync(root, { recursive: true }));

const draft = (n: number): SetAside => ({
  ...{ n, id: `${n}`, text: `text ${n}`, reason: new ChatError('CHAT_TEXT_TOO_LONG', 'It is too long.') },
});

/** What is done with drafts in this directory, in its order. */
function scene(directory: string, discard?: () => Promise<void>) {
  const unsent = new UnsentFile(directory);
  const done: string[] = [];
  const failures: unknown[] = [];
  const setAsides = new SetAsides({
    client: {
      discard: async (id) => {
        await discard?.();
        assert.ok(readFileSync(unsent.path, 'utf8').includes(`text ${id}\n`));
        done.push(`discarded ${id}`);
      },
    },
    unsent,
    onMoved: ({ n }) => done.push(`moved ${n}`),
    onFailed: (error) => failures.push(error),
  });
  return { unsent, done, failures, setAsides };
}

describe('drafts that were set aside', () => {
  it('are in the file before they are discarded', async () => {
    const { unsent, done, failures, setAsides } = scene(join(root, 'kept'));
    setAsides.add(draft(1), draft(2));
    await setAsides.idle();
    setAsides.add(draft(3));
    await setAsides.idle();
    assert.deepEqual(done, ['moved 1', 'moved 2', 'discarded 1', 'discarded 2', 'moved 3', 'discarded 3']);
    assert.equal(readFileSync(unsent.path, 'utf8'), 'text 1\ntext 2\ntext 3\n');
    assert.deepEqual(failures, []);
  });

  it('wait for the end of a line that is being put into the file', async () => {
    const { unsent, done, setAsides } = scene(join(root, 'line'));
    unsent.write(Buffer.from('a long line '));
    setAsides.add(draft(1));
    await setAsides.idle();
    assert.deepEqual(done, []);
    unsent.write(Buffer.from('ends\n'));
    setAsides.move();
    await setAsides.idle();
    assert.deepEqual(done, ['moved 1', 'discarded 1']);
    assert.equal(readFileSync(unsent.path, 'utf8'), 'a long line ends\ntext 1\n');
  });

  it('stay with the client when the file fails, and nobody is thrown at', async () => {
    const file = join(root, 'a-file');
    writeFileSync(file, '');
    const { done, failures, setAsides } = scene(file);
    setAsides.add(draft(1));
    await setAsides.idle();
    assert.deepEqual(done, []);
    assert.deepEqual(
      failures.map((error) => (error as NodeJS.ErrnoException).code),
      ['EEXIST'],
    );
  });

  it('are in the file when the client cannot discard them, which is told', async () => {
    const failure = new Error('The disk is gone.');
    const { unsent, done, failures, setAsides } = scene(join(root, 'gone'), () => Promise.reject(failure));
    setAsides.add(draft(1));
    await setAsides.idle();
    assert.deepEqual([done, failures], [['moved 1'], [failure]]);
    assert.equal(readFileSync(unsent.path, 'utf8'), 'text 1\n');
  });
});
