import { ChatClient } from '../client/chat-client.ts';
import { ChatError } from '../client/chat-error.ts';
import type { Warning } from '../client/client-events.ts';
import type { ClientEnvironment } from '../client/environment.ts';
import { DuplexByteStream } from '../client/node/duplex-byte-stream.ts';
import { RoomKeys } from '../encryption/key-schedule.ts';
import { ClientDisk } from './client-disk.ts';
import { Witness } from './history.ts';
import { Life } from './life.ts';
import type { Place, Ruin, Someone } from './place.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { Link } from './simulated-network.ts';

/** What a user takes to start anew what has failed. */
const ANEW_MS = 1000;

/** One member of a room, over all the lives of its client; its disk outlives them. */
export class Person implements Someone {
  readonly witness: Witness;
  readonly warnings: Warning[] = [];
  /** Why a client could not go on. */
  readonly fatal: ChatError[] = [];
  readonly sealed = true;
  readonly resent = 0;
  readonly disk: ClientDisk;
  readonly ruin: Ruin = { refused: 0, lost: 0 };
  readonly #place: Place;
  readonly #secret: Uint8Array;
  readonly #random: SeededRandom;
  /** Half of the people have a transport without, and so a window. */
  readonly #backPressure: boolean;
  /** Of what `send` took, by its number. */
  readonly #texts = new Map<number, string>();
  /** Calls that have not ended. */
  readonly #calls = new Set<string>();
  #life: Life | undefined;
  #client: ChatClient | undefined;
  #said = 0;
  /** While it is being closed. */
  #closing: Promise<void> | undefined;
  link: Link | undefined;

  constructor(name: string, secret: Uint8Array, place: Place) {
    this.witness = new Witness(name);
    this.#place = place;
    this.#secret = secret;
    this.#random = place.random.fork();
    this.#backPressure = this.#random.fraction() < 0.5;
    this.disk = new ClientDisk(place.newMedium(), place.clock, this.#random);
  }

  get name(): string {
    return this.witness.name;
  }

  get running(): boolean {
    return this.#client !== undefined;
  }

  get damageTold(): number {
    return this.warnings.filter(({ code }) => code === 'DAMAGED').length;
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
    await this.#closing;
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
    this.#closing = this.#call('close', client.close(), () => undefined);
    await this.#closing;
    this.#closing = undefined;
    this.#end();
    this.disk.kill();
  }

  /** Ends the process, or all power. */
  kill(power: boolean): void {
    this.#client = undefined;
    this.#end();
    if (!power) this.disk.kill();
    else if (this.disk.cutPower()) this.ruin.lost += 1;
    this.link?.cut();
  }

  /** The process is gone. */
  #end(): void {
    this.#life?.end();
    this.#life = undefined;
    this.#calls.clear();
  }

  /** The disk has failed under it: its user ends it, and starts it anew a little later. */
  async #startAnew(): Promise<void> {
    this.ruin.refused += 1;
    await this.close();
    this.#place.clock.after(ANEW_MS, () => void this.start());
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
        link.client.once('close', () => {
          if (this.link === link) this.link = undefined;
        });
        return new DuplexByteStream(link.client, this.#backPressure);
      },
      openStore: (room, name, newSeed) => this.disk.openStore(room, name, newSeed),
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
      alive((error) => {
        if (error.code === 'CHAT_STATE_UNUSABLE') void this.#startAnew();
        else this.fatal.push(error);
      }),
    );
  }
}
