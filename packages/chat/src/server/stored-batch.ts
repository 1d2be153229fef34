import { cutRun } from '../log/frame-run.ts';
import type { Batch } from '../log/message-log.ts';
import type { Outlet } from './message-batch.ts';

/** Messages of a room that are in the log, and can be sent to its clients. */
export interface StoredBatch<S> {
  readonly first: number;
  readonly last: number;
  /** DELIVER frames, one behind the other. */
  readonly frames: Uint8Array;
  /** What it takes in memory, in bytes, about: at least its frames. */
  readonly size: number;
  /** Sends what `client` gets from message `from` on, which is in the batch. */
  send(client: S, from: number, to: Outlet): void;
}

/** What a batch takes besides its frames. */
const FOREIGN_OVERHEAD = 512;

/** What another server has stored: nobody here has sent it, so everybody gets the frames as they are. */
export class ForeignBatch implements StoredBatch<unknown> {
  readonly first: number;
  readonly last: number;
  readonly frames: Uint8Array;
  readonly size: number;

  constructor({ first, last, frames }: Batch) {
    this.first = first;
    this.last = last;
    this.frames = frames;
    this.size = frames.length + FOREIGN_OVERHEAD;
  }

  send(_client: unknown, from: number, to: Outlet): void {
    const rest = cutRun(this.frames, from - this.first, this.frames.length);
    if (rest !== undefined) to.send(rest.frames);
  }
}
