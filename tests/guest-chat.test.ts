/** `npm run demo`: a chat with a client in a virtual machine, whose encryption is done by the host's device. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const demo = fileURLToPath(new URL('../scripts/demo.ts', import.meta.url));

type Run = { readonly status: number | null; readonly stdout: string; readonly stderr: string };

/** @param untilLine end it by SIGINT once it has said this */
async function runDemo(untilLine?: RegExp): Promise<Run> {
  const child = spawn(process.execPath, [demo], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    if (untilLine?.test(stdout)) child.kill('SIGINT');
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const [status] = await once(child, 'close');
  return { status, stdout, stderr };
}

/** The two numbers behind a counter: before the messages and after them. */
function counter(stdout: string, name: string): [before: number, after: number] {
  const found = new RegExp(`^ *${name} +(\\d+) +(\\d+)$`, 'm').exec(stdout);
  assert.ok(found, `${name} is not in ${stdout}`);
  return [Number(found[1]), Number(found[2])];
}

describe('the chat in a guest', () => {
  it('is encrypted by the device on the host, as its counters show', async () => {
    const { status, stdout, stderr } = await runDemo();
    assert.equal(status, 0, `${stdout}${stderr}`);
    assert.equal(stdout.match(/guest → host /g)?.length, 2, stdout);
    assert.equal(stdout.match(/host {2}→ guest/g)?.length, 2, stdout);
    const [requestsBefore, requests] = counter(stdout, 'requests of the guest');
    const [, errors] = counter(stdout, 'answered with an error');
    const [bytesBefore, bytes] = counter(stdout, 'bytes encrypted and decrypted');
    // Each of the four messages was one encryption or decryption at least.
    assert.ok(requests - requestsBefore >= 4, stdout);
    assert.ok(bytes - bytesBefore >= 200, stdout);
    assert.equal(errors, 0);
    assert.equal(stderr, '');
  });

  it('leaves nothing running when it is interrupted', async () => {
    const { status, stderr } = await runDemo(/boots on QEMU/);
    // Its streams are closed, or this would not have come: nobody who inherited them is left.
    assert.equal(status, 130);
    assert.match(stderr, /ended by SIGINT/);
  });
});
