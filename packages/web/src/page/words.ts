/** What the page says: times, the connection, and what was noticed, in words. */
import type { Connection, Notice } from '../engine.ts';

const DAY_MS = 24 * 3600 * 1000;

const timeFormat = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const dayFormat = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const yearFormat = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'long', year: 'numeric' });
const wholeFormat = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'short' });

/** A sender's clock may say anything. */
const isDate = (at: number): boolean => !Number.isNaN(new Date(at).getTime());

export const timeOf = (at: number): string => (isDate(at) ? timeFormat.format(at) : '–');

export const wholeTimeOf = (at: number): string => (isDate(at) ? wholeFormat.format(at) : 'at no time');

/** For `datetime`; `undefined` where there is no such time. */
export const machineTimeOf = (at: number): string | undefined =>
  isDate(at) ? new Date(at).toISOString() : undefined;

/** The day of a time as one says it: the same text for the same day. */
export function dayOf(at: number, now: number): string {
  if (!isDate(at)) return 'At an unknown time';
  const days = Math.round((startOfDay(now) - startOfDay(at)) / DAY_MS);
  if (days === 0) return 'Today';
  if (days === 1) return 'Yesterday';
  return days > 0 && days < 180 ? dayFormat.format(at) : yearFormat.format(at);
}

/** Short, for lists: the time of today, else the day. */
export function shortTimeOf(at: number, now: number): string {
  return isDate(at) && startOfDay(at) === startOfDay(now) ? timeOf(at) : dayOf(at, now);
}

function startOfDay(at: number): number {
  return new Date(at).setHours(0, 0, 0, 0);
}

export function connectionInWords(connection: Connection): string {
  switch (connection.phase) {
    case 'connecting':
      return 'Connecting…';
    case 'online':
      return connection.caughtUp ? 'Connected' : 'Connected, reading what was said meanwhile…';
    case 'offline':
      return `Offline: ${withoutStop(connection.text)}. What you write is kept and goes out later.`;
    case 'ended':
      return connection.text;
  }
}

const withoutStop = (text: string): string => text.replace(/[.\s]+$/, '');

/**
 * What a warning means to somebody who knows nothing of how it was found: a heading, and what to do. The sentence of the client's core
 * stands beside it.
 */
export function warningInWords(code: string): { readonly title: string; readonly advice: string } {
  switch (code) {
    case 'FORGED':
    case 'TAMPERED':
      return {
        title: 'A forged message was dropped',
        advice:
          'Somebody tried to speak in the name of another, or changed what was said. What they wrote is not shown. Nobody in the room needs to do anything; if it happens often, somebody who runs the server or is on the way to it attacks the room.',
      };
    case 'REPLAY':
    case 'REORDERED':
    case 'INJECTED':
      return {
        title: 'A message came where it does not belong',
        advice:
          'It was sent again, or moved, by the server or by somebody on the way to it. It is not shown a second time.',
      };
    case 'MISSING':
    case 'LEFT_OUT':
      return {
        title: 'Messages are missing here',
        advice: 'The server did not deliver them, or lost them. Ask in the room what was said.',
      };
    case 'HISTORY_DIFFERS':
      return {
        title: 'Others may see another conversation',
        advice:
          'The server has shown different messages to different people. Compare what you see with them over another channel.',
      };
    case 'SERVER_FORGOT':
    case 'DAMAGED':
      return {
        title: 'The server has lost messages',
        advice: 'What it lost of yours is sent again. What you have read stays here.',
      };
    case 'EXPIRED':
      return {
        title: 'Older messages are gone',
        advice: 'The server keeps messages for a limited time, and deleted these before you could read them.',
      };
    case 'NAME_SHARED':
      return {
        title: 'Two people have the same name',
        advice:
          'Each is marked with the beginning of its key. Compare the safety number before you trust one.',
      };
    case 'REFUSED':
      return {
        title: 'The server takes no messages for now',
        advice: 'What you wrote waits here and is sent when it does.',
      };
    case 'MALFORMED':
    case 'MALFORMED_CONTENT':
    case 'PROTOCOL_VIOLATION':
    case 'UNSUPPORTED_VERSION':
      return {
        title: 'Something came that cannot be read',
        advice:
          'It was dropped. Another version of the program may have sent it, or somebody who is up to mischief.',
      };
    default:
      return { title: 'Something is not right', advice: '' };
  }
}

/** What happened, without who: the name stands before it. */
export function noticeInWords(what: Exclude<Notice['what'], { kind: 'warning' }>): string {
  switch (what.kind) {
    case 'came':
      return 'is here';
    case 'left':
      return 'has left';
    case 'introduced':
      return 'is new in the room';
    case 'unsupported':
      return 'sent something that this version cannot show';
  }
}

/** Whether an error is the engine's, and has words for people. */
export const isTold = (error: unknown): error is { readonly text: string } =>
  typeof (error as { text?: unknown } | null)?.text === 'string';

/** What an error says to people, and nothing else of it. */
export function errorInWords(error: unknown): string {
  return isTold(error) ? error.text : 'Something went wrong in this page. Reload it; what you wrote is kept.';
}
