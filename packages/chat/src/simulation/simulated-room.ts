import { toHex } from '../bytes.ts';
import { RoomKeys } from '../encryption/key-schedule.ts';
import type { ServerAddress } from '../encryption/server-address.ts';
import type { MessageLog } from '../log/message-log.ts';
import { FrameDecoder } from '../protocol/frame-decoder.ts';
import type { DurableLog } from './durable-log.ts';
import { judge, type Placed } from './history.ts';
import { Person } from './person.ts';
import type { Place, Someone } from './place.ts';
import { RawPerson } from './raw-person.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** What somebody has to read a room, in milliseconds. */
const READING_MS = 60_000;

/** Whether its people have the client of this package, or speak the bare protocol. */
export type RoomKind = 'clients' | 'raw';

/** A room of a run, and the people in it. */
export class SimulatedRoom {
  /** Hex of the room id. */
  readonly id: string;
  readonly people: readonly Someone[];
  readonly #durable: DurableLog;
  readonly #newReader: ((server: ServerAddress) => Someone) | undefined;

  static async open(
    kind: RoomKind,
    secret: Uint8Array,
    members: number,
    place: Place,
  ): Promise<SimulatedRoom> {
    using keys = await RoomKeys.derive(place.crypto, secret);
    const enter = (name: string): Someone =>
      kind === 'raw' ? new RawPerson(name, secret, place) : new Person(name, secret, place);
    const newReader = (server: ServerAddress) => new Person('reader', secret, { ...place, server });
    const people = Array.from({ length: members }, (_, index) => enter(`${kind} ${index + 1}`));
    const id = toHex(keys.roomId);
    return new SimulatedRoom(id, people, place.durable, kind === 'raw' ? undefined : newReader);
  }

  private constructor(
    id: string,
    people: readonly Someone[],
    durable: DurableLog,
    newReader: ((server: ServerAddress) => Someone) | undefined,
  ) {
    this.id = id;
    this.people = people;
    this.#durable = durable;
    this.#newReader = newReader;
  }

  /**
   * What is wrong in the histories of its people, who are all at rest; a sentence each.
   * @param server where all that was ever said can be read
   * @param forged see `judge`
   */
  async judge(server: ServerAddress, clock: VirtualClock, forged: boolean): Promise<string[]> {
    const texts =
      this.#newReader === undefined
        ? await this.#texts(this.#durable.archive)
        : await read(this.#newReader(server), clock);
    return judge(
      texts,
      this.people.map(({ witness }) => witness),
      { isGone: (seq) => this.#durable.isGone(this.id, seq), forged },
    );
  }

  /** The room as its log has it. */
  async #texts(log: MessageLog): Promise<Placed[]> {
    const texts: Placed[] = [];
    for (let after = 0; ; ) {
      const chunk = await log.read(this.id, after, 1024 * 1024);
      if (chunk === undefined) return texts;
      const decoder = new FrameDecoder();
      decoder.push(chunk.frames);
      for (let frame = decoder.next(); frame !== undefined; frame = decoder.next()) {
        if (frame.type !== 'deliver') throw new Error(`the log has a ${frame.type}`);
        texts.push({ seq: frame.seq, text: new TextDecoder().decode(frame.envelope) });
      }
      after = chunk.last;
    }
  }
}

/** The room as somebody reads it who comes last. */
async function read(reader: Someone, clock: VirtualClock): Promise<readonly Placed[]> {
  void reader.start();
  await clock.run(READING_MS);
  await Promise.all([reader.close(), clock.run(READING_MS)]);
  return reader.witness.shown;
}
