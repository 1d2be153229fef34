/** Writes, and hangs before it can hear what becomes of it. */
import { Database } from '../engine/database.ts';

declare const self: DedicatedWorkerGlobalScope;

const database = await Database.open({ name: 'hanging' });
await database.lead();
void database.write([{ table: 'messages', key: ['of the first', 1], value: new Uint8Array(1) }], 'strict');
self.postMessage('writing');
const request = new XMLHttpRequest();
request.open('GET', '/hold', false);
request.send();
// It wakes, and writes once more.
await database
  .write([{ table: 'messages', key: ['of the first', 2], value: new Uint8Array(1) }], 'strict')
  .then(
    () => self.postMessage('wrote'),
    (error: { readonly code?: string }) => self.postMessage(error.code),
  );
