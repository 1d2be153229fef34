/** Writes a state, and is killed while it does. */
import type { StateChange } from '@skytale/chat/client';
import { Database } from '../engine/database.ts';
import { MemberStates } from '../engine/indexed-db-store.ts';
import { commitAll } from './store-writer.ts';

declare const self: DedicatedWorkerGlobalScope;

type Order = { readonly name: string; readonly room: Uint8Array; readonly commits: readonly StateChange[][] };

self.onmessage = async ({ data: { name, room, commits } }: MessageEvent<Order>) => {
  const database = await Database.open({ name });
  await database.lead();
  const newSeed = () => new Uint8Array(32).fill(1);
  const store = await new MemberStates(database).openStore(room, 'bob', newSeed);
  await commitAll(store, commits, () => self.postMessage('resolved'));
};
