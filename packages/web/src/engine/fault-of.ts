/** Apart from `calls.ts`, which the page has too: the words bring the chat's whole client along. */
import type { Fault } from './calls.ts';
import { wordsOf } from './words.ts';

/** Of what was thrown, what others are told: never more than our own errors say. */
export function faultOf(error: unknown): Fault {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string')
    return { code: error.code, text: wordsOf(error) };
  return { code: 'ENGINE_FAILED', text: 'Something went wrong in this page. Reload it.' };
}
