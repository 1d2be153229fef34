/** The thread that the SQLite log runs in: one request after the other, each answered. */
import { parentPort, workerData } from 'node:worker_threads';
import { LogError } from './log-error.ts';
import type { LogAnswer, LogRequest } from './sqlite-log.ts';
import { type SqliteLogOptions, SqliteStore } from './sqlite-store.ts';

if (parentPort === null) throw new Error('sqlite-worker.ts runs as a worker thread only');
const port = parentPort;
let store: SqliteStore | undefined;

function perform(request: LogRequest): unknown {
  if (request.method === 'open') {
    store = new SqliteStore(workerData as SqliteLogOptions);
    return undefined;
  }
  if (store === undefined) throw new LogError('LOG_CLOSED', 'The message log is not open.');
  switch (request.method) {
    case 'createRoom':
      return store.createRoom(...request.args);
    case 'roomState':
      return store.roomState(...request.args);
    case 'roomCount':
      return store.roomCount();
    case 'lastN':
      return store.lastN(...request.args);
    case 'append':
      return store.append(...request.args);
    case 'read':
      return store.read(...request.args);
    case 'prune':
      return store.prune(...request.args);
    case 'close':
      return store.close();
  }
}

port.on('message', (request: LogRequest) => {
  let answer: LogAnswer;
  try {
    answer = { id: request.id, value: perform(request) };
  } catch (error) {
    const known = error instanceof LogError ? error : new LogError('LOG_FAILED', String(error));
    answer = { id: request.id, error: { code: known.code, message: known.message } };
  }
  port.postMessage(answer);
  store?.tidy();
  if (request.method === 'close') port.close();
});
