import type { Duplex } from 'node:stream';
import { copyOf, toHex, utf8 } from '../bytes.ts';
import type { SigningKey } from '../crypto.ts';
import { FrameDecoder } from '../protocol/frame-decoder.ts';
import { encodeFrame, type Frame } from '../protocol/frames.ts';
import { protocolErrorCode } from '../protocol/protocol-error.ts';
import { createStatement, joinStatement, roomIdPreimage } from '../protocol/signed.ts';
import type { DurableLog } from './durable-log.ts';
import type { Place } from './place.ts';
import type { SeededRandom } from './seeded-random.ts';

/** What one stays when all is said, and in what time it must be over in any case; in milliseconds. */
const STAY_MS = 20_000;
const VISIT_MS = 300_000;
const MAX_TEXTS = 5;
/** What any visit may end with, for servers and disks fail. */
const expected: readonly string[] = ['SERVER_FAILURE', 'IDLE', 'STORAGE_FULL', 'TOO_MANY_ROOMS'];

/** Somebody who makes a room, says a few things in it, and goes; the server's owner may delete the room at any time. */
export class Stranger {
  /** Hex of the id of the room that it made. */
  room: string | undefined;
  /** Whether the owner has asked that the room be deleted. */
  deleted = false;
  /** What it was told: that it may not have a room, or has none any more. */
  refused = false;
  evicted = false;
  over = false;
  readonly wrong: string[] = [];
  readonly #place: Place;
  readonly #random: SeededRandom;
  readonly #version: 1 | 2;
  readonly #texts: number;
  #access: SigningKey | undefined;
  #member: SigningKey | undefined;
  #challenge: Uint8Array = new Uint8Array(0);
  #acknowledged = 0;

  constructor(place: Place) {
    this.#place = place;
    this.#random = place.random.fork();
    this.#version = this.#random.pick([1, 2]);
    this.#texts = this.#random.between(0, MAX_TEXTS);
  }

  async visit(): Promise<void> {
    const { clock, crypto, network, server } = this.#place;
    this.#access = await crypto.signingKey(this.#random.bytes(32));
    this.#member = await crypto.signingKey(this.#random.bytes(32));
    try {
      const { client } = await network.connect(server.host, 'stranger');
      clock.after(VISIT_MS, () => {
        if (!this.over) this.wrong.push('the visit of a stranger does not end');
        client.destroy();
      });
      this.#converse(client);
    } catch {
      this.over = true;
    }
  }

  /** What is not in the log as it was told. */
  async judge(log: DurableLog): Promise<readonly string[]> {
    if (this.room === undefined || this.deleted) return this.wrong;
    const state = await log.roomState(this.room);
    if (state === undefined) return [...this.wrong, 'a room that was created is lost'];
    if (state.head < this.#acknowledged) return [...this.wrong, 'what a stranger said is lost'];
    return this.wrong;
  }

  #converse(stream: Duplex): void {
    const decoder = new FrameDecoder();
    stream.on('data', (piece: Uint8Array) => {
      decoder.push(copyOf(piece));
      for (let frame = decoder.next(); frame !== undefined; frame = decoder.next())
        void this.#received(frame, stream);
    });
    stream.on('error', () => undefined);
    stream.on('end', () => stream.destroy());
    stream.on('close', () => {
      this.over = true;
    });
  }

  async #received(frame: Frame, stream: Duplex): Promise<void> {
    switch (frame.type) {
      case 'welcome':
        this.#challenge = copyOf(frame.challenge);
        this.#send(stream, await this.#create());
        break;
      case 'created':
        this.room = toHex(frame.room);
        this.#send(stream, await this.#join(frame.room));
        break;
      case 'joined':
        for (let n = 1; n <= this.#texts; n += 1)
          this.#send(stream, { type: 'publish', n, envelope: utf8(`${n}`) });
        if (this.#texts === 0) this.#stay(stream);
        break;
      case 'ack':
        this.#acknowledged += 1;
        if (this.#acknowledged === this.#texts) this.#stay(stream);
        break;
      case 'ping':
        this.#send(stream, { type: 'pong', token: frame.token });
        break;
      case 'error':
        this.#error(protocolErrorCode(frame.code) ?? String(frame.code), frame.text);
        // After some of them the server would go on; a stranger does not.
        stream.end();
    }
  }

  async #create(): Promise<Frame> {
    const access = this.#access!;
    const room = (await this.#place.crypto.sha256(roomIdPreimage(access.publicKey))).subarray(0, 16);
    const accessSignature = await access.sign(createStatement(this.#challenge, room));
    return { type: 'create', version: this.#version, accessKey: access.publicKey, accessSignature };
  }

  async #join(room: Uint8Array): Promise<Frame> {
    const access = this.#access!;
    const member = this.#member!;
    const statement = joinStatement(this.#challenge, copyOf(room), member.publicKey);
    const join: Frame = {
      type: 'join',
      version: this.#version,
      accessKey: access.publicKey,
      accessSignature: await access.sign(statement),
      member: member.publicKey,
      memberSignature: await member.sign(statement),
      since: 0,
    };
    return this.#version === 2 ? { ...join, capabilities: [] } : join;
  }

  #error(code: string, text: string): void {
    if (code === 'TOO_MANY_ROOMS') this.refused = true;
    if (code === 'NO_SUCH_ROOM' && this.deleted) this.evicted = true;
    else if (!expected.includes(code)) this.wrong.push(`a stranger was told ${code}: ${text}`);
  }

  #send(stream: Duplex, frame: Frame): void {
    if (!stream.destroyed && stream.writable) stream.write(encodeFrame(frame));
  }

  #stay(stream: Duplex): void {
    this.#place.clock.after(this.#random.fraction() * STAY_MS, () => stream.destroy());
  }
}
