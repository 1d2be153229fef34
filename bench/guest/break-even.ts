/** From which size on one way is faster than another. */
export type BreakEven = {
  /** Bytes; NaN if it is slower at the largest size. */
  readonly size: number;
  /** What must be said of the size, beginning with a blank or a comma, if it does not stand for itself. */
  readonly words: string;
};

/**
 * @param sizes rising
 * @param ratios of the speeds at these sizes, above 1 where the first way is faster
 * @returns where the ratio passes 1 for good, between two sizes on a straight line of the logarithms
 */
export function breakEven(sizes: readonly number[], ratios: readonly number[]): BreakEven {
  const last = ratios.findLastIndex((ratio) => ratio < 1);
  if (last === -1) return { size: sizes[0]!, words: ' at or below' };
  if (last === sizes.length - 1) return { size: Number.NaN, words: ': none' };
  const [below, above] = [Math.log(ratios[last]!), Math.log(ratios[last + 1]!)];
  const part = above === below ? 1 : -below / (above - below);
  return { size: sizes[last]! * (sizes[last + 1]! / sizes[last]!) ** part, words: '' };
}
