/** What goes between a page and its engine, and between the engines of several tabs: calls, answers, events. Plain data. */
import { type Engine, EngineError, type EngineEvent } from '../engine.ts';

export type Method = Exclude<keyof Engine, 'listen'>;

export type Fault = { readonly code: string; readonly text: string };

export type Answer = { readonly value: unknown } | { readonly fault: Fault };

export type ToEngine =
  | {
      readonly kind: 'call';
      readonly call: number;
      readonly method: Method;
      readonly args: readonly unknown[];
    }
  | { readonly kind: 'visible'; readonly visible: boolean };

export type ToPage =
  | { readonly kind: 'answer'; readonly call: number; readonly answer: Answer }
  | { readonly kind: 'event'; readonly event: EngineEvent };

export function resultOf(answer: Answer): unknown {
  if ('value' in answer) return answer.value;
  throw new EngineError(answer.fault.code, answer.fault.text);
}
