/** The server's log, on standard error: for people on a terminal, JSON lines for a pipe. */
import pino from 'pino';
import pretty from 'pino-pretty';
import { displayText } from './safe-text.ts';

export type Log = { readonly logger: pino.Logger; readonly flush: () => void };

/** Bytes that wait for a reader of the log who has stopped reading; what comes then is lost, not kept. */
const mostWaiting = 4 * 1024 * 1024;

/** @param level of pino, or `silent` */
export function openLog(level: string): Log {
  if (process.stderr.isTTY) {
    const stream = pretty({
      destination: 2,
      sync: true,
      singleLine: true,
      colorize: process.stderr.hasColors(),
      ignore: 'pid,hostname',
      translateTime: 'SYS:HH:MM:ss',
    });
    // Parsed and shown on a terminal, a text is not escaped as JSON any more.
    const harmless = (_key: string, value: unknown) =>
      typeof value === 'string' ? displayText(value) : value;
    const write = (line: string) => stream.write(`${JSON.stringify(JSON.parse(line, harmless))}\n`);
    return { logger: pino({ level, base: null }, { write }), flush: () => {} };
  }
  const destination = pino.destination({ dest: 2, sync: false, maxLength: mostWaiting });
  return {
    logger: pino({ level, base: null }, destination),
    flush: () => {
      try {
        destination.flushSync();
      } catch {
        // Nobody reads it any more.
      }
    },
  };
}
