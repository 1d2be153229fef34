/** What a line of standard output looks like. docs/bots.md describes the JSON. */
import { type ChatMessage, shownName, type Unsupported, type Warning } from '@skytale/chat';
import { escapeJson, escapeLine } from '../safe-text.ts';
import type { Reason } from './line-sender.ts';

/** Grows when a program that reads the JSON as documented would be misled; not when types or fields are added. */
export const JSON_FORMAT = 1;

/** What becomes of one's own line. */
export type Stored = {
  readonly seq: number;
  readonly n: number;
  /** Of standard input; undefined for what an earlier run had read. */
  readonly line: number | undefined;
};

/** The lines for each event, with their line breaks; empty for what the format does not tell. */
export type LineFormat = {
  hello(room: string, member: string, name: string): string;
  message(message: ChatMessage): string;
  unsupported(content: Unsupported): string;
  stored(stored: Stored): string;
  unsent(reason: Reason, file: string): string;
  warning(warning: Warning): string;
  live(seq: number): string;
  offline(code: string, text: string): string;
};

const nothing = () => '';

/** The texts of the others, and nothing else. */
export const textFormat: LineFormat = {
  message: ({ own, text }) => (own ? '' : `${escapeLine(text)}\n`),
  hello: nothing,
  unsupported: nothing,
  stored: nothing,
  unsent: nothing,
  warning: nothing,
  live: nothing,
  offline: nothing,
};

const line = (type: string, fields: Readonly<Record<string, unknown>>): string => {
  const known = Object.entries(fields).map(([name, value]) => [name, value ?? null]);
  return `${escapeJson({ type, ...Object.fromEntries(known) })}\n`;
};

export const jsonFormat: LineFormat = {
  hello: (room, member, name) => line('hello', { format: JSON_FORMAT, room, member, name }),
  message: ({ seq, at, member, from, text, own, again }) =>
    line('message', { seq, at: at.toISOString(), member, from: shownName(from), text, own, again }),
  unsupported: ({ seq, member, name, kind }) =>
    line('unsupported', { seq, member, from: shownName(name), kind }),
  stored: ({ seq, n, line: number }) => line('stored', { seq, n, line: number }),
  unsent: ({ line: number, code, text }, file) => line('unsent', { line: number, code, text, file }),
  warning: ({ code, text, seq, member }) => line('warning', { code, text, seq, member }),
  live: (seq) => line('live', { seq }),
  offline: (code, text) => line('offline', { code, text }),
};
