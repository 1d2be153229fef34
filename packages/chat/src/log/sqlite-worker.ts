/** A thread of the SQLite log, that reads, writes or copies: one request after the other, each answered. */
import { parentPort, workerData } from 'node:worker_threads';
import { SqliteCopier } from './sqlite-copier.ts';
import type { Damage } from './sqlite-database.ts';
import { logError } from './sqlite-errors.ts';
import { SqliteReader } from './sqlite-reader.ts';
import { SqliteWriter } from './sqlite-writer.ts';
import type { ThreadAnswer, ThreadMessage, ThreadRequest, ThreadRole } from './thread-messages.ts';

if (parentPort === null) throw new Error('sqlite-worker.ts runs as a worker thread only');
const port = parentPort;
const { role, options, shared } = workerData as ThreadRole;
const tables: { part?: SqliteReader | SqliteWriter | SqliteCopier } = {};

function onDamage(damage: Damage): void {
  port.postMessage({ damage } satisfies ThreadMessage);
}

function makePart(): SqliteReader | SqliteWriter | SqliteCopier {
  switch (role) {
    case 'read':
      return new SqliteReader(options, onDamage);
    case 'write':
      return new SqliteWriter(options, onDamage, shared);
    case 'copy':
      return new SqliteCopier(options);
  }
}

function perform({ method, args }: ThreadRequest): unknown {
  if (method === 'open') {
    tables.part = makePart();
    return undefined;
  }
  const part = tables.part as unknown as Record<string, (...args: readonly unknown[]) => unknown>;
  return part[method]!(...args);
}

port.on('message', (request: ThreadRequest) => {
  let answer: ThreadAnswer;
  try {
    answer = { id: request.id, value: perform(request) };
  } catch (error) {
    const { code, message } = logError(error, request.method);
    answer = { id: request.id, error: { code, message } };
  }
  const frames = (answer.value as { frames?: unknown } | undefined)?.frames;
  const owned = frames instanceof Uint8Array && frames.byteLength === frames.buffer.byteLength;
  port.postMessage(answer, owned ? [frames.buffer as ArrayBuffer] : []);
  if (request.method !== 'close' && tables.part instanceof SqliteWriter && tables.part.isLong()) {
    port.postMessage({ long: true } satisfies ThreadMessage);
  }
  if (request.method === 'close') port.close();
});
