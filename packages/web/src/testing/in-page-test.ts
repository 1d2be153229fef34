/** What case files use of `node:test`, in a page: collects tests, and runs them one after the other. */

export type Outcome = { readonly path: readonly string[]; readonly error: string | undefined };

type Work = () => unknown;
type Group = { readonly name: string; readonly before: Work[]; readonly after: Work[] };
type Test = { readonly path: readonly string[]; readonly groups: readonly Group[]; readonly work: Work };

const open: Group[] = [{ name: '', before: [], after: [] }];
const tests: Test[] = [];

export function describe(name: string, define: Work): void {
  open.push({ name, before: [], after: [] });
  define();
  open.pop();
}

export function it(name: string, work: Work): void {
  const path = [...open.slice(1).map((group) => group.name), name];
  tests.push({ path, groups: [...open], work });
}

export { it as test };

export function beforeEach(work: Work): void {
  open.at(-1)!.before.push(work);
}

export function afterEach(work: Work): void {
  open.at(-1)!.after.push(work);
}

/** Runs all that was defined, and tells each outcome. */
export async function runAll(tell: (outcome: Outcome) => void): Promise<void> {
  for (const { path, groups, work } of tests.splice(0)) {
    let error: string | undefined;
    const steps = [...groups.flatMap(({ before }) => before), work, ...groups.flatMap(({ after }) => after)];
    for (const step of steps) {
      try {
        await step();
      } catch (thrown) {
        error ??= thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
      }
    }
    tell({ path, error });
  }
}
