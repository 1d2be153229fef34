import type { Clock } from '../clock.ts';
import { encodeFrame } from '../protocol/frames.ts';
import type { ConnectionWriter } from './connection-writer.ts';

/** Members of a room that its clients are told by name; of the others they are told how many there are. */
export const MAX_NAMED = 200;
/** Members in one PRESENT frame: it fits into the smallest maximum frame. */
const MEMBERS_PER_FRAME = 31;
/** In a room of k times as many clients as this, they are told k times more rarely. */
const LARGE_ROOM = 200;

/** A client that is told who is here. */
export interface Audience {
  /** Hex of its member's id, and the id. */
  readonly member: string;
  readonly memberBytes: Uint8Array;
  readonly writer: ConnectionWriter;
  /** The version of its protocol. */
  readonly version: number;
}

/**
 * Tells the clients of a room who comes and goes.
 *
 * 1. At most 200 members are named, those that came first; when one of them leaves, another is named. In a larger room
 *    clients of version 2 are told how many there are, and each client is told of itself.
 * 2. Changes are collected for a moment and told together. The moment is longer the more clients there are.
 * 3. A client that does not take what it is sent is told nothing, and is given a new list when it does.
 * 4. After `close` nobody is told anything, and no timer is set, whoever is said to come or go.
 *
 * Cost, for n clients: O(1) for who comes or goes. To tell it is O(n) and at most 400 changes; since that is done n / 200 times more
 * rarely, a second costs a room no more than 4,000 writes, whatever n is. A list is 6.5 KB, built once for all who need one.
 */
export class Presence {
  readonly #clock: Clock;
  readonly #delayMs: number;
  readonly #audience = new Set<Audience>();
  /** Those that have to be given a list before they are told of changes. */
  readonly #stale = new Set<Audience>();
  /** Members that are here, by hex id: the named, and the others, in the order in which they came. */
  readonly #named = new Map<string, Uint8Array>();
  readonly #others = new Map<string, Uint8Array>();
  /** What is new with the named since the audience was last told: whether each is. */
  readonly #changed = new Map<string, { readonly id: Uint8Array; readonly present: boolean }>();
  #list: Uint8Array | undefined;
  #toldCount = 0;
  #telling: Disposable | undefined;
  #closed = false;

  constructor(clock: Clock, delayMs: number) {
    this.#clock = clock;
    this.#delayMs = delayMs;
  }

  /** A member's client is here: it is told of others from now on, in place of its member's older client if there is one. */
  came(client: Audience): void {
    const { member, memberBytes } = client;
    this.#audience.add(client);
    this.#stale.add(client);
    if (this.#named.size < MAX_NAMED) this.#name(member, memberBytes);
    else if (!this.#named.has(member)) this.#others.set(member, memberBytes);
    this.#tellSoon();
  }

  /** A client is told no more. Its member has left, unless another client has taken its place (`stays`). */
  left(client: Audience, stays: boolean): void {
    const { member } = client;
    this.#audience.delete(client);
    this.#stale.delete(client);
    if (stays) return;
    this.#tellSoon();
    if (this.#others.delete(member)) return;
    const id = this.#named.get(member);
    if (id === undefined) return;
    this.#named.delete(member);
    this.#change(member, id, false);
    for (const [next, nextId] of this.#others) {
      this.#others.delete(next);
      this.#name(next, nextId);
      break;
    }
  }

  /** A client has caught up with its room: if it was left out, it gets a new list soon. */
  caughtUp(client: Audience): void {
    if (this.#stale.has(client)) this.#tellSoon();
  }

  close(): void {
    this.#closed = true;
    this.#telling?.[Symbol.dispose]();
    this.#audience.clear();
    this.#stale.clear();
  }

  get #count(): number {
    return this.#named.size + this.#others.size;
  }

  #name(member: string, id: Uint8Array): void {
    if (this.#named.has(member)) return;
    this.#named.set(member, id);
    this.#change(member, id, true);
  }

  #change(member: string, id: Uint8Array, present: boolean): void {
    this.#list = undefined;
    // Who came and left again before it was told was never seen by anyone.
    if (!this.#changed.delete(member)) this.#changed.set(member, { id, present });
  }

  #tellSoon(): void {
    if (this.#closed) return;
    const delay = this.#delayMs * Math.max(1, this.#audience.size / LARGE_ROOM);
    this.#telling ??= this.#clock.after(delay, () => this.#tell());
  }

  #tell(): void {
    this.#telling = undefined;
    const changes = this.#changes();
    const count = this.#countFrame();
    if (changes.length > 0 || count !== undefined) this.#tellChanges(changes, count);
    for (const client of this.#stale) {
      if (client.writer.congested) continue;
      this.#stale.delete(client);
      this.#giveList(client);
    }
  }

  #tellChanges(changes: Uint8Array, count: Uint8Array | undefined): void {
    for (const client of this.#audience) {
      if (this.#stale.has(client)) continue;
      if (client.writer.congested) {
        this.#stale.add(client);
        continue;
      }
      if (changes.length > 0) client.writer.send(changes);
      if (count !== undefined && client.version >= 2) client.writer.send(count);
    }
  }

  #giveList(client: Audience): void {
    this.#list ??= encodeList([...this.#named.values()]);
    client.writer.send(this.#list);
    if (!this.#named.has(client.member)) {
      client.writer.send(encodeFrame({ type: 'present', start: false, members: [client.memberBytes] }));
    }
    if (this.#others.size > 0 && client.version >= 2) {
      client.writer.send(encodeFrame({ type: 'count', members: this.#count }));
    }
  }

  #changes(): Uint8Array {
    const frames: Uint8Array[] = [];
    for (const { id, present } of this.#changed.values()) {
      frames.push(encodeFrame({ type: 'presence', present, member: id }));
    }
    this.#changed.clear();
    return Buffer.concat(frames);
  }

  /** How many there are, if that is new and some are not named or were not when it was last told. */
  #countFrame(): Uint8Array | undefined {
    const count = this.#count;
    const told = this.#toldCount;
    this.#toldCount = count;
    if (count === told || Math.max(count, told) <= MAX_NAMED) return undefined;
    return encodeFrame({ type: 'count', members: count });
  }
}

function encodeList(members: readonly Uint8Array[]): Uint8Array {
  const frames: Uint8Array[] = [];
  for (let at = 0; at === 0 || at < members.length; at += MEMBERS_PER_FRAME) {
    const part = members.slice(at, at + MEMBERS_PER_FRAME);
    frames.push(encodeFrame({ type: 'present', start: at === 0, members: part }));
  }
  return Buffer.concat(frames);
}
