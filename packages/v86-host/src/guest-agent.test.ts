import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { GuestAgent } from './guest-agent.ts';
import { V86Error } from './v86-error.ts';

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const code = (expected: string) => (error: unknown) => error instanceof V86Error && error.code === expected;

function setUp() {
  const sent: string[] = [];
  const violations: V86Error[] = [];
  const agent = new GuestAgent({
    send: (bytes) => sent.push(decode(bytes)),
    onViolation: (error) => violations.push(error),
  });
  const say = (text: string) => {
    for (const byte of encode(text)) agent.push(byte);
  };
  /** The token of the command that was sent last. */
  const token = () => sent.findLast((text) => text.startsWith('run '))!.split(' ')[1]!;
  return { agent, sent, violations, say, token };
}

/** After what promises have to do that are settled now. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('the agent', () => {
  it('runs a command: script and input in the pieces that the guest asks for, output and errors back', async () => {
    const { agent, sent, say, token } = setUp();
    const result = agent.run(encode('script'), encode('input'));
    await turn();
    assert.deepEqual(sent, []);
    say('ready 1234\n');
    await turn();
    assert.deepEqual(sent, [`run ${token()} 6 5\n`]);
    say('next 6\nnext 3\nnext 2\n');
    assert.deepEqual(sent.slice(1), ['script', 'inp', 'ut']);
    say(`done ${token()} 3 4 5\nout\nerror`);
    const { status, stdout, stderr } = await result;
    assert.deepEqual([status, decode(stdout), decode(stderr)], [3, 'out\n', 'error']);
  });

  it('runs one command after another, and an action between two', async () => {
    const { agent, sent, say, token } = setUp();
    say('ready 1\n');
    const order: string[] = [];
    const first = agent.run(encode('1'), encode('')).then(() => order.push('first'));
    const between = agent.between(async () => order.push('between'));
    const second = agent.run(encode('2'), encode('')).then(() => order.push('second'));
    await turn();
    assert.equal(sent.length, 1);
    assert.ok(agent.isBusy);
    say(`done ${token()} 0 0 0\n`);
    await Promise.all([first, between]);
    await turn();
    assert.equal(sent.length, 2);
    say(`done ${token()} 0 0 0\n`);
    await second;
    assert.deepEqual(order, ['first', 'between', 'second']);
    assert.ok(!agent.isBusy);
  });

  it('fails what runs when the machine is put back, and goes on', async () => {
    const { agent, say, token } = setUp();
    say('ready 1\n');
    const lost = agent.run(encode('1'), encode(''));
    await turn();
    say(`done ${token()} 0 10 0\nhalf`);
    agent.restored(new V86Error('guest-reset', 'put back'));
    await assert.rejects(lost, code('guest-reset'));
    const next = agent.run(encode('2'), encode(''));
    await turn();
    say(`done ${token()} 0 2 0\nok`);
    assert.equal(decode((await next).stdout), 'ok');
  });

  it('fails all when the machine has ended', async () => {
    const { agent, say } = setUp();
    const waiting = agent.run(encode('1'), encode(''));
    agent.fail(new V86Error('guest-gone', 'stopped'));
    agent.fail(new V86Error('emulator-failed', 'later'));
    await assert.rejects(waiting, code('guest-gone'));
    await assert.rejects(agent.ready, code('guest-gone'));
    say('nonsense\n');
    await assert.rejects(agent.run(encode('1'), encode('')), code('guest-gone'));
  });

  for (const [name, lines] of [
    ['another word', 'hello\n'],
    ['a line without end', 'x'.repeat(300)],
    ['an end of nothing', 'done T 0 0 0\n'],
    ['a wish when nothing runs', 'next 1\n'],
  ] as const) {
    it(`ends with ${name}`, () => {
      const { violations, say } = setUp();
      say(`ready 1\n${lines}`);
      assert.deepEqual(
        violations.map((error) => error.code),
        ['guest-protocol'],
      );
    });
  }

  for (const answer of [
    'next 0',
    'next -1',
    'next 7',
    'next',
    'next 1e9',
    'done TOKEN 0 1e12 0',
    'done TOKEN 0 -1 0',
    'done TOKEN',
  ]) {
    it(`ends with "${answer}" in answer to a command`, async () => {
      const { agent, violations, say, token } = setUp();
      say('ready 1\n');
      const result = agent.run(encode('script'), encode(''));
      await turn();
      say(`${answer.replace('TOKEN', token())}\n`);
      assert.equal(violations.length, 1);
      await assert.rejects(result, code('guest-protocol'));
    });
  }

  it('survives any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (bytes) => {
        const { agent, violations } = setUp();
        for (const byte of bytes) agent.push(byte);
        assert.ok(violations.length <= 1);
      }),
    );
  });
});
