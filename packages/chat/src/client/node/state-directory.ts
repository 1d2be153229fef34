/** Where members' states lie on disk, and which of them a process takes. */
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { toHex } from '../../bytes.ts';
import { makePrivateDirectory } from '../../private-directory.ts';
import { ChatError } from '../chat-error.ts';
import { SqliteStore } from './sqlite-store.ts';

/** Of processes in one room under one name at the same time. */
const MAX_SLOTS = 64;

/** `$XDG_STATE_HOME/skytale`, or `~/.local/state/skytale` (XDG Base Directory Specification). */
export function defaultStateDirectory(environment = process.env, home = homedir()): string {
  const state = environment.XDG_STATE_HOME;
  return join(state?.startsWith('/') ? state : join(home, '.local', 'state'), 'skytale');
}

/**
 * Opens a state for a member of the room with this name: of those that no process uses the first with unsent
 * messages, or else the first, or else a new one. So two processes never share an identity, and what one
 * left unsent is sent by the next.
 *
 *     ROOT/rooms/ROOM/NAME.SLOT.db
 *
 * @throws {ChatError} CHAT_STATE_UNUSABLE, CHAT_STATE_CORRUPT, CHAT_STATE_NEWER, CHAT_STATE_IN_USE
 */
export function openState(
  root: string,
  room: Uint8Array,
  name: string,
  newSeed: () => Uint8Array,
): SqliteStore {
  const directory = join(root, 'rooms', toHex(room));
  const stem = fileStem(name);
  const open = (slot: number) => SqliteStore.open(join(directory, `${stem}.${slot}.db`), room, newSeed);
  const inUse = new Set<number>();
  const stores: SqliteStore[] = [];
  using undo = new DisposableStack();
  for (const slot of slotsOf(directory, stem)) {
    const store = open(slot);
    if (store === undefined) inUse.add(slot);
    else stores.push(undo.use(store));
  }
  const chosen = stores.find((store) => store.hasUnsent) ?? stores[0];
  if (chosen === undefined) return newState(open, inUse);
  undo.move();
  for (const store of stores) if (store !== chosen) store[Symbol.dispose]();
  return chosen;
}

/** Takes the first free slot. Another process may be faster, then the next. */
function newState(open: (slot: number) => SqliteStore | undefined, inUse: ReadonlySet<number>): SqliteStore {
  for (let slot = 1; slot <= MAX_SLOTS; slot += 1) {
    const store = inUse.has(slot) ? undefined : open(slot);
    if (store !== undefined) return store;
  }
  throw new ChatError(
    'CHAT_STATE_IN_USE',
    `${MAX_SLOTS} programs are in this room under the same name already. Take another name.`,
  );
}

function slotsOf(directory: string, stem: string): number[] {
  try {
    makePrivateDirectory(directory);
    return readdirSync(directory)
      .filter((file) => file.startsWith(`${stem}.`))
      .map((file) => Number(/^\.([1-9][0-9]?)\.db$/.exec(file.slice(stem.length))?.[1]))
      .filter((slot) => slot <= MAX_SLOTS)
      .sort((one, other) => one - other);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ChatError('CHAT_STATE_UNUSABLE', `The state directory cannot be used: ${reason}.`, {
      cause: error,
    });
  }
}

/** A file name for any name: its plain letters, for people, and a hash, which tells all names apart. */
function fileStem(name: string): string {
  const plain = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '')
    .slice(0, 24);
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 12);
  return plain === '' ? hash : `${plain}-${hash}`;
}
