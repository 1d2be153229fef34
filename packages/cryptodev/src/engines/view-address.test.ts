import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { withAddresses } from './view-address.ts';

describe('withAddresses', () => {
  it('holds what it has told the address of, until the call has returned', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    let seen: WeakRef<Uint8Array> | undefined;
    const give = (addressOf: (view: Uint8Array) => number) => {
      const view = new Uint8Array(64);
      seen = new WeakRef(view);
      assert.ok(addressOf(view) > 0);
    };
    let during: Promise<void> | undefined;
    withAddresses((addressOf) => {
      give(addressOf);
      collect();
      assert.ok(seen!.deref());
      assert.equal(addressOf(new Uint8Array(0)), 0);
      during = nextTurn();
    });
    await during;
    collect();
    assert.equal(seen!.deref(), undefined, 'and not longer');
  });
});
