import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, describe, it } from 'node:test';
import { ChatError, type SentMessage } from '@skytale/chat';
import { LineSender, type Reason } from './line-sender.ts';
import { UnsentFile } from './unsent-file.ts';

const root = mkdtempSync(join(tmpdir(), 'line-sender-'));
after(() => rmSync(root, { recursive: true }));

function scene(directory: string, lines: readonly string[], send: (text: string) => Promise<SentMessage>) {
  const unsent = new UnsentFile(directory);
  const reasons: Reason[] = [];
  const input = new PassThrough();
  // The last line has no ending.
  input.end(lines.join('\n'));
  const sender = new LineSender({
    ...{ send, unsent, longest: 100, input },
    onSetAside: (reason) => reasons.push(reason),
    whenReady: async () => {},
  });
  return { unsent, reasons, sender };
}

describe('the sender of lines', () => {
  it('knows once which line became which message, and puts into the file what the client does not take', async () => {
    let n = 6;
    const { unsent, reasons, sender } = scene(join(root, 'state'), ['a', 'bad', 'c'], async (text) => {
      if (text === 'bad') throw new ChatError('CHAT_TEXT_MALFORMED', 'It is malformed.');
      n += 1;
      return { n };
    });
    await sender.sendAll();
    assert.deepEqual([sender.takeLine(7), sender.takeLine(8), sender.takeLine(9)], [1, 3, undefined]);
    assert.equal(sender.takeLine(7), undefined);
    assert.deepEqual(
      reasons.map(({ line, code }) => [line, code]),
      [[2, 'CHAT_TEXT_MALFORMED']],
    );
    assert.equal(readFileSync(unsent.path, 'utf8'), 'bad\n');
  });

  it('fails with what the file failed, where a line cannot be put into it', async () => {
    const file = join(root, 'a-file');
    writeFileSync(file, '');
    const { sender } = scene(file, ['bad'], async () => {
      throw new ChatError('CHAT_TEXT_TOO_LONG', 'It is too long.');
    });
    await assert.rejects(sender.sendAll(), { code: 'EEXIST' });
  });

  it('gives back what it has read and cannot put into the file, each byte once', async () => {
    const file = join(root, 'full');
    writeFileSync(file, '');
    const long = 'x'.repeat(200);
    for (const [lines, sends] of [
      [['one', 'two', long], 0],
      [[long, 'three'], 0],
      [['one', long], 1],
      [['one', 'bad', 'two'], 1],
    ] as const) {
      let taken = 0;
      const { sender } = scene(file, lines, async (text) => {
        if (text === 'bad') throw new ChatError('CHAT_TEXT_TOO_LONG', 'It is too long.');
        if (taken === sends) throw new ChatError('CHAT_STATE_UNUSABLE', 'The disk is full.');
        taken += 1;
        return { n: taken };
      });
      await assert.rejects(sender.sendAll());
      const { homeless, why } = await sender.putLeftAside();
      assert.equal((why as NodeJS.ErrnoException).code, 'EEXIST');
      const found = Buffer.from(homeless).toString().trimEnd().split('\n');
      assert.deepEqual(found.sort(), lines.slice(sends).toSorted());
    }
  });
});
