/**
 * What the receiving side notices, by stable codes and in words. Each means that the server, somebody between, or a
 * member does what it must not; what it concerns was dropped unless the code says otherwise.
 */
import { toHex } from '../bytes.ts';
import { shownName } from '../names/shown-name.ts';

export type FindingCode =
  /** A message that was there before, by its number or by its place, came again; dropped. */
  | 'REPLAY'
  /** A message came after later ones of its sender; dropped. */
  | 'REORDERED'
  /** Messages of a sender are missing. */
  | 'MISSING'
  /** The signature is not the sender's: forged, altered, or from another room; dropped. */
  | 'FORGED'
  /** The signature is right and the seal is not: its sender does not hold the room's secret; dropped. */
  | 'TAMPERED'
  /** Not in the form of an envelope; dropped. */
  | 'MALFORMED'
  /** Signed by its sender, and sealed in a version that this program does not know: no attack, and nothing to be shown. */
  | 'UNSUPPORTED_VERSION'
  /** Authentic, and against the rules that hold for every content, whatever its kind; dropped. */
  | 'MALFORMED_CONTENT'
  /** The sender of a message was shown another history than this client. The message itself is authentic. */
  | 'HISTORY_DIFFERS'
  /** The room's numbering has a hole: the server left messages out. */
  | 'LEFT_OUT'
  /** The server deleted old messages before this client could fetch them. */
  | 'EXPIRED'
  /** Two members use names that look the same. */
  | 'NAME_SHARED';

export type Finding = {
  readonly code: FindingCode;
  /** A whole sentence for the user, free of everything that must not be shown (names/shown-text.ts). */
  readonly text: string;
  /** Where it was noticed. */
  readonly seq: number;
  /** Whom it concerns, if anybody: its id in hexadecimal. As the server says, where no signature matched. */
  readonly member: string | undefined;
};

/** A member in a sentence: the name, if it is known, and the first digits of the id, which nobody can choose at will. */
export function describeMember(member: Uint8Array, name: string | undefined): string {
  const id = toHex(member.subarray(0, 4));
  return name === undefined ? `member ${id}` : `“${shownName(name)}” (${id})`;
}

/** `5 messages`, `1 message`. */
export function countMessages(count: number): string {
  return count === 1 ? '1 message' : `${count} messages`;
}
