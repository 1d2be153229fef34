import type { Clock } from '../clock.ts';
import { LogError } from '../log/log-error.ts';
import type { MessageLog } from '../log/message-log.ts';
import { ProtocolError } from '../protocol/protocol-error.ts';

const HOUR_MS = 3600 * 1000;

export interface RoomLimits {
  /** 0: no limit; the same of the next two. */
  readonly maxRooms: number;
  /** Of one network, as `networkOf` names it. */
  readonly maxRoomsPerAddress: number;
  /** Of one network, in each hour since the start. */
  readonly roomsPerHour: number;
}

/**
 * Makes rooms, as many as there may be. Whoever has a connection may ask for rooms, so what one network can take of them is
 * bounded in number and rate.
 *
 * - Rooms are made one at a time, so that the limits hold; each asks the log twice. Who waits is one request of a connection.
 * - A room that is there already is made again by anybody, at any time: nothing changes and nothing is counted.
 * - What is kept here is a number for each network that made a room in this hour: 100 bytes for a room, at the most.
 */
export class RoomCreation {
  readonly #log: Pick<MessageLog, 'createRoom' | 'roomState' | 'roomCounts'>;
  readonly #clock: Clock;
  readonly #limits: RoomLimits;
  #last: Promise<void> = Promise.resolve();
  #hour = 0;
  #inHour = new Map<string, number>();

  constructor(
    log: Pick<MessageLog, 'createRoom' | 'roomState' | 'roomCounts'>,
    clock: Clock,
    limits: RoomLimits,
  ) {
    this.#log = log;
    this.#clock = clock;
    this.#limits = limits;
  }

  /**
   * @param room hex of its id
   * @param network whose it is to be
   * @returns whether it is new. Rejects with ProtocolError TOO_MANY_ROOMS or STORAGE_FULL, or with LogError
   */
  create(room: string, network: string): Promise<boolean> {
    const created = this.#last.then(() => this.#create(room, network));
    this.#last = created.then(
      () => undefined,
      () => undefined,
    );
    return created;
  }

  async #create(room: string, network: string): Promise<boolean> {
    if ((await this.#log.roomState(room)) !== undefined) return false;
    this.#checkRate(network);
    await this.#checkCounts(network);
    try {
      await this.#log.createRoom(room, network, this.#clock.now());
    } catch (error) {
      if (error instanceof LogError && error.code === 'LOG_FULL') {
        throw new ProtocolError('STORAGE_FULL', 'The server has no more room for rooms.', { cause: error });
      }
      throw error;
    }
    this.#inHour.set(network, (this.#inHour.get(network) ?? 0) + 1);
    return true;
  }

  #checkRate(network: string): void {
    const hour = Math.floor(this.#clock.monotonic() / HOUR_MS);
    if (hour !== this.#hour) this.#inHour = new Map();
    this.#hour = hour;
    const { roomsPerHour } = this.#limits;
    if (roomsPerHour > 0 && (this.#inHour.get(network) ?? 0) >= roomsPerHour) {
      throw tooMany(`${roomsPerHour} rooms were made from your address within an hour. Try again later.`);
    }
  }

  async #checkCounts(network: string): Promise<void> {
    const { maxRooms, maxRoomsPerAddress } = this.#limits;
    const { all, ofCreator } = await this.#log.roomCounts(network);
    if (maxRooms > 0 && all >= maxRooms) {
      throw tooMany(`This server keeps ${maxRooms} rooms, as many as it may.`);
    }
    if (maxRoomsPerAddress > 0 && ofCreator >= maxRoomsPerAddress) {
      throw tooMany(
        `This server keeps ${maxRoomsPerAddress} rooms made from your address, as many as it may.`,
      );
    }
  }
}

const tooMany = (text: string) => new ProtocolError('TOO_MANY_ROOMS', text);
