/** The reports of KCSAN, the kernel's finder of data races, in a kernel's log. */

const line = '='.repeat(66);

/** Each from its first to its last line, without the lines of other processors between them. Costs n. */
export function raceReports(log: string): string[] {
  return log.split(line).filter((part) => part.includes('BUG: KCSAN'));
}
