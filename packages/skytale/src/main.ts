#!/usr/bin/env node
/** The `skytale` command: runs it, and says in one line what went wrong. */
import { enableCompileCache } from 'node:module';
import { cacheDirectory } from './directories.ts';
import { exitCodeFor, explain } from './explain.ts';
import { runProgram } from './program.ts';
import { displayLine, displayText } from './safe-text.ts';
import { endWhenReaderLeaves } from './stdio.ts';
import { styleFor } from './style.ts';

// Commands are loaded when they run. Stripping and compiling them anew took two thirds of that time.
enableCompileCache(cacheDirectory(process.env));

function fail(error: unknown): void {
  // Where that cannot be said either, the exit code says it.
  process.stderr.on('error', () => {});
  const style = styleFor(process.stderr);
  process.stderr.write(`${style('red', 'skytale:')} ${displayLine(explain(error))}\n`);
  if (process.env.SKYTALE_DEBUG === '1' && error instanceof Error) {
    process.stderr.write(`${displayText(error.stack ?? '')}\n`);
    for (let cause = error.cause; cause instanceof Error; cause = cause.cause) {
      process.stderr.write(`because of ${displayText(cause.stack ?? '')}\n`);
    }
  }
}

process.on('uncaughtException', (error) => {
  fail(error);
  process.exit(1);
});

endWhenReaderLeaves();
try {
  process.exitCode = await runProgram(process.argv.slice(2));
} catch (error) {
  fail(error);
  process.exitCode = exitCodeFor(error);
}
