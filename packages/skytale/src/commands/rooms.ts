/** `skytale rooms`: what a server keeps, for its owner; asked of the server that runs, never of its database. */
import { nodeCrypto, parseInvite, ROOM_ID_BYTES, type RoomSummary, ServerControl } from '@skytale/chat';
import { CommandError, UsageError } from '../command-error.ts';
import { displayLine, escapeJson } from '../safe-text.ts';
import { formatSize } from '../setting-values.ts';
import type { Values } from '../settings.ts';
import { note, whenReaderLeaves, writeOut } from '../stdio.ts';
import { table } from '../table.ts';

/** Fewer digits may mean a room that one does not think of. */
const LEAST_DIGITS = 4;

export async function rooms(values: Values<'data' | 'json'>, ...words: string[]): Promise<number> {
  const [action, room, ...more] = words;
  if (action !== undefined && (action !== 'delete' || room === undefined || more.length > 0)) {
    throw new UsageError('"skytale rooms" is followed by nothing, or by "delete ROOM".');
  }
  whenReaderLeaves(() => process.exit(0));
  const digits = room === undefined ? undefined : await digitsOf(room);
  using server = await ServerControl.connect(values.data);
  if (digits !== undefined) await deleteRoom(server, digits);
  else if (values.json)
    for await (const one of server.rooms()) await writeOut(`${escapeJson(inJson(one))}\n`);
  else await writeOut(await asTable(server));
  return 0;
}

/**
 * The first digits of a room's id in hex, or all: of how "skytale rooms" lists it, of how "skytale chat" shows it, or of its invite.
 * @throws {UsageError} if it is none of these
 * @throws {InviteError} if it is an invite, and damaged
 */
async function digitsOf(text: string): Promise<string> {
  const digits = text.toLowerCase();
  if (/^[0-9a-f]{1,32}$/.test(digits) && digits.length >= LEAST_DIGITS) return digits;
  if (text.includes('://'))
    return Buffer.from((await parseInvite(nodeCrypto(), text)).roomId).toString('hex');
  const id = Buffer.from(text, 'base64url');
  if (/^[\w-]+$/.test(text) && id.length === ROOM_ID_BYTES && id.toString('base64url') === text) {
    return id.toString('hex');
  }
  throw new UsageError(
    `A room is named by ${LEAST_DIGITS} to 32 hexadecimal digits, as "skytale rooms" lists it, by the 22 characters that ` +
      '"skytale chat" shows, or by its invite.',
  );
}

async function deleteRoom(server: ServerControl, digits: string): Promise<void> {
  const found: string[] = [];
  for await (const { room } of server.rooms()) if (room.startsWith(digits)) found.push(room);
  const [room, another] = found;
  if (another !== undefined) {
    throw new CommandError(`${found.length} rooms begin with ${digits}. Give more of its digits.`);
  }
  if (room === undefined || !(await server.deleteRoom(room))) {
    throw new CommandError(`There is no room that begins with ${digits}.`);
  }
  note(`Room ${room} is deleted.`);
}

const messagesIn = ({ first, head }: RoomSummary): number => head - first + 1;
const timeOf = (milliseconds: number): string => new Date(milliseconds).toISOString();

function inJson(one: RoomSummary): Record<string, unknown> {
  const { room, bytes, members, createdAt, usedAt, creator, damaged } = one;
  const times = { createdAt: timeOf(createdAt), usedAt: timeOf(usedAt) };
  return { room, messages: messagesIn(one), bytes, members, ...times, createdFrom: creator, damaged };
}

/** Those used last come first. */
async function asTable(server: ServerControl): Promise<string> {
  const all: RoomSummary[] = [];
  for await (const one of server.rooms()) all.push(one);
  if (all.length === 0) return 'There are no rooms.\n';
  const rows = all
    .sort((a, b) => b.usedAt - a.usedAt)
    .map((one) => [
      one.room,
      timeOf(one.usedAt).slice(0, 16),
      timeOf(one.createdAt).slice(0, 16),
      String(messagesIn(one)),
      roundSize(one.bytes),
      String(one.members),
      displayLine(one.creator),
      one.damaged ? 'damaged: delete it' : '',
    ]);
  const head = ['ROOM', 'USED', 'MADE', 'MESSAGES', 'SIZE', 'MEMBERS', 'MADE FROM', ''];
  return `${table([head, ...rows])}\n`;
}

/** To three digits or so: whole units of the largest kind of which there are more than nine. */
function roundSize(bytes: number): string {
  let unit = 1;
  while (bytes / unit >= 10 * 1024) unit *= 1024;
  return formatSize(Math.round(bytes / unit) * unit);
}
