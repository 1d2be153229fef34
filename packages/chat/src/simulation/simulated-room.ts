import { toHex } from '../bytes.ts';
import { RoomKeys } from '../encryption/key-schedule.ts';
import type { MemoryLog } from '../log/memory-log.ts';
import { FrameDecoder } from '../protocol/frame-decoder.ts';
import { judge, type Placed } from './history.ts';
import type { Place, Someone } from './place.ts';
import { RawPerson } from './raw-person.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** Whether its people have the client of this package, or speak the bare protocol. */
export type RoomKind = 'clients' | 'raw';

/** A room of a run, and the people in it. */
export class SimulatedRoom {
  /** Hex of the room id. */
  readonly id: string;
  readonly people: readonly Someone[];

  static async open(
    kind: RoomKind,
    secret: Uint8Array,
    members: number,
    place: Place,
  ): Promise<SimulatedRoom> {
    using keys = await RoomKeys.derive(place.crypto, secret);
    const people = Array.from(
      { length: members },
      (_, index) => new RawPerson(`${kind} ${index + 1}`, secret, place),
    );
    return new SimulatedRoom(toHex(keys.roomId), people);
  }

  private constructor(id: string, people: readonly Someone[]) {
    this.id = id;
    this.people = people;
  }

  /** What is wrong in the histories of its people, who are all at rest; a sentence each. */
  async judge(log: MemoryLog, _clock: VirtualClock): Promise<string[]> {
    return judge(
      await this.#texts(log),
      this.people.map(({ witness }) => witness),
    );
  }

  /** The room as its log has it. */
  async #texts(log: MemoryLog): Promise<Placed[]> {
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
