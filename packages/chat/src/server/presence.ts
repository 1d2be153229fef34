import type { Clock } from '../clock.ts';
import { encodeFrame } from '../protocol/frames.ts';
import type { Client } from './client.ts';

/** Members in one PRESENT frame: it fits into the smallest maximum frame. */
const MEMBERS_PER_FRAME = 31;

/**
 * Tells the clients of a room who comes and goes. Changes are collected for a moment and told together, so
 * that a thousand members who join at once cost each of them a few writes, not a thousand.
 */
export class Presence {
  readonly #clients: ReadonlySet<Client>;
  readonly #clock: Clock;
  readonly #delayMs: number;
  /** Hex ids of who is here, and of who was when the clients were last told. */
  readonly #present = new Set<string>();
  readonly #changed = new Map<string, boolean>();
  #timer: Disposable | undefined;

  constructor(clients: ReadonlySet<Client>, clock: Clock, delayMs: number) {
    this.#clients = clients;
    this.#clock = clock;
    this.#delayMs = delayMs;
  }

  came(member: string): void {
    if (!this.#present.has(member)) this.#change(member, true);
    this.tellSoon();
  }

  left(member: string): void {
    if (this.#present.has(member)) this.#change(member, false);
  }

  /** Sees to it that clients whose list is stale get a new one. */
  tellSoon(): void {
    this.#timer ??= this.#clock.after(this.#delayMs, () => this.#tell());
  }

  #change(member: string, present: boolean): void {
    if (present) this.#present.add(member);
    else this.#present.delete(member);
    // Who came and left again within the delay was never seen by anyone.
    if (!this.#changed.delete(member)) this.#changed.set(member, present);
    this.tellSoon();
  }

  #tell(): void {
    this.#timer = undefined;
    const changes = this.#changes();
    let list: Uint8Array | undefined;
    for (const client of this.#clients) {
      if (client.writer.congested) {
        client.presenceStale = true;
      } else if (client.presenceStale) {
        list ??= this.#list();
        client.writer.send(list);
        client.presenceStale = false;
      } else if (changes.length > 0) {
        client.writer.send(changes);
      }
    }
  }

  #changes(): Uint8Array {
    const frames = [...this.#changed].map(([member, present]) =>
      encodeFrame({ type: 'presence', present, member: Buffer.from(member, 'hex') }),
    );
    this.#changed.clear();
    return Buffer.concat(frames);
  }

  #list(): Uint8Array {
    const members = [...this.#present].map((member) => Buffer.from(member, 'hex'));
    const frames: Uint8Array[] = [];
    for (let at = 0; at === 0 || at < members.length; at += MEMBERS_PER_FRAME) {
      const part = members.slice(at, at + MEMBERS_PER_FRAME);
      frames.push(encodeFrame({ type: 'present', start: at === 0, members: part }));
    }
    return Buffer.concat(frames);
  }
}
