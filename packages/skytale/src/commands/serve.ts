/** `skytale serve`: runs a server until a signal. */

import { runServer } from '../server-run.ts';
import type { ServerValues } from '../server-values.ts';
import type { Values } from '../settings.ts';
import { whenReaderLeaves, writeOut } from '../stdio.ts';

export function serve(values: ServerValues & Values<'json'>): Promise<number> {
  // Whoever wanted the first line may leave after it.
  whenReaderLeaves(() => {});
  return runServer(values, async ({ tcp, http }) => {
    if (!values.json) return;
    const addresses = {
      ...(tcp.length > 0 && { tcp: tcp.join() }),
      ...(http.length > 0 && { http: http.join() }),
    };
    await writeOut(`${JSON.stringify({ event: 'listening', ...addresses })}\n`).catch(() => {});
  });
}
