/**
 * What the owner of a server says to it, by the command line: one request in a line of JSON, one answer in a line, over a Unix
 * socket in the data directory that only the owner may open.
 */
import { join } from 'node:path';
import * as v from 'valibot';

/** Longest line of a request to the control socket, in bytes. */
export const MAX_CONTROL_REQUEST = 1024;
/** Longest line of an answer, in bytes; as many rooms as are named in one come to less. */
export const MAX_CONTROL_ANSWER = 256 * 1024;
/** Rooms that are named in one answer; who wants more asks again. */
export const MAX_ROOMS_PER_ANSWER = 256;

export const controlPath = (directory: string): string => join(directory, 'control');

const roomId = v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/, 'a room is 32 hexadecimal digits'));

export const controlRequest = v.variant('do', [
  /** The rooms behind `after` in the order of their ids; `''`: from the first. */
  v.strictObject({ do: v.literal('rooms'), after: v.union([v.literal(''), roomId]) }),
  v.strictObject({ do: v.literal('delete-room'), room: roomId }),
]);
export type ControlRequest = v.InferOutput<typeof controlRequest>;

const number = v.pipe(v.number(), v.integer());
const room = v.strictObject({
  room: roomId,
  head: number,
  first: number,
  bytes: number,
  createdAt: number,
  usedAt: number,
  creator: v.string(),
  members: number,
  damaged: v.boolean(),
});

export const controlAnswer = v.variant('answer', [
  v.strictObject({ answer: v.literal('rooms'), rooms: v.array(room) }),
  v.strictObject({ answer: v.literal('delete-room'), deleted: v.boolean() }),
  v.strictObject({ answer: v.literal('error'), code: v.string(), message: v.string() }),
]);
export type ControlAnswer = v.InferOutput<typeof controlAnswer>;
