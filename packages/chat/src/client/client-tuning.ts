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
  /** Within it one comes back to a server that goes down, unless that says another. */
  readonly drainSpread: number;
  /**
   * After ten connections in a row that brought something wrong: the time for each more. What is wrong can be a
   * member's doing, who must not make everybody connect without end; or that of somebody on the way.
   */
  readonly distrustInterval: number;
  /** Connections one after the other that brought something wrong at the same place: after so many one stops. */
  readonly vainConnections: number;
  /** The wait after the server had no room for messages. */
  readonly refusedPause: number;
  /** Longest wait, when closing, for what is being stored or done by the crypto device. */
  readonly closeTimeout: number;
};

export const defaultTuning: ClientTuning = {
  connectTimeout: 10_000,
  idleTimeout: 30_000,
  acknowledgeTimeout: 30_000,
  retryFirst: 250,
  retryLongest: 30_000,
  drainSpread: 2_000,
  distrustInterval: 2_000,
  vainConnections: 64,
  refusedPause: 30_000,
  closeTimeout: 5_000,
};

/**
 * The wait before the next attempt, after `attempt` (1, 2 …) have failed.
 * @param fraction from 0 to 1
 */
export function retryDelay(
  attempt: number,
  { retryFirst, retryLongest }: ClientTuning,
  fraction: number,
): number {
  const longest = Math.min(retryLongest, retryFirst * 2 ** (attempt - 1));
  return Math.round(longest * (0.5 + fraction / 2));
}
