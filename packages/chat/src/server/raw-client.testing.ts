/** A client for tests that speaks frames, and knows nothing of encryption. */
import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import type { Duplex } from 'node:stream';
import { FrameDecoder } from '../protocol/frame-decoder.ts';
import { encodeFrame, type Frame } from '../protocol/frames.ts';
import { protocolErrorCode } from '../protocol/protocol-error.ts';
import { createStatement, joinStatement } from '../protocol/signed.ts';
import { roomIdOf } from './access.ts';
import type { Address } from './settings.ts';

type FrameOf<T extends Frame['type']> = Extract<Frame, { type: T }>;

export interface KeyPair {
  readonly publicKey: Uint8Array;
  readonly privateKey: KeyObject;
}

export function newKeyPair(): KeyPair {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  return { publicKey: Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url'), privateKey };
}

/** An envelope: some text, so that a failing test says something. */
export const text = (value: string): Uint8Array => Buffer.from(value);

export class RawClient implements AsyncDisposable {
  readonly stream: Duplex;
  readonly #decoder = new FrameDecoder();
  readonly #frames: Frame[] = [];
  #wake: () => void = () => undefined;
  #ended = false;
  #failure: unknown;
  challenge: Uint8Array = new Uint8Array(32);
  /** The version that it speaks. */
  version = 1;
  n = 0;

  constructor(stream: Duplex) {
    this.stream = stream;
    stream.on('data', (piece: Uint8Array) => this.#received(piece));
    stream.on('close', () => this.#end());
    stream.on('end', () => this.#end());
    stream.on('error', (error) => this.#end(error));
  }

  /** Connects over TCP and reads the WELCOME. */
  static async connect(address: Address): Promise<RawClient> {
    const client = new RawClient(connectTcp(address));
    await client.welcomed();
    return client;
  }

  async welcomed(): Promise<FrameOf<'welcome'>> {
    const welcome = await this.next('welcome');
    this.challenge = welcome.challenge;
    return welcome;
  }

  send(...frames: Frame[]): void {
    this.stream.write(Buffer.concat(frames.map(encodeFrame)));
  }

  create(access: KeyPair): void {
    const statement = createStatement(this.challenge, roomIdOf(access.publicKey));
    this.send({
      type: 'create',
      version: this.version,
      accessKey: access.publicKey,
      accessSignature: sign(null, statement, access.privateKey),
    });
  }

  /** Sends a JOIN; `changes` make it a wrong one. */
  sendJoin(access: KeyPair, member: KeyPair, since = 0, changes: Partial<FrameOf<'join'>> = {}): void {
    const statement = joinStatement(this.challenge, roomIdOf(access.publicKey), member.publicKey);
    this.send({
      type: 'join',
      version: this.version,
      accessKey: access.publicKey,
      accessSignature: sign(null, statement, access.privateKey),
      member: member.publicKey,
      memberSignature: sign(null, statement, member.privateKey),
      since,
      ...(this.version >= 2 && { capabilities: [] }),
      ...changes,
    });
  }

  async join(access: KeyPair, member: KeyPair, since = 0): Promise<FrameOf<'joined'>> {
    this.sendJoin(access, member, since);
    const joined = await this.next('joined');
    this.n = joined.lastN;
    return joined;
  }

  /** Publishes with the next n, which it returns. */
  publish(...envelopes: Uint8Array[]): number {
    const first = this.n + 1;
    this.n += envelopes.length;
    this.send(
      ...envelopes.map((envelope, index): Frame => ({ type: 'publish', n: first + index, envelope })),
    );
    return this.n;
  }

  /** The next frame, which must be of this type; presence and keep-alive are passed over unless asked for. */
  async next<T extends Frame['type']>(type: T): Promise<FrameOf<T>> {
    const passed = ['present', 'presence', 'count', 'ping'].filter((other) => other !== type);
    for (;;) {
      const frame = await this.nextOfAny();
      if (frame !== undefined && passed.includes(frame.type)) continue;
      const what =
        frame?.type === 'error' ? `error ${frame.code}: ${frame.text}` : (frame?.type ?? 'the end');
      assert.equal(frame?.type, type, `expected ${type}, got ${what}`);
      return frame as FrameOf<T>;
    }
  }

  async deliveries(count: number): Promise<FrameOf<'deliver'>[]> {
    const frames: FrameOf<'deliver'>[] = [];
    while (frames.length < count) frames.push(await this.next('deliver'));
    return frames;
  }

  /** The name of the error that comes next. */
  async error(): Promise<string | undefined> {
    return protocolErrorCode((await this.next('error')).code);
  }

  /** The name of the error that comes next, after which the server must hang up. */
  async fatalError(): Promise<string | undefined> {
    const code = await this.error();
    assert.equal(await this.nextOfAny(), undefined, 'the server did not hang up');
    return code;
  }

  /** The next frame; `undefined` when the server has hung up. */
  async nextOfAny(): Promise<Frame | undefined> {
    while (this.#frames.length === 0) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#ended) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#frames.shift();
  }

  /** Hangs up, and waits until that is done. */
  async close(): Promise<void> {
    if (this.stream.closed) return;
    const closed = once(this.stream, 'close');
    this.stream.destroy();
    await closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #received(piece: Uint8Array): void {
    try {
      this.#decoder.push(piece);
      for (let frame = this.#decoder.next(); frame !== undefined; frame = this.#decoder.next()) {
        this.#frames.push(frame);
      }
    } catch (error) {
      this.#failure = error;
    }
    this.#wake();
  }

  #end(error?: unknown): void {
    this.#ended = true;
    this.#failure ??= (error as NodeJS.ErrnoException | undefined)?.code === 'ECONNRESET' ? undefined : error;
    this.#wake();
  }
}
