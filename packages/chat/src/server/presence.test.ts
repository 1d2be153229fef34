import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { FrameDecoder } from '../protocol/frame-decoder.ts';
import { type Audience, MAX_NAMED, Presence } from './presence.ts';
import { ManualClock } from './server.testing.ts';

const DELAY_MS = 50;

/** A client that believes what it is told. */
class Listener implements Audience {
  readonly member: string;
  readonly memberBytes: Uint8Array;
  readonly version: number;
  readonly named = new Set<string>();
  count: number | undefined;
  bytes = 0;
  congested = false;
  readonly #decoder = new FrameDecoder();
  readonly writer = this as unknown as Audience['writer'];

  constructor(id: number, version = 2) {
    this.member = id.toString(16).padStart(64, '0');
    this.memberBytes = Buffer.from(this.member, 'hex');
    this.version = version;
  }

  send(bytes: Uint8Array): void {
    assert(!this.congested);
    this.bytes += bytes.length;
    this.#decoder.push(bytes);
    for (let frame = this.#decoder.next(); frame !== undefined; frame = this.#decoder.next()) {
      if (frame.type === 'present') {
        if (frame.start) this.named.clear();
        for (const id of frame.members) this.named.add(Buffer.from(id).toString('hex'));
      } else if (frame.type === 'presence') {
        const id = Buffer.from(frame.member).toString('hex');
        // Of itself it knows before it is named to all.
        if (id !== this.member) assert.notEqual(this.named.has(id), frame.present, 'told what it knew');
        if (frame.present) this.named.add(id);
        else this.named.delete(id);
      } else if (frame.type === 'count') {
        assert.equal(this.version, 2);
        this.count = frame.members;
      }
    }
  }
}

/** A client that only weighs what it is told. */
class Scales extends Listener {
  writes = 0;

  override send(bytes: Uint8Array): void {
    this.writes += 1;
    this.bytes += bytes.length;
  }
}

/** Lets everybody be told. */
const settle = (clock: ManualClock) => clock.advance(60_000);

describe('presence', () => {
  test('of a small room is, for everybody, who is here', () => {
    const step = fc.tuple(fc.nat(9), fc.boolean(), fc.constantFrom(0, 20, 100));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const clock = new ManualClock();
        const presence = new Presence(clock, DELAY_MS);
        const here = new Map<number, Listener>();
        for (const [id, congested, ms] of steps) {
          const client = here.get(id);
          if (client === undefined) {
            here.set(id, new Listener(id));
            presence.came(here.get(id)!);
          } else if (congested !== client.congested) {
            client.congested = congested;
            if (!congested) presence.caughtUp(client);
          } else {
            here.delete(id);
            presence.left(client, false);
          }
          clock.advance(ms);
        }
        for (const client of here.values()) {
          client.congested = false;
          presence.caughtUp(client);
        }
        settle(clock);
        const members = [...here.values()].map(({ member }) => member).sort();
        for (const client of here.values()) assert.deepEqual([...client.named].sort(), members);
      }),
    );
  });

  test('of a large room names some, counts all, and names all again when there are few', () => {
    const clock = new ManualClock();
    const presence = new Presence(clock, DELAY_MS);
    const clients = Array.from({ length: 500 }, (_, id) => new Listener(id, id % 10 === 0 ? 1 : 2));
    for (const client of clients) presence.came(client);
    settle(clock);
    for (const client of clients) {
      assert(client.named.has(client.member), 'each is told of itself');
      assert(client.named.size <= MAX_NAMED + 1);
      assert.equal(client.count, client.version === 2 ? 500 : undefined);
    }
    const left = clients.splice(0, 350);
    for (const client of left) presence.left(client, false);
    settle(clock);
    for (const client of clients) {
      assert.equal(client.named.size, 150);
      if (client.version === 2) assert.equal(client.count, 150);
    }
  });

  test('is one write in a while for each client of a large room, however many come', () => {
    /** What all clients are sent while `count` of them come, one in each millisecond. */
    const sent = (count: number) => {
      const clock = new ManualClock();
      const presence = new Presence(clock, DELAY_MS);
      const clients = Array.from({ length: count }, (_, id) => new Scales(id));
      for (const client of clients) {
        presence.came(client);
        clock.advance(1);
      }
      settle(clock);
      const sum = (of: 'bytes' | 'writes') => clients.reduce((all, client) => all + client[of], 0);
      return { bytes: sum('bytes'), writes: sum('writes') };
    };
    const [few, many] = [sent(1000), sent(2000)];
    assert(many.bytes < 20e6, `${many.bytes} bytes for 2,000 members`);
    for (const what of ['bytes', 'writes'] as const) {
      const text = `${few[what]} ${what} for 1,000 members, ${many[what]} for 2,000`;
      assert(many[what] < 2.6 * few[what], text);
    }
  });
});

test('a room that is closed sets no timer when its last client is said to have left', () => {
  const clock = new ManualClock();
  const presence = new Presence(clock, DELAY_MS);
  const last = new Listener(1);
  presence.came(last);
  clock.advance(DELAY_MS);
  presence.close();
  presence.left(last, false);
  presence.came(new Listener(2));
  presence.caughtUp(last);
  assert.equal(clock.timers, 0);
});
