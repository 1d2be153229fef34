/** What case files use of `node:assert/strict`, in a page. */

class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

type Expected = RegExp | ((error: never) => unknown) | Readonly<Record<string, unknown>>;

function shown(value: unknown): string {
  const text = (_: string, inner: unknown) =>
    inner instanceof Uint8Array ? `<${inner.join(' ')}>` : typeof inner === 'bigint' ? `${inner}n` : inner;
  return JSON.stringify(value, text) ?? String(value);
}

function fail(message: string | undefined, what: string): never {
  throw new AssertionError(message === undefined ? what : `${message}: ${what}`);
}

/** As Node's strict `deepEqual`, of plain values, typed arrays, maps, sets and dates. */
export function isDeepEqual(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false;
  if (Object.getPrototypeOf(one) !== Object.getPrototypeOf(other)) return false;
  if (one instanceof Date) return one.getTime() === (other as Date).getTime();
  if (one instanceof Map) return isDeepEqual([...one], [...(other as Map<unknown, unknown>)]);
  if (one instanceof Set) return isDeepEqual([...one], [...(other as Set<unknown>)]);
  const [keys, others] = [Object.keys(one), Object.keys(other)];
  return (
    keys.length === others.length &&
    keys.every(
      (key) =>
        Object.hasOwn(other, key) &&
        isDeepEqual((one as Record<string, unknown>)[key], (other as Record<string, unknown>)[key]),
    )
  );
}

function checkThrown(thrown: unknown, expected: Expected | undefined, message: string | undefined): void {
  if (expected === undefined) return;
  if (expected instanceof RegExp) {
    if (!expected.test(String(thrown))) fail(message, `${thrown} does not match ${expected}`);
  } else if (typeof expected !== 'function') {
    for (const [key, value] of Object.entries(expected)) {
      const actual = (thrown as Record<string, unknown>)[key];
      const fits = value instanceof RegExp ? value.test(String(actual)) : isDeepEqual(actual, value);
      if (!fits)
        fail(message, `${key} of what was thrown is ${shown(actual)}, not ${shown(value)} (${thrown})`);
    }
  } else if (expected.prototype instanceof Error || (expected as unknown) === Error) {
    if (!(thrown instanceof (expected as unknown as ErrorConstructor))) fail(message, `threw ${thrown}`);
  } else if ((expected as (error: unknown) => unknown)(thrown) !== true) {
    fail(message, `what was thrown is not as expected: ${thrown}`);
  }
}

const assert = {
  ok(value: unknown, message?: string): void {
    if (!value) fail(message, `${shown(value)} is not true`);
  },
  equal(actual: unknown, expected: unknown, message?: string): void {
    if (!Object.is(actual, expected)) fail(message, `${shown(actual)} is not ${shown(expected)}`);
  },
  notEqual(actual: unknown, expected: unknown, message?: string): void {
    if (Object.is(actual, expected)) fail(message, `it is ${shown(expected)}`);
  },
  deepEqual(actual: unknown, expected: unknown, message?: string): void {
    if (!isDeepEqual(actual, expected)) fail(message, `${shown(actual)} is not ${shown(expected)}`);
  },
  notDeepEqual(actual: unknown, expected: unknown, message?: string): void {
    if (isDeepEqual(actual, expected)) fail(message, `it is ${shown(expected)}`);
  },
  match(actual: string, expected: RegExp, message?: string): void {
    if (!expected.test(actual)) fail(message, `${shown(actual)} does not match ${expected}`);
  },
  throws(work: () => unknown, expected?: Expected, message?: string): void {
    try {
      work();
    } catch (thrown) {
      checkThrown(thrown, expected, message);
      return;
    }
    fail(message, 'it threw nothing');
  },
  async rejects(
    work: Promise<unknown> | (() => Promise<unknown>),
    expected?: Expected,
    message?: string,
  ): Promise<void> {
    const done = typeof work === 'function' ? work() : work;
    const outcome = await done.then(
      () => undefined,
      (thrown: unknown) => ({ thrown }),
    );
    if (outcome === undefined) fail(message, 'it was not rejected');
    checkThrown(outcome.thrown, expected, message);
  },
};

export default assert;
