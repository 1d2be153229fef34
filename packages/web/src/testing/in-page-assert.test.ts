/** The assertions of a page say of the same things no that Node's say no of. */
import nodeAssert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pageAssert from './in-page-assert.ts';

const values: readonly unknown[] = [
  ...[undefined, null, 0, -0, 1, Number.NaN, '', 'a', 1n, true, [], [1], [1, 2], {}, { a: 1 }],
  ...[{ a: undefined }, { a: 1, b: 2 }, { b: 2, a: 1 }, new Uint8Array([1]), new Uint8Array([2])],
  ...[new Uint16Array([1]), new Date(1), new Date(2), new Map([[1, { a: 1 }]]), new Map([[1, { a: 2 }]])],
  ...[new Set([1]), new Set([2]), [new Uint8Array([1])], { a: { b: [1] } }, { a: { b: [2] } }],
];

function passes(check: () => void): boolean {
  try {
    check();
    return true;
  } catch {
    return false;
  }
}

describe('assertions in a page', () => {
  for (const name of ['equal', 'notEqual', 'deepEqual', 'notDeepEqual'] as const) {
    it(`${name} as Node’s do`, () => {
      for (const [i, one] of values.entries()) {
        for (const [k, other] of values.entries()) {
          const copy = i === k ? structuredClone(other) : other;
          const [page, node] = [pageAssert, nodeAssert].map((assert) => {
            const check = assert[name] as (one: unknown, other: unknown) => void;
            return passes(() => check(one, copy));
          });
          nodeAssert.equal(page, node, `${name} of value ${i} and ${k}`);
        }
      }
    });
  }

  it('ok and match as Node’s do', () => {
    for (const value of values) {
      nodeAssert.equal(
        passes(() => pageAssert.ok(value)),
        passes(() => nodeAssert.ok(value)),
      );
    }
    nodeAssert.ok(passes(() => pageAssert.match('abc', /b/)));
    nodeAssert.ok(!passes(() => pageAssert.match('abc', /d/)));
  });

  it('look at what was thrown as Node’s do', async () => {
    const error = Object.assign(new RangeError('too long'), { code: 'LONG' });
    const expectations = [
      ...[undefined, /too long/, /short/, RangeError, Error, TypeError, { code: 'LONG' }, { code: 'SHORT' }],
      ...[{ message: /long/ }, { message: /short/ }, (thrown: Error) => thrown === error, () => false],
    ];
    const fail = () => {
      throw error;
    };
    for (const expected of expectations) {
      const [page, node] = [pageAssert, nodeAssert].map((assert) =>
        passes(() =>
          expected === undefined ? assert.throws(fail) : assert.throws(fail, expected as RegExp),
        ),
      );
      nodeAssert.equal(page, node, String(expected));
      const rejects = pageAssert.rejects(Promise.reject(error), expected as RegExp);
      nodeAssert.equal(await rejects.then(() => true).catch(() => false), node, String(expected));
    }
    nodeAssert.ok(!passes(() => pageAssert.throws(() => {})));
    await nodeAssert.rejects(pageAssert.rejects(Promise.resolve()));
  });
});
