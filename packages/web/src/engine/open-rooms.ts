/** The rooms that are open, each once. */
import type { RoomId } from '../engine.ts';

/**
 * 1. Of a room one session is open at a time: the next is opened when the one before has ended. Two would need two states, and be two
 *    members.
 * 2. Of more than `most` the one that was opened first is closed.
 */
export class OpenRooms<Session extends AsyncDisposable> {
  readonly #most: number;
  readonly #openSession: (room: RoomId) => Promise<Session>;
  readonly #open = new Map<RoomId, Promise<Session>>();
  readonly #closing = new Map<RoomId, Promise<void>>();

  constructor(most: number, openSession: (room: RoomId) => Promise<Session>) {
    this.#most = most;
    this.#openSession = openSession;
  }

  /** Opens it where it is not. Fails as `openSession` does, which is tried anew the next time. */
  get(room: RoomId): Promise<Session> {
    const found = this.#open.get(room);
    if (found !== undefined) return found;
    const opening = this.#openAfter(room);
    this.#open.set(room, opening);
    opening.catch(() => {
      if (this.#open.get(room) === opening) this.#open.delete(room);
    });
    const [oldest] = this.#open.keys();
    if (this.#open.size > this.#most) this.close(oldest!).catch(() => {});
    return opening;
  }

  /**
   * @param which closed only if it is this one still
   * @returns when none is open or being closed, but for what was asked for since; fails as its end does
   */
  async close(room: RoomId, which: Promise<Session> | undefined = this.#open.get(room)): Promise<void> {
    if (which !== undefined && this.#open.get(room) === which) {
      this.#open.delete(room);
      const closing = this.#end(which).finally(() => {
        if (this.#closing.get(room) === closing) this.#closing.delete(room);
      });
      this.#closing.set(room, closing);
    }
    await this.#closing.get(room);
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#open.keys(), ...this.#closing.keys()].map((room) => this.close(room)));
  }

  async #openAfter(room: RoomId): Promise<Session> {
    // What comes to its end with an error has come to its end, too.
    await this.#closing.get(room)?.catch(() => {});
    return await this.#openSession(room);
  }

  async #end(opening: Promise<Session>): Promise<void> {
    await (await opening.catch(() => undefined))?.[Symbol.asyncDispose]();
  }
}
