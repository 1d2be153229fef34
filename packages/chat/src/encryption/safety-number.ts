import { compareBytes, concat, utf8 } from '../bytes.ts';
import type { RoomKeys } from './key-schedule.ts';

const LABEL = utf8('skytale safety number 1');
const GROUPS = 12;
const GROUP_BYTES = 5;

/**
 * The number that two members compare, by voice or side by side: 12 groups of 5 digits (199 bits), the same for both.
 *
 * Equal numbers prove that each has the other's true public key, and that they are in the same room: messages
 * that are shown as coming from that member were signed by the person one compared with. It says
 * nothing about other members, and nothing about a device that was stolen.
 *
 * @throws {Error} if the keys were wiped
 */
export async function safetyNumber(keys: RoomKeys, one: Uint8Array, other: Uint8Array): Promise<string> {
  const sorted = [one, other].sort(compareBytes);
  const bytes = await keys.verification(concat(LABEL, ...sorted), GROUPS * GROUP_BYTES);
  const groups = Array.from({ length: GROUPS }, (_, index) => {
    const group = bytes.subarray(index * GROUP_BYTES, (index + 1) * GROUP_BYTES);
    const number = group.reduce((value, byte) => value * 256 + byte, 0);
    return String(number % 100_000).padStart(5, '0');
  });
  return groups.join(' ');
}
