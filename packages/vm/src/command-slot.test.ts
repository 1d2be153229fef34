import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createConnection, createServer, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { CommandSlot } from './command-slot.ts';
import { VmError } from './vm-error.ts';

/** Two connected sockets. */
async function connection(): Promise<[Socket, Socket]> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const near = createConnection((server.address() as { port: number }).port, '127.0.0.1');
  const [far] = (await once(server, 'connection')) as [Socket];
  server.close();
  return [near, far];
}

/** The agent's half of the protocol, driven by the test. */
class Agent {
  readonly data: Socket;
  readonly errors: Socket;
  #received: Buffer = Buffer.alloc(0);
  #more = Promise.withResolvers<void>();

  constructor(data: Socket, errors: Socket) {
    this.data = data;
    this.errors = errors;
    data.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#more.resolve();
      this.#more = Promise.withResolvers();
    });
  }

  async take(size: number): Promise<string> {
    while (this.#received.length < size) await this.#more.promise;
    const taken = this.#received.subarray(0, size);
    this.#received = this.#received.subarray(size);
    return taken.toString();
  }

  async line(): Promise<string> {
    while (!this.#received.includes('\n')) await this.#more.promise;
    return (await this.take(this.#received.indexOf('\n') + 1)).slice(0, -1);
  }

  ready(boot: string) {
    this.data.write(`junk of the boot before\nready ${boot}\n`);
    this.errors.write(`ready ${boot}\n`);
  }

  /** Takes a command: its token and script. */
  async command(): Promise<{ token: string; script: string }> {
    const [token, size] = (await this.line()).split(' ');
    return { token: token!, script: await this.take(Number(size)) };
  }

  end(token: string, status: number) {
    this.data.write(`${token} ${status}\n`);
    this.errors.write(`${token} ${status}\n`);
  }
}

describe('a command slot', () => {
  let slot: CommandSlot;
  let agent: Agent;
  const sockets: Socket[] = [];
  before(async () => {
    const [data, farData] = await connection();
    const [errors, farErrors] = await connection();
    sockets.push(data, farData, errors, farErrors);
    slot = new CommandSlot(1, data, errors);
    agent = new Agent(farData, farErrors);
    agent.ready('first');
    assert.equal(await slot.ready, 'first');
    assert.equal(await agent.line(), 'sync first');
  });
  after(() => {
    for (const socket of sockets) socket.destroy();
  });

  it('sends the script, then input in pieces with their sizes, and gives each output its stream', async () => {
    const child = slot.start('echo ü');
    const { token, script } = await agent.command();
    assert.equal(script, 'echo ü');
    child.stdin.end('x'.repeat(70_000));
    assert.equal(await agent.line(), '65536');
    await agent.take(65_536);
    assert.equal(await agent.line(), String(70_000 - 65_536));
    await agent.take(70_000 - 65_536);
    assert.equal(await agent.line(), '0');
    agent.data.write('out');
    agent.errors.write('err');
    agent.end(token, 3);
    assert.deepEqual(await Promise.all([text(child.stdout), text(child.stderr), child.exited]), [
      'out',
      'err',
      3,
    ]);
  });

  it('ends the input of a command that ended first, once', async () => {
    const child = slot.start('true');
    const { token } = await agent.command();
    agent.end(token, 0);
    assert.equal(await child.exited, 0);
    child.stdin.end('too late');
    assert.equal(await agent.line(), '0');
    slot.start('next');
    assert.equal((await agent.command()).script, 'next');
  });

  it('fails what runs at a reset, and serves the next boot', async () => {
    slot.fail(new VmError('guest-gone', 'the end of the command before'));
    const child = slot.start('sleep');
    await agent.command();
    slot.reset(new VmError('guest-reset', 'reset'));
    await assert.rejects(child.exited, (error) => error instanceof VmError && error.code === 'guest-reset');
    agent.ready('second');
    assert.equal(await slot.ready, 'second');
    assert.equal(await agent.line(), 'sync second');
    const again = slot.start('true');
    const { token } = await agent.command();
    agent.end(token, 0);
    assert.equal(await again.exited, 0);
  });
});
