import type { Duplex } from 'node:stream';
import { copyOf, equalBytes, toHex, utf8 } from '../bytes.ts';
import type { SigningKey } from '../crypto.ts';
import { RoomKeys } from '../encryption/key-schedule.ts';
import { FrameDecoder } from '../protocol/frame-decoder.ts';
import { encodeFrame, type Frame } from '../protocol/frames.ts';
import { protocolErrorCode } from '../protocol/protocol-error.ts';
import { joinStatement } from '../protocol/signed.ts';
import { Witness } from './history.ts';
import { Life } from './life.ts';
import type { Place, Someone } from './place.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { Link } from './simulated-network.ts';

const WINDOW = 64;
const RETRY_MS = 500;
const SILENCE_MS = 120_000;

/**
 * A member who speaks the protocol as it is written and nothing more: the text is the envelope. What the server may do to it
 * is so seen at once, where a `ChatClient` might repair it.
 */
export class RawPerson implements Someone {
  readonly witness: Witness;
  readonly warnings: { readonly code: string; readonly text: string }[] = [];
  readonly fatal: { readonly code: string; readonly message: string }[] = [];
  readonly sealed = false;
  readonly disk = undefined;
  readonly ruin = { refused: 0, lost: 0 };
  readonly #place: Place;
  readonly #secret: Uint8Array;
  readonly #random: SeededRandom;
  readonly #version: 1 | 2;
  /** What it has said, by number, from 1 on; all of it is on its disk. */
  readonly #texts: string[] = [];
  #keys: RoomKeys | undefined;
  /** Hex of the room's id. */
  #room = '';
  #identity: SigningKey | undefined;
  #life: Life | undefined;
  #acknowledged = 0;
  /** What the server had of it when one joined. */
  #lastN = 0;
  /** The last place that it has read. */
  #seq = 0;
  #caughtUp = false;
  #said = 0;
  #stream: Duplex | undefined;
  /** Of the connection: the last number that was sent, whether the server takes no more, and when it was heard. */
  #sent = 0;
  /** The last that was ever sent, and how often one was sent once more. */
  #published = 0;
  resent = 0;
  /** How often it was told that something is damaged. */
  damageTold = 0;
  #refused = false;
  #heardAt = 0;
  link: Link | undefined;

  constructor(name: string, secret: Uint8Array, place: Place) {
    this.witness = new Witness(name);
    this.#place = place;
    this.#secret = secret;
    this.#random = place.random.fork();
    this.#version = this.#random.pick([1, 2]);
  }

  get name(): string {
    return this.witness.name;
  }

  get running(): boolean {
    return this.#life !== undefined;
  }

  get unacknowledged(): number {
    return this.#texts.length - this.#acknowledged;
  }

  get waiting(): readonly string[] {
    return this.#caughtUp ? [] : ['LIVE'];
  }

  async start(): Promise<void> {
    if (this.#life !== undefined) return;
    const life = new Life(this.#place.clock);
    this.#life = life;
    this.#keys ??= await RoomKeys.derive(this.#place.crypto, this.#secret);
    this.#room = toHex(this.#keys.roomId);
    this.#identity ??= await this.#place.crypto.signingKey(this.#random.bytes(32));
    await this.#connect(life);
  }

  say(length: number): void {
    this.#said += 1;
    const text = `${this.name} ${this.#said}`.padEnd(length, '.');
    this.#texts.push(text);
    this.witness.accepted.add(text);
    this.#publish();
  }

  async close(): Promise<void> {
    this.kill();
  }

  kill(): void {
    this.#life?.end();
    this.#life = undefined;
    this.#stream?.destroy();
    this.#stream = undefined;
    this.#caughtUp = false;
  }

  async #connect(life: Life): Promise<void> {
    if (life.over) return;
    try {
      const link = await this.#place.network.connect(this.#place.server.host, this.name);
      if (life.over) return link.client.destroy() as unknown as undefined;
      this.link = link;
      this.#stream = link.client;
      this.#converse(life, link.client);
    } catch {
      this.#again(life);
    }
  }

  #again(life: Life): void {
    this.#stream = undefined;
    this.#caughtUp = false;
    life.after(RETRY_MS * (0.5 + this.#random.fraction()), () => void this.#connect(life));
  }

  #converse(life: Life, stream: Duplex): void {
    const decoder = new FrameDecoder();
    this.#refused = false;
    this.#sent = Number.POSITIVE_INFINITY;
    this.#heardAt = life.monotonic();
    this.#watch(life, stream);
    stream.on('data', (piece: Uint8Array) => {
      if (life.over) return;
      this.#heardAt = life.monotonic();
      try {
        decoder.push(copyOf(piece));
        for (let frame = decoder.next(); frame !== undefined; frame = decoder.next())
          this.#received(frame, stream, life);
      } catch (error) {
        this.warnings.push({ code: 'PROTOCOL', text: String(error) });
        stream.destroy();
      }
    });
    stream.on('error', () => undefined);
    stream.on('end', () => stream.destroy());
    stream.on('close', () => {
      if (this.link?.client === stream) this.link = undefined;
      if (!life.over) this.#again(life);
    });
  }

  /** A connection on which nothing comes is given up. */
  #watch(life: Life, stream: Duplex): void {
    life.after(SILENCE_MS / 2, () => {
      if (stream.destroyed) return;
      const silent = life.monotonic() - this.#heardAt >= SILENCE_MS;
      // What was stored and then damaged is not acknowledged on the connection on which it was published.
      const lost = this.#place.durable.hasGone(this.#room) && this.unacknowledged > 0 && !this.#refused;
      if (silent || lost) stream.destroy();
      else this.#watch(life, stream);
    });
  }

  #received(frame: Frame, stream: Duplex, life: Life): void {
    switch (frame.type) {
      case 'welcome':
        void this.#join(frame.challenge, stream);
        break;
      case 'joined':
        this.#joined(frame, stream);
        break;
      case 'ack':
        this.#acked(frame);
        break;
      case 'deliver':
        this.#delivered(frame);
        break;
      case 'damaged':
        this.#damaged(frame);
        break;
      case 'live':
        this.#live(frame.seq);
        break;
      case 'ping':
        stream.write(encodeFrame({ type: 'pong', token: frame.token }));
        break;
      case 'error':
        this.#error(protocolErrorCode(frame.code) ?? String(frame.code), frame.text, stream, life);
        break;
    }
  }

  async #join(challenge: Uint8Array, stream: Duplex): Promise<void> {
    const keys = this.#keys!;
    const member = this.#identity!.publicKey;
    const statement = joinStatement(copyOf(challenge), keys.roomId, member);
    const signatures = {
      accessKey: keys.accessKey.publicKey,
      accessSignature: await keys.accessKey.sign(statement),
      member,
      memberSignature: await this.#identity!.sign(statement),
    };
    if (stream.destroyed) return;
    const version = this.#version;
    const join: Frame = { type: 'join', version, ...signatures, since: this.#seq };
    stream.write(encodeFrame(version === 2 ? { ...join, capabilities: [] } : join));
  }

  #joined({ head, first, lastN }: Extract<Frame, { type: 'joined' }>, stream: Duplex): void {
    this.#passOver(first - 1, 'JOINED');
    if (head < this.#seq) this.#complain(`the room ends at ${head}, and ${this.#seq} was read`);
    if (lastN < this.#acknowledged)
      this.#complain(`${lastN} are stored, and ${this.#acknowledged} were acknowledged`);
    if (lastN > this.#texts.length)
      this.#complain(`${lastN} are stored, and ${this.#texts.length} were said`);
    this.#sent = lastN;
    this.#lastN = lastN;
    this.#stream = stream;
    this.#publish();
  }

  #acked({ n, seq, hash }: Extract<Frame, { type: 'ack' }>): void {
    if ((hash !== undefined) !== (this.#version === 2)) this.#complain('an ACK is of another version');
    if (seq === 0) return;
    this.#passOver(seq - 1, 'ACK');
    if (seq !== this.#seq + 1) this.#complain(`ACK of place ${seq} after ${this.#seq}`);
    this.#seq = seq;
    this.#settle(n, seq);
  }

  #delivered({ seq, member, n, envelope }: Extract<Frame, { type: 'deliver' }>): void {
    this.#passOver(seq - 1, 'DELIVER');
    if (seq !== this.#seq + 1) this.#complain(`DELIVER of place ${seq} after ${this.#seq}`);
    this.#seq = seq;
    const text = new TextDecoder().decode(envelope);
    const own = equalBytes(member, this.#identity!.publicKey);
    this.witness.show({ seq, text }, { own, again: false });
    if (!own) return;
    if (this.#texts[n - 1] !== text) this.#complain(`number ${n} is "${text.slice(0, 20)}"`);
    this.#settle(n, seq);
  }

  #damaged({ first, last }: Extract<Frame, { type: 'damaged' }>): void {
    if (this.#version === 1) this.#complain('DAMAGED is not of version 1');
    this.#passOver(first - 1, 'DAMAGED');
    if (first !== this.#seq + 1) this.#complain(`DAMAGED from ${first} after ${this.#seq}`);
    for (let seq = first; seq <= last; seq += 1) {
      if (!this.#place.durable.isGone(this.#room, seq)) this.#complain(`${seq} is called damaged`);
    }
    this.damageTold += 1;
    this.#seq = last;
  }

  #live(seq: number): void {
    this.#passOver(seq, 'LIVE');
    if (seq !== this.#seq) this.#complain(`LIVE at ${seq} after ${this.#seq}`);
    this.#caughtUp = true;
    if (this.#lastN <= this.#acknowledged) return;
    // They stand at places that nobody can read any more.
    if (!this.#place.durable.hasGone(this.#room))
      this.#complain(`own messages up to ${this.#lastN} are missing`);
    this.#acknowledged = this.#lastN;
    this.#publish();
  }

  /** Goes to a place, if all up to it are gone, and one is not told so. */
  #passOver(last: number, what: string): void {
    const { durable } = this.#place;
    const isPassed = (seq: number) =>
      this.#version === 1 ? durable.isGone(this.#room, seq) : durable.isPruned(this.#room, seq);
    while (this.#seq < last && isPassed(this.#seq + 1)) this.#seq += 1;
    if (this.#seq < last) this.#complain(`${what} passes over ${this.#seq + 1}`);
  }

  #settle(n: number, seq: number): void {
    if (n > this.#acknowledged + 1 && this.#place.durable.hasGone(this.#room)) this.#acknowledged = n - 1;
    if (n !== this.#acknowledged + 1)
      this.#complain(`number ${n} is acknowledged after ${this.#acknowledged}`);
    this.#acknowledged = Math.max(this.#acknowledged, n);
    this.witness.acknowledged.push({ seq, text: this.#texts[n - 1] ?? '' });
    this.#publish();
  }

  #error(code: string, text: string, stream: Duplex, life: Life): void {
    if (code !== 'STORAGE_FULL') {
      if (code !== 'SERVER_FAILURE' && code !== 'IDLE' && code !== 'REPLACED')
        this.#complain(`${code}: ${text}`);
      return;
    }
    this.warnings.push({ code: 'REFUSED', text });
    this.#refused = true;
    life.after(RETRY_MS, () => {
      if (stream !== this.#stream) return;
      this.#refused = false;
      this.#sent = this.#acknowledged;
      this.#publish();
    });
  }

  #publish(): void {
    if (this.#stream === undefined || this.#refused) return;
    while (this.#sent < this.#texts.length && this.#sent - this.#acknowledged < WINDOW) {
      this.#sent += 1;
      if (this.#sent <= this.#published) this.resent += 1;
      this.#published = Math.max(this.#published, this.#sent);
      this.#stream.write(
        encodeFrame({ type: 'publish', n: this.#sent, envelope: utf8(this.#texts[this.#sent - 1]!) }),
      );
    }
  }

  #complain(what: string): void {
    this.fatal.push({ code: 'PROTOCOL', message: what });
  }
}
