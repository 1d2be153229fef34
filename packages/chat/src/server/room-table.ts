import type { Counters } from './counters.ts';
import { Room, type RoomParts } from './room.ts';
import type { Seat, SeatClient, Who } from './seat.ts';

/**
 * The rooms that somebody is in, or wants to be in.
 *
 * 1. Only this maps ids to rooms, and there is one `Room` for an id at a time.
 * 2. A room is taken out by the room itself, in the same turn in which it is unused or has failed, and only if
 *    the entry is still that room. There is nothing between the decision and the deed.
 * 3. One room's failure is its own: it is taken out at once, and the next who joins gets it anew from the log.
 *
 * Cost: O(1) for entering and forgetting; O(rooms) every second, and when the server stops.
 */
export class RoomTable {
  readonly #parts: RoomParts;
  readonly #counters: Counters;
  readonly #onFailure: (room: string, error: unknown) => void;
  readonly #rooms = new Map<string, Room>();
  #onSettled: (() => void)[] = [];

  /** @param onFailure told why a room has failed */
  constructor(parts: RoomParts, onFailure: (room: string, error: unknown) => void) {
    this.#parts = parts;
    this.#counters = parts.counters;
    this.#onFailure = onFailure;
  }

  get size(): number {
    return this.#rooms.size;
  }

  /** Takes a seat in the room `id` (hex), which may turn out not to exist. */
  enter(id: string, who: Who, client: SeatClient): Seat {
    return (this.#rooms.get(id) ?? this.#open(id)).enter(who, client);
  }

  /** Resolves when nothing that was accepted waits to be stored. */
  settled(): Promise<void> {
    return new Promise((resolve) => {
      this.#onSettled.push(resolve);
      this.#tellSettled();
    });
  }

  tick(now: number): void {
    for (const room of this.#rooms.values()) room.tick(now);
  }

  /** Old messages were deleted. Rejects with LogError, the first, when all rooms were asked for that can be. */
  async refresh(): Promise<void> {
    const errors: unknown[] = [];
    for (const room of this.#rooms.values()) await room.refresh().catch((error) => errors.push(error));
    if (errors.length > 0) throw errors[0];
  }

  #open(id: string): Room {
    const room = new Room(id, this.#parts, {
      settled: () => this.#tellSettled(),
      unused: (unused) => {
        if (this.#remove(unused)) unused.close();
      },
      failed: (failed, error) => {
        this.#remove(failed);
        this.#onFailure(id, error);
      },
    });
    this.#rooms.set(id, room);
    this.#counters.openRooms = this.#rooms.size;
    return room;
  }

  #remove(room: Room): boolean {
    if (this.#rooms.get(room.id) !== room) return false;
    this.#rooms.delete(room.id);
    this.#counters.openRooms = this.#rooms.size;
    return true;
  }

  #tellSettled(): void {
    if (this.#onSettled.length === 0) return;
    for (const room of this.#rooms.values()) if (!room.settled) return;
    const waiting = this.#onSettled;
    this.#onSettled = [];
    for (const resolve of waiting) resolve();
  }
}
