import type { ChatClientEvents, ChatMessage, Warning, WarningCode } from './client-events.ts';
import type { StateChange } from './state-store.ts';

/** An event of the client and its arguments. */
export type ClientEvent = {
  [Name in keyof ChatClientEvents]: readonly [Name, ...ChatClientEvents[Name]];
}[keyof ChatClientEvents];

/**
 * What is read in one go: what is to be stored of it, and what the user is told when that is done, in order.
 *
 * 1. Its changes MUST be stored before its events are told.
 */
export class Turn {
  #events: ClientEvent[] = [];
  #changes: StateChange[] = [];
  /** What the server was asked about again, last. */
  #asked = '';

  add(event: ClientEvent): void {
    this.#events.push(event);
  }

  /** Adds one of those of which a turn needs only one. */
  addOnce(event: ClientEvent): void {
    if (this.#events.at(-1)?.[0] !== event[0]) this.add(event);
  }

  change(...changes: readonly StateChange[]): void {
    this.#changes.push(...changes);
  }

  warn(code: WarningCode, text: string): void {
    this.add(['warning', { code, text, seq: undefined, member: undefined }]);
  }

  /** @param after the place before it */
  report(warning: Warning, after: number): void {
    // Told already, when the server was asked again.
    if (nameOf(warning, after) !== this.#asked) this.add(['warning', warning]);
  }

  /** Reports what the server is now asked about again. */
  reportAndAsk(warning: Warning, after: number): void {
    this.report(warning, after);
    this.#asked = nameOf(warning, after);
  }

  take(): { readonly events: readonly ClientEvent[]; readonly changes: readonly StateChange[] } {
    return { events: this.#events.splice(0), changes: this.#changes.splice(0) };
  }
}

/** The messages among the events that are news to the user, and so to be confirmed. */
export function newsOf(events: readonly ClientEvent[]): ChatMessage[] {
  return events.flatMap((event) => (event[0] === 'message' && !event[1].old ? [event[1]] : []));
}

function nameOf({ code }: Warning, after: number): string {
  return `${code} after ${after}`;
}
