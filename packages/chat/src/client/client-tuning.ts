/** Times in milliseconds. */
export type ClientTuning = {
  /** Longest wait for a connection, and for each answer that opens it. */
  readonly connectTimeout: number;
  /** Silence after which a PING is sent; as much again without any answer, and the connection is given up. */
  readonly idleTimeout: number;
  /** Longest wait for any progress while messages wait for their acknowledgement. */
  readonly acknowledgeTimeout: number;
  /** The wait before the first attempt to reconnect; it doubles from one to the next, and is spread by half. */
  readonly retryFirst: number;
  readonly retryLongest: number;
  /**
   * After ten connections in a row that brought something wrong: the time for each more. What is wrong can be a
   * member's doing, who must not make everybody connect without end; or that of somebody on the way.
   */
  readonly distrustInterval: number;
  /** The wait after the server had no room for messages. */
  readonly refusedPause: number;
  /** From 0 to 1, for the spread of the waits. */
  readonly random: () => number;
  /** By what messages are dated. */
  readonly now: () => number;
};

export const defaultTuning: ClientTuning = {
  connectTimeout: 10_000,
  idleTimeout: 30_000,
  acknowledgeTimeout: 30_000,
  retryFirst: 250,
  retryLongest: 30_000,
  distrustInterval: 2_000,
  refusedPause: 30_000,
  random: Math.random,
  now: Date.now,
};

/** The wait before the next attempt, after `attempt` (1, 2 …) have failed. */
export function retryDelay(attempt: number, { retryFirst, retryLongest, random }: ClientTuning): number {
  const longest = Math.min(retryLongest, retryFirst * 2 ** (attempt - 1));
  return Math.round(longest * (0.5 + random() / 2));
}
