/** What every benchmark gives and takes. */

/** One figure. `ratio` is value over `limit`, which was measured beside it in the same run. */
export type Row = {
  /** Which benchmark, like `device`. */
  readonly bench: string;
  /** What was done, like `aes-128-cbc, device side, 16 KiB`. */
  readonly case: string;
  readonly value: number;
  /** Like `MB/s`, `deliveries/s`, `ms`, `KiB`. */
  readonly unit: string;
  /** What it is compared with, like `openssl speed`, and that one's figure in the same unit. */
  readonly peer?: string;
  readonly limit?: number;
  readonly ratio?: number;
};

export type BenchOptions = {
  /** Fewer and shorter runs: to see that it works, not to quote. */
  readonly quick: boolean;
  /** Tells a person what is being measured now. */
  readonly progress: (text: string) => void;
};

export type BenchModule = { run(options: BenchOptions): Promise<Row[]> };

/** A row in the place of those that cannot be had on this machine; its value is NaN. */
export function notMeasured(bench: string, what: string, reason: unknown): Row {
  const why = String(reason instanceof Error ? reason.message : reason).split('\n')[0]!;
  return { bench, case: `not measured: ${what}: ${why.slice(0, 80)}`, value: Number.NaN, unit: '' };
}

/** The middle of several runs' figures; the mean of the middle two of an even number. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('the median of nothing');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
