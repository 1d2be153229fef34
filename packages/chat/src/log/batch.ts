/** What every log does with a batch: checks that it is one, and cuts it. */
import { cutRun } from './frame-run.ts';
import { LogError, shortId } from './log-error.ts';
import type { Batch } from './message-log.ts';

/** Longest name of who creates a room, in UTF-16 code units. */
export const MAX_CREATOR_LENGTH = 64;

const roomId = /^[0-9a-f]{32}$/;
const memberId = /^[0-9a-f]{64}$/;

/** @throws {LogError} LOG_INVALID */
export function checkNewRoom(room: string, creator: string, now: number): void {
  if (!roomId.test(room)) throw invalid(`${JSON.stringify(shortId(room))}… is no room's id`);
  if (creator.length > MAX_CREATOR_LENGTH) throw invalid(`a creator's name has ${creator.length} characters`);
  if (!Number.isSafeInteger(now) || now < 0) throw invalid(`${now} is no time`);
}

/** Costs O(members of the batch); its frames are not looked into. @throws {LogError} LOG_INVALID */
export function checkBatch({ first, last, time, frames, members }: Batch): void {
  if (!Number.isSafeInteger(first) || !Number.isSafeInteger(last) || first < 1 || last < first) {
    throw invalid(`${first} to ${last} are no places`);
  }
  if (!Number.isSafeInteger(time) || time < 0) throw invalid(`${time} is no time`);
  if (frames.length === 0) throw invalid('it has no frames');
  for (const { member, last } of members) {
    if (!memberId.test(member)) throw invalid(`${JSON.stringify(shortId(member))}… is no member's id`);
    if (!Number.isSafeInteger(last.n) || last.n < 1) throw invalid(`${last.n} is no number of a message`);
    if (last.hash.length !== 32) throw invalid(`a hash has ${last.hash.length} bytes`);
  }
}

type Places = Pick<Batch, 'first' | 'last' | 'frames'>;

/**
 * What of a batch stands behind the place `after`, which is before its last: as much as `maxBytes` hold, but one message
 * at the least. A view. `undefined` if it does not have as many messages as it says.
 */
export function cutBatch(batch: Places, after: number, maxBytes: number): Places | undefined {
  const first = Math.max(batch.first, after + 1);
  if (first === batch.first && batch.frames.length <= maxBytes) return batch;
  const run = cutRun(batch.frames, first - batch.first, maxBytes);
  if (run === undefined) return undefined;
  const last = first + run.count - 1;
  const whole = run.frames.byteOffset + run.frames.length === batch.frames.byteOffset + batch.frames.length;
  return whole === (last === batch.last) && last <= batch.last
    ? { first, last, frames: run.frames }
    : undefined;
}

function invalid(what: string): LogError {
  return new LogError('LOG_INVALID', `The message log was asked for something that makes no sense: ${what}.`);
}
