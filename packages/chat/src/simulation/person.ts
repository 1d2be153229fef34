import { ChatClient } from '../client/chat-client.ts';
import { ChatError } from '../client/chat-error.ts';
import type { Warning } from '../client/client-events.ts';
import type { ClientEnvironment } from '../client/environment.ts';
import { MemoryDisk } from '../client/memory-store.ts';
import { DuplexByteStream } from '../client/node/duplex-byte-stream.ts';
import { RoomKeys } from '../encryption/key-schedule.ts';
import { Witness } from './history.ts';
import { Life } from './life.ts';
import type { Place, Someone } from './place.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { Link } from './simulated-network.ts';

/** One member of a room, over all the lives of its client; its disk outlives them. */
export class Person implements Someone {
  readonly witness: Witness;
  readonly warnings: Warning[] = [];
  /** Why a client could not go on. */
  readonly fatal: ChatError[] = [];
  readonly sealed = true;
  readonly resent = 0;
  readonly #place: Place;
  readonly #secret: Uint8Array;
  readonly #random: SeededRandom;
  readonly #disk: MemoryDisk;
  /** Half of the people have a transport without, and so a window. */
  readonly #backPressure: boolean;
  /** Of what `send` took, by its number. */
  readonly #texts = new Map<number, string>();
  /** Calls that have not ended. */
  readonly #calls = new Set<string>();
  #life: Life | undefined;
  #client: ChatClient | undefined;
  #said = 0;
  link: Link | undefined;
  /** How long a commit of the state takes, at most; in milliseconds. */
  diskLatency = 1;

  constructor(name: string, secret: Uint8Array, place: Place) {
    this.witness = new Witness(name);
    this.#place = place;
    this.#secret = secret;
    this.#random = place.random.fork();
    this.#backPressure = this.#random.fraction() < 0.5;
    this.#disk = new MemoryDisk({
      write: () =>
        new Promise<void>((resolve) => {
          place.clock.after(this.#random.fraction() * this.diskLatency, resolve);
        }),
    });
  }

  get name(): string {
    return this.witness.name;
  }

  get running(): boolean {
    return this.#client !== undefined;
  }

  /** Messages of its own that it still has to bring to the server. */
  get unacknowledged(): number {
    return this.#client?.unacknowledged ?? 0;
  }

  /** Calls of this client that nobody has answered, by name. */
  get waiting(): readonly string[] {
    return [...this.#calls];
  }

  async start(): Promise<void> {
    if (this.#life !== undefined) return;
    const life = new Life(this.#place.clock);
    this.#life = life;
    const { server, crypto, device } = this.#place;
    const keys = await RoomKeys.derive(crypto, this.#secret);
    const options = { server, keys, name: this.name, device };
    const client = await ChatClient.open(options, this.#environment(life));
    if (life.over) return;
    this.#client = client;
    this.#listen(client, life);
    client.start();
  }

  /** Says something new. */
  say(length: number): void {
    const client = this.#client;
    if (client === undefined) return;
    this.#said += 1;
    const text = `${this.name} ${this.#said}`.padEnd(length, '.');
    const life = this.#life;
    this.#call(`send ${text.slice(0, 20)}`, client.send(text), ({ n }) => {
      if (life?.over === true) return;
      this.#texts.set(n, text);
      this.witness.accepted.add(text);
    });
  }

  /** Ends the client as its user would. */
  async close(): Promise<void> {
    const client = this.#client;
    if (client === undefined) return;
    this.#client = undefined;
    await this.#call('close', client.close(), () => undefined);
    this.#life?.end();
    this.#life = undefined;
    this.#calls.clear();
  }

  /** Ends the process, or all power. */
  kill(power: boolean): void {
    this.#life?.end();
    this.#life = undefined;
    this.#client = undefined;
    this.#calls.clear();
    if (power) this.#disk.cutPower();
    else this.#disk.kill();
    this.link?.cut();
  }

  #call<T>(name: string, promise: Promise<T>, then: (result: T) => void): Promise<void> {
    this.#calls.add(name);
    return promise.then(
      (result) => {
        this.#calls.delete(name);
        then(result);
      },
      () => {
        this.#calls.delete(name);
      },
    );
  }

  #environment(life: Life): ClientEnvironment {
    const { network, server } = this.#place;
    return {
      clock: life,
      fraction: () => this.#random.fraction(),
      dial: async (_server, signal) => {
        const link = await network.connect(server.host, this.name).catch((cause: unknown) => {
          throw new ChatError('CHAT_UNREACHABLE', 'Nobody listens there.', { cause });
        });
        if (life.over) {
          // The system closes what a process leaves open.
          link.cut();
          return new Promise(() => undefined);
        }
        signal.addEventListener('abort', () => link.client.destroy(), { once: true });
        this.link = link;
        return new DuplexByteStream(link.client, this.#backPressure);
      },
      openStore: (room, name, newSeed) => this.#disk.openStore(room, name, newSeed),
    };
  }

  #listen(client: ChatClient, life: Life): void {
    const { witness } = this;
    const alive = <Argument>(tell: (argument: Argument) => void) => {
      return (argument: Argument) => {
        if (!life.over) tell(argument);
      };
    };
    client.on(
      'message',
      alive((message) => witness.show(message, message)),
    );
    client.on(
      'ack',
      alive(({ n, seq }) => {
        const text = this.#texts.get(n);
        if (text !== undefined) witness.acknowledged.push({ seq, text });
      }),
    );
    client.on(
      'setAside',
      alive(({ text }) => witness.setAside.add(text)),
    );
    client.on(
      'warning',
      alive((warning) => this.warnings.push(warning)),
    );
    client.on(
      'fatal',
      alive((error) => this.fatal.push(error)),
    );
  }
}
