/** A page for tests: the cases of all that a browser has its own implementation of. */
import { testChatCrypto } from '@skytale/chat/testing/crypto';
import { webCrypto } from '../engine/web-crypto.ts';
import { type Outcome, runAll } from './in-page-test.ts';

testChatCrypto('WebCrypto', webCrypto());

Object.assign(globalThis, {
  async runTests(): Promise<Outcome[]> {
    const outcomes: Outcome[] = [];
    await runAll((outcome) => outcomes.push(outcome));
    return outcomes;
  },
});
