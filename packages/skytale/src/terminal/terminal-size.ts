/** How much fits on a terminal. */

type Sized = { readonly columns?: number | undefined; readonly rows?: number | undefined };

/** In cells. A terminal that does not know its size says 0 (as below `script` without one) or nothing; 80 × 24 then. */
export function terminalSize({ columns, rows }: Sized): { readonly columns: number; readonly rows: number } {
  return { columns: columns || 80, rows: rows || 24 };
}

/** Cells that a line of the output may take: without limit in a pipe or a file, which nobody shall have to unwrap. */
export function lineWidth(output: Sized & { readonly isTTY?: boolean | undefined }): number {
  return output.isTTY ? terminalSize(output).columns : Number.POSITIVE_INFINITY;
}
