/** Signals that ask a program to end. */
import { constants } from 'node:os';

/** A signal ends the program in an orderly way; a second one at once. */
const endSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
export type EndSignal = (typeof endSignals)[number];

/**
 * One key press may come as several signals: the terminal sends it to the whole group of processes, and npm
 * forwards its own copy. Those within this time count as one.
 */
const echoMs = 200;

/** What a shell sees of a program that a signal ended. */
export const exitCodeOf = (signal: EndSignal): number => 128 + constants.signals[signal];

/** @returns a function that stops listening */
export function onEndSignal(callback: (signal: EndSignal) => void): () => void {
  let firstAt: number | undefined;
  const listener = (signal: EndSignal) => {
    const now = performance.now();
    if (firstAt === undefined) {
      firstAt = now;
      callback(signal);
    } else if (now - firstAt > echoMs) {
      process.exit(exitCodeOf(signal));
    }
  };
  for (const signal of endSignals) process.on(signal, listener);
  return () => {
    for (const signal of endSignals) process.off(signal, listener);
  };
}
