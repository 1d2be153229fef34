/** The server's log, on standard error: for people on a terminal, JSON lines for others. */
import { fstatSync } from 'node:fs';
import pino from 'pino';
import { prettyFactory } from 'pino-pretty';
import { LogOutput, type Send, toFile } from './log-output.ts';
import { displayText } from './safe-text.ts';

export type Log = {
  readonly logger: pino.Logger;
  /** Gives the last lines a second to be taken. From then on the process ends even if nobody takes them. */
  readonly flush: () => Promise<void>;
};

/** UTF-16 units that wait for a reader of the log who has stopped reading; what comes then is lost, not kept. */
const mostWaiting = 4 * 1024 * 1024;
/** How long the end waits for a reader of the log to take what is left. */
const flushWithinMs = 1000;

/**
 * Not pino's own destination: where its file is full it tries again for ever, in the end while the process should exit.
 * @param level of pino, or `silent`
 */
export function openLog(level: string): Log {
  const output = new LogOutput(standardError(), mostWaiting);
  const write = process.stderr.isTTY ? prettyWriter(output) : (line: string) => output.write(line);
  return {
    logger: pino({ level, base: null }, { write }),
    flush: async () => {
      if (await output.flush(flushWithinMs)) return;
      // It keeps the process only as long as something else does, which is what is not taken.
      setTimeout(() => process.exit(), flushWithinMs).unref();
    },
  };
}

function standardError(): Send {
  const { stderr } = process;
  const stat = fstatSync(stderr.fd);
  if (!stat.isFIFO() && !stat.isSocket() && !stderr.isTTY) return toFile(stderr.fd);
  // Whoever read it has gone.
  stderr.on('error', () => {});
  return (bytes, done) => stderr.write(bytes, done);
}

function prettyWriter(output: LogOutput): (line: string) => void {
  const pretty = prettyFactory({
    singleLine: true,
    colorize: process.stderr.hasColors(),
    ignore: 'pid,hostname',
    translateTime: 'SYS:HH:MM:ss',
  });
  // Parsed and shown on a terminal, a text is not escaped as JSON any more.
  const harmless = (_key: string, value: unknown) => (typeof value === 'string' ? displayText(value) : value);
  return (line) => output.write(pretty(JSON.parse(line, harmless)));
}
