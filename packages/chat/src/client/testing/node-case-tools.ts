import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CaseTools } from './state-store.cases.ts';

/** Cases as tests of `node:test`. */
export const nodeCaseTools: CaseTools = {
  suite: describe,
  test: it,
  same: (actual, expected, message) => {
    if (message === undefined) assert.deepEqual(actual, expected);
    else assert.deepEqual(actual, expected, message);
  },
  refused: (promise, code) =>
    assert.rejects(promise, (error: { code?: string }) => error.code?.startsWith(code) === true),
};
