/** What can be stored one by one, or many together. */
export interface Storing<T, R> {
  /** How much room an item takes. */
  sizeOf(item: T): number;
  /** Stores all of these, or throws and has stored none of them. */
  store(items: readonly T[]): R[];
  /** Whether it threw because there was not enough room for all of them. */
  isFull(error: unknown): boolean;
  /** What becomes of an item that could not be stored. */
  refusal(error: unknown): R;
}

/**
 * Stores all items together; if there is no room for that, as many as there is room for, the smallest first: who wants to
 * store much must not keep others from storing little. Then nothing that is larger than one that did not fit is tried.
 * One call of `store` if all fit, O(log items) if not.
 * @returns what became of each, in the order of the items
 * @throws what `store` throws, if nothing was stored
 */
export function storeWhatFits<T, R>(items: readonly T[], storing: Storing<T, R>): R[] {
  try {
    return storing.store(items);
  } catch (error) {
    if (items.length <= 1 || !storing.isFull(error)) throw error;
  }
  const results: R[] = [];
  const order = items
    .map((item, index) => ({ item, index, size: storing.sizeOf(item) }))
    .sort((a, b) => a.size - b.size);
  let stored = 0;
  // Halves of what did not fit; the smaller ones are tried first, so these stand last.
  const parts = [order.slice(order.length >> 1), order.slice(0, order.length >> 1)];
  for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
    try {
      const done = storing.store(part.map(({ item }) => item));
      for (const [at, { index }] of part.entries()) results[index] = done[at]!;
      stored += part.length;
    } catch (error) {
      if (part.length > 1 && storing.isFull(error)) {
        parts.push(part.slice(part.length >> 1), part.slice(0, part.length >> 1));
        continue;
      }
      if (stored === 0) throw error;
      for (const { index } of order.slice(stored)) results[index] = storing.refusal(error);
      return results;
    }
  }
  return results;
}
