/**
 * `npm run demo`: a chat between this machine and a virtual machine whose encryption is done here. The guest's client
 * works on /dev/cryptodev0, our driver carries each operation to our device, and the device's counters show it.
 *
 * Status 0 if everything was as it should be. Whatever ends it, nothing is left: the server and the device are in this
 * process, QEMU ends with it, and the client beside it when its input ends.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { ChatServer, createRoom, formatInvite, nodeCrypto, parseServerAddress } from '@skytale/chat';
import { debianKernel, findQemu, Guest } from '@skytale/vm';
import pino from 'pino';
import { qemuDevice } from '../packages/skytale/src/device/models.ts';
import { type CryptoCounters, serveCrypto } from '../packages/skytale/src/device/served-crypto.ts';
import { exitCodeOf, onEndSignal } from '../packages/skytale/src/signals.ts';
import { styleFor } from '../packages/skytale/src/style.ts';
import { loadCryptodevDriver } from '../packages/skytale/src/vm/cryptodev-driver.ts';

const skytale = fileURLToPath(new URL('../packages/skytale/src/main.ts', import.meta.url));
/** Where QEMU's user-mode network shows its host to the guest. */
const hostInGuest = '10.0.2.2';
const device = '/dev/cryptodev0';
/** How long one message may take; nothing but a failure takes so long. */
const patienceMs = 60_000;

const style = styleFor(process.stdout);
const started = performance.now();

function say(text: string): void {
  const seconds = ((performance.now() - started) / 1000).toFixed(1).padStart(5);
  console.log(`${style('dim', `${seconds} s`)}  ${text}`);
}

/** A chat client in a pipe: what it says is what others have said. */
class Client {
  readonly name: string;
  readonly #stdin: Writable;
  readonly #exited: Promise<number>;
  readonly #lines: AsyncIterator<string>;
  #errors = '';

  constructor(
    name: string,
    streams: { stdin: Writable; stdout: Readable; stderr: Readable },
    exited: Promise<number>,
  ) {
    this.name = name;
    this.#stdin = streams.stdin;
    this.#stdin.on('error', () => {}); // what ended it is said better by its status
    this.#exited = exited;
    this.#exited.catch(() => {});
    this.#lines = createInterface({ input: streams.stdout })[Symbol.asyncIterator]();
    streams.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#errors += text;
    });
  }

  say(text: string): void {
    this.#stdin.write(`${text}\n`);
  }

  /** Waits until it prints that `from` has said this. */
  async hears(from: Client, text: string): Promise<void> {
    const line = await inTime(
      this.#lines.next(),
      `${this.name} has not got the message "${text}"`,
      () => this.#errors,
    );
    if (line.done)
      throw new Error(`${this.name} has ended with status ${await this.#exited}: ${this.#errors}`);
    if (line.value !== text) {
      throw new Error(`${this.name} has got "${line.value}", not "${text}"`);
    }
    say(
      `${style('bold', from.name.padEnd(5))} → ${style('bold', this.name.padEnd(5))}  ${style('cyan', text)}`,
    );
  }

  async leave(): Promise<void> {
    this.#stdin.end();
    const status = await inTime(this.#exited, `${this.name} does not end`, () => this.#errors);
    if (status !== 0) throw new Error(`${this.name} has ended with status ${status}: ${this.#errors}`);
  }
}

async function inTime<T>(promise: Promise<T>, otherwise: string, details: () => string): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`${otherwise} in ${patienceMs / 1000} s. ${details()}`)),
    patienceMs,
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function hostClient(invite: string, state: string): Client & Disposable {
  const args = [skytale, 'chat', '--name', 'host', '--crypto', 'virtio', '--state', state];
  const env = { ...process.env, SKYTALE_INVITE: invite };
  const child = spawn(process.execPath, args, { stdio: 'pipe', env });
  const exited = once(child, 'close').then(([status]) => status as number);
  return Object.assign(new Client('host', child, exited), {
    [Symbol.dispose]: () => void child.kill('SIGKILL'),
  });
}

async function guestClient(guest: Guest, invite: string): Promise<Client> {
  const args = [skytale, 'chat', '--name', 'guest', '--crypto', device, '--state', '/tmp/skytale'];
  const env = { HOME: process.env.HOME ?? '/root', SKYTALE_INVITE: invite };
  const child = await guest.spawn([process.execPath, ...args], { env });
  return new Client('guest', child, child.exited);
}

/** Says the messages in turn; @returns how many bytes they have */
async function talk(host: Client, guest: Client): Promise<number> {
  const lines: [Client, Client, string][] = [
    [guest, host, `Hello. What encrypts me is ${device}.`],
    [host, guest, 'Hello. What encrypts me is a virtio device in my own process.'],
    [guest, host, 'My kernel has no key of mine: it is on your side of the virtqueue.'],
    [host, guest, 'And the server between us has seen none of this.'],
  ];
  for (const [from, to, text] of lines) {
    from.say(text);
    await to.hears(from, text);
  }
  return lines.reduce((sum, [, , text]) => sum + Buffer.byteLength(text), 0);
}

function showCounters(before: CryptoCounters, after: CryptoCounters): void {
  const rows: [string, number, number][] = [
    ['requests of the guest', before.requests, after.requests],
    ['  answered with an error', before.errors, after.errors],
    ['bytes encrypted and decrypted', before.bytes, after.bytes],
    ['notifications by the driver', before.transport.kicks, after.transport.kicks],
    ['interrupts to the guest', before.transport.calls, after.transport.calls],
  ];
  console.log(
    `\n${style('bold', 'The device, here on the host'.padEnd(34))}${'before'.padStart(10)}${'after'.padStart(10)}`,
  );
  for (const [what, was, is] of rows) {
    console.log(`  ${what.padEnd(32)}${String(was).padStart(10)}${String(is).padStart(10)}`);
  }
  console.log();
}

/** @param stack takes what is to be stopped in the end */
async function demo(stack: AsyncDisposableStack): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'skytale-demo-'));
  const remove = () => rmSync(directory, { recursive: true, force: true });
  process.once('exit', remove);
  stack.defer(remove);

  const server = stack.use(
    await ChatServer.start(
      { tcp: [{ host: '127.0.0.1', port: 0 }], http: [], data: join(directory, 'server') },
      { logger: pino({ level: 'silent' }) },
    ),
  );
  const { port } = server.addresses.tcp[0]!;
  say(`a server is on 127.0.0.1:${port}`);
  const room = await createRoom({ crypto: nodeCrypto(), server: parseServerAddress(`127.0.0.1:${port}`) });
  const host = stack.use(hostClient(formatInvite(room), join(directory, 'host')));
  say('a room is made, and a client on the host has entered it');

  const [qemu, kernel] = await Promise.all([findQemu(11, say), debianKernel('6.1', say)]);
  const socket = join(directory, 'device');
  const served = stack.use(
    await serveCrypto({ model: 'virtio-cryptodev', engine: 'auto', queues: 1, socket }),
  );
  say(`a crypto device waits for a virtual machine; Linux ${kernel.release} boots on QEMU ${qemu.version}`);
  const devices = [qemuDevice(qemu, 'virtio-cryptodev', socket, 1)];
  const launching = Guest.launch({ qemu, kernel, devices, network: true, onProgress: say });
  stack.defer(async () => void (await launching.catch(() => undefined))?.kill());
  // The driver is built while the guest boots.
  const guestToBe: Pick<Guest, 'check'> = { check: async (...args) => (await launching).check(...args) };
  const loading = loadCryptodevDriver(guestToBe, kernel, say);
  // Both to their end, whatever becomes of the other: what is being built must not be left behind.
  await Promise.allSettled([launching, loading]);
  const guest = await launching;
  await loading;
  say(`the guest is up, and its driver has made ${device}`);

  const before = served.counters();
  const inside = { ...room, server: parseServerAddress(`${hostInGuest}:${port}`) };
  const guestSide = await guestClient(guest, formatInvite(inside));
  say(`a client in the guest starts, with --crypto ${device}`);
  const bytes = await talk(host, guestSide);
  await Promise.all([host.leave(), guestSide.leave()]);
  const after = served.counters();
  showCounters(before, after);
  prove(before, after, bytes);
  guest.assertCleanLog();
}

/** @throws {Error} if the guest's messages cannot have been encrypted, and the host's decrypted, by the device */
function prove(before: CryptoCounters, after: CryptoCounters, bytes: number): void {
  const done = after.bytes - before.bytes;
  if (done < bytes) throw new Error(`the device has worked on ${done} bytes; the messages have ${bytes}`);
  if (after.errors !== before.errors) throw new Error(`the device has refused ${after.errors} requests`);
  console.log(
    `${style('green', 'The guest’s encryption was done on the host:')} ${done} bytes went through its device,`,
  );
  console.log(`for messages of ${bytes} bytes (with what pads, greets and acknowledges them).`);
}

const { promise: interrupted, reject: interrupt } = Promise.withResolvers<never>();
let status = 0;
onEndSignal((signal) => {
  status = exitCodeOf(signal);
  interrupt(new Error(`ended by ${signal}`));
});
const stack = new AsyncDisposableStack();
const work = demo(stack);
try {
  await Promise.race([work, interrupted]);
} catch (error) {
  console.error(`${style('red', 'The demo has failed:')} ${(error as Error).message}`);
  status ||= 1;
}
await stack.disposeAsync();
await work.catch(() => {}); // it was said above
process.exit(status);
