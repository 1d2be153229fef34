/** Finds what keeps people with disabilities from using a page, as far as a program can (axe-core). */
import assert from 'node:assert/strict';
import axe from 'axe-core';
import type { Page } from 'playwright-core';

type Violation = { id: string; nodes: { html: string; any: { message: string }[] }[] };

/** Runs in the world of the page, past its policy. */
export async function assertAccessible(page: Page, what: string): Promise<void> {
  const violations = (await page.evaluate(`(async () => {
    ${axe.source}
    return (await axe.run()).violations;
  })()`)) as Violation[];
  const told = violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.html} ${node.any[0]?.message}`)}`,
  );
  assert.deepEqual(told, [], what);
}
