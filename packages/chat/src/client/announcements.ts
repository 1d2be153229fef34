import type { Finding } from '../encryption/finding.ts';
import type { ChatClientEvents, WarningCode } from './client-events.ts';

/** An event of the client and its arguments. */
export type ClientEvent = {
  [Name in keyof ChatClientEvents]: readonly [Name, ...ChatClientEvents[Name]];
}[keyof ChatClientEvents];

/** What the user is to be told, in order, once all that was ready has been read. */
export class Announcements {
  #events: ClientEvent[] = [];
  /** What the server was asked about again, last. */
  #asked = '';

  add(event: ClientEvent): void {
    this.#events.push(event);
  }

  /** Adds one of those of which a turn needs only one. */
  addOnce(event: ClientEvent): void {
    if (this.#events.at(-1)?.[0] !== event[0]) this.add(event);
  }

  warn(code: WarningCode, text: string): void {
    this.add(['warning', { code, text, seq: undefined, member: undefined }]);
  }

  /** @param after the place before it */
  report(finding: Finding, after: number): void {
    // Told already, when the server was asked again.
    if (nameOf(finding, after) !== this.#asked) this.add(['warning', finding]);
  }

  /** Reports what the server is now asked about again. */
  reportAndAsk(finding: Finding, after: number): void {
    this.report(finding, after);
    this.#asked = nameOf(finding, after);
  }

  take(): ClientEvent[] {
    return this.#events.splice(0);
  }
}

/** The place of the last message among the events that is news to the user; 0 for none. */
export function lastNews(events: readonly ClientEvent[]): number {
  const seqs = events.map((event) => (event[0] === 'message' && !event[1].old ? event[1].seq : 0));
  return Math.max(0, ...seqs);
}

function nameOf({ code }: Finding, after: number): string {
  return `${code} after ${after}`;
}
