import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CryptoDevice, openEngineDevice } from '@skytale/cryptodev';
import { genesisOf } from '../../encryption/chain.ts';
import type { Content } from '../../encryption/content.ts';
import type { ChainPosition } from '../../encryption/envelope.ts';
import { Identity } from '../../encryption/identity.ts';
import { RoomKeys } from '../../encryption/key-schedule.ts';
import type { ServerAddress } from '../../encryption/server-address.ts';
import { SharedKeyCipher } from '../../encryption/shared-key-cipher.ts';
import { Transcript } from '../../encryption/transcript.ts';
import { nodeCrypto } from '../../node-crypto.ts';
import type { Frame } from '../../protocol/frames.ts';
import { ChatClient, type ChatClientOptions } from '../chat-client.ts';
import type { ChatError } from '../chat-error.ts';
import type { ChatClientEvents, ChatMessage, Warning, WarningCode } from '../client-events.ts';
import type { ClientTuning } from '../client-tuning.ts';
import type { ClientEnvironment } from '../environment.ts';
import { type NodeClientOptions, nodeEnvironment, openNodeClient } from '../node/node-client.ts';

const crypto = nodeCrypto();

export type Deliver = Extract<Frame, { type: 'deliver' }>;

/** Short waits, so that tests need none of their own. */
export const quick: Partial<ClientTuning> = {
  retryFirst: 5,
  retryLongest: 20,
  refusedPause: 5,
  distrustInterval: 5,
};

/** A room: its secret, a crypto device, a directory for states; and whatever is opened in it, closed at its end. */
export class RoomFixture implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'skytale-chat-'));
  readonly crypto = crypto;
  readonly device: CryptoDevice;
  readonly roomId: Uint8Array;
  readonly #genesis: Uint8Array;
  readonly #secret: Uint8Array;
  readonly #opened: AsyncDisposable[] = [];

  static async open(secret: Uint8Array = Identity.newSeed(crypto)): Promise<RoomFixture> {
    using keys = await RoomKeys.derive(crypto, secret);
    const genesis = await genesisOf(crypto, keys.roomId);
    return new RoomFixture(await openEngineDevice('node'), secret, keys.roomId, genesis);
  }

  private constructor(device: CryptoDevice, secret: Uint8Array, roomId: Uint8Array, genesis: Uint8Array) {
    this.device = device;
    this.roomId = roomId;
    this.#genesis = genesis;
    this.#secret = secret;
  }

  /** For the caller to wipe. */
  keys(): Promise<RoomKeys> {
    return RoomKeys.derive(crypto, this.#secret);
  }

  /** An empty history of the room. */
  transcript(): Transcript {
    return new Transcript(crypto, this.#genesis);
  }

  /** A client that is not started. */
  async client(server: ServerAddress, options: Partial<NodeClientOptions> = {}): Promise<WatchedClient> {
    const client = await openNodeClient({
      server,
      keys: await this.keys(),
      name: 'bob',
      device: this.device,
      stateDirectory: this.directory,
      ...options,
      tuning: { ...quick, ...options.tuning },
    });
    this.#opened.push(client);
    return new WatchedClient(client);
  }

  /** A client that is not started, of which some of the world is not Node's. */
  async clientIn(
    world: Partial<ClientEnvironment>,
    server: ServerAddress,
    options: Partial<ChatClientOptions> = {},
  ): Promise<WatchedClient> {
    const keys = await this.keys();
    const environment = { ...nodeEnvironment({ stateDirectory: this.directory }), ...world };
    const usual = { server, keys, name: 'bob', device: this.device };
    const tuning = { ...quick, ...options.tuning };
    const client = await ChatClient.open({ ...usual, ...options, tuning }, environment);
    this.#opened.push(client);
    return new WatchedClient(client);
  }

  /** A member without a client, who writes what a test wants delivered. */
  async member(name = 'alice'): Promise<Writer> {
    const identity = await Identity.open(crypto, Identity.newSeed(crypto));
    const cipher = new SharedKeyCipher(await this.keys(), identity, this.device);
    this.#opened.push(cipher);
    return new Writer(name, cipher, this.transcript());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const opened of this.#opened.reverse()) await opened[Symbol.asyncDispose]();
    await this.device.close();
    rmSync(this.directory, { recursive: true });
  }
}

/** Seals messages, numbered and with a history of their own. */
export class Writer {
  readonly name: string;
  readonly cipher: SharedKeyCipher;
  /** What this member has seen of the room. */
  readonly transcript: Transcript;
  #n = 0;

  constructor(name: string, cipher: SharedKeyCipher, transcript: Transcript) {
    this.name = name;
    this.cipher = cipher;
    this.transcript = transcript;
  }

  /** The DELIVER of the next message, at the next place of this member's history. */
  async say(text: string, seen: ChainPosition = this.transcript.position): Promise<Deliver> {
    return await this.write({ kind: 'text', name: this.name, text, at: 0 }, seen);
  }

  /** The same of any content. */
  async write(content: Content, seen: ChainPosition = this.transcript.position): Promise<Deliver> {
    this.#n += 1;
    const n = this.#n;
    const { envelope } = await this.cipher.seal(n, content, seen);
    const { member } = this.cipher;
    const seq = this.transcript.seq + 1;
    await this.transcript.takeOwn({ seq, member, n, envelope }, this.name);
    return { type: 'deliver', seq, time: 0, member, n, envelope };
  }
}

/** A client and all that it told. */
export class WatchedClient {
  readonly client: ChatClient;
  readonly messages: ChatMessage[] = [];
  readonly warnings: Warning[] = [];
  readonly fatal: Promise<ChatError>;

  constructor(client: ChatClient) {
    this.client = client;
    client.on('message', (message) => this.messages.push(message));
    client.on('warning', (warning) => this.warnings.push(warning));
    this.fatal = new Promise((resolve) => client.once('fatal', resolve));
  }

  get texts(): string[] {
    return this.messages.map(({ text }) => text);
  }

  get codes(): WarningCode[] {
    return this.warnings.map(({ code }) => code);
  }

  /** Resolves when a condition on what it told holds; rejects if the client fails for good before. */
  async until(condition: () => boolean): Promise<void> {
    if (condition()) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const check = () => {
      if (condition()) resolve();
    };
    for (const event of EVENTS) this.client.on(event, check);
    void this.fatal.then(reject);
    try {
      await promise;
    } finally {
      for (const event of EVENTS) this.client.off(event, check);
    }
  }
}

/** All that a client tells; the type makes sure of it, as a condition may wait for any. */
const EVENTS = Object.keys({
  state: 0,
  message: 0,
  introduction: 0,
  ack: 0,
  company: 0,
  presence: 0,
  warning: 0,
  setAside: 0,
  unsupported: 0,
  caughtUp: 0,
  fatal: 0,
} satisfies Record<keyof ChatClientEvents, 0>) as (keyof ChatClientEvents)[];

/** The arguments of a client's next event of this name. */
export function once<Name extends keyof ChatClientEvents>(
  client: ChatClient,
  name: Name,
): Promise<ChatClientEvents[Name]> {
  return new Promise((resolve) => client.once(name, (...args) => resolve(args)));
}
