/** Helpers for tests that send frames: arbitrary frames, streams cut into pieces, all that comes out. */
import fc from 'fast-check';
import { anyText } from '../testing/any-text.ts';
import { FrameDecoder } from './frame-decoder.ts';
import type { Frame } from './frames.ts';
import { ProtocolError } from './protocol-error.ts';

const u16 = fc.nat(0xffff);
const u64 = fc.maxSafeNat();
const positive = u64.map((value) => Math.max(1, value));
const capabilities = fc.array(fc.stringMatching(/^[a-z0-9][a-z0-9.-]{0,23}$/), { maxLength: 16 });
const bytes = (minLength: number, maxLength = minLength) => fc.uint8Array({ minLength, maxLength });

/** Any frame that may be sent. */
export const anyFrame: fc.Arbitrary<Frame> = fc
  .oneof(
    fc.record({
      type: fc.constant('welcome' as const),
      lowest: fc.nat(9),
      highest: fc.integer({ min: 9, max: 0xffff }),
      maxFrame: fc.integer({ min: 1024, max: 2 ** 24 }),
      challenge: bytes(32),
    }),
    fc.record({
      type: fc.constant('create' as const),
      version: u16,
      accessKey: bytes(32),
      accessSignature: bytes(64),
    }),
    fc.record({ type: fc.constant('created' as const), room: bytes(16) }),
    fc.record({
      type: fc.constant('join' as const),
      version: fc.constantFrom(0, 1),
      accessKey: bytes(32),
      accessSignature: bytes(64),
      member: bytes(32),
      memberSignature: bytes(64),
      since: u64,
    }),
    fc.record({
      type: fc.constant('join' as const),
      version: fc.integer({ min: 2, max: 0xffff }),
      accessKey: bytes(32),
      accessSignature: bytes(64),
      member: bytes(32),
      memberSignature: bytes(64),
      since: u64,
      capabilities,
    }),
    fc.record({
      type: fc.constant('joined' as const),
      room: bytes(16),
      head: u64,
      first: positive,
      lastN: u64,
    }),
    fc.record({
      type: fc.constant('joined' as const),
      room: bytes(16),
      head: u64,
      first: positive,
      lastN: u64,
      lastHash: bytes(32),
      capabilities,
    }),
    fc.record({ type: fc.constant('ack' as const), n: positive, seq: u64, time: u64, hash: bytes(32) }),
    fc.record({ type: fc.constant('drain' as const), spread: fc.nat(0xffff_ffff) }),
    fc.tuple(positive, positive).map(([one, other]) => ({
      type: 'damaged' as const,
      first: Math.min(one, other),
      last: Math.max(one, other),
    })),
    fc.record({ type: fc.constant('count' as const), members: fc.nat(0xffff_ffff) }),
    fc.record({ type: fc.constant('window' as const), limit: u64 }),
    fc.record({
      ...{ type: fc.constant('publish_at' as const), head: u64, n: positive },
      envelope: bytes(1, 300),
    }),
    fc.record({ type: fc.constant('moved' as const), n: positive, head: u64 }),
    fc.record({ type: fc.constant('publish' as const), n: positive, envelope: bytes(1, 300) }),
    fc.record({ type: fc.constant('ack' as const), n: positive, seq: u64, time: u64 }),
    fc.record({
      type: fc.constant('deliver' as const),
      seq: positive,
      time: u64,
      member: bytes(32),
      n: positive,
      envelope: bytes(1, 300),
    }),
    fc.record({ type: fc.constant('live' as const), seq: u64 }),
    fc.record({ type: fc.constant('presence' as const), present: fc.boolean(), member: bytes(32) }),
    fc.record({
      type: fc.constant('present' as const),
      start: fc.boolean(),
      members: fc.array(bytes(32), { maxLength: 5 }),
    }),
    fc.record({ type: fc.constant('ping' as const), token: u64 }),
    fc.record({ type: fc.constant('pong' as const), token: u64 }),
    fc.constant({ type: 'drain' as const }),
    fc.record({
      type: fc.constant('error' as const),
      code: u16,
      text: anyText({ maxLength: 100 }),
    }),
  )
  // fast-check's records have no prototype, ours have: deepEqual tells them apart.
  .map((frame) => ({ ...frame }));

/** `stream` in copies of its pieces, whose sizes are given; a size of 0 is an empty piece. The last one is the rest. */
export function inPieces(stream: Uint8Array, sizes: Iterable<number>): Uint8Array[] {
  const plain = new Uint8Array(stream);
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (const size of sizes) {
    if (at >= plain.length || pieces.length > 1000) break;
    pieces.push(plain.slice(at, at + size));
    at += size;
  }
  if (at < plain.length) pieces.push(plain.slice(at));
  return pieces;
}

/** All frames that a decoder finds in the pieces, up to the first error. */
export function readAll(pieces: Iterable<Uint8Array>): {
  frames: Frame[];
  error: ProtocolError | undefined;
  decoder: FrameDecoder;
} {
  const decoder = new FrameDecoder();
  const frames: Frame[] = [];
  try {
    for (const piece of pieces) {
      decoder.push(piece);
      for (let frame = decoder.next(); frame !== undefined; frame = decoder.next()) frames.push(frame);
    }
  } catch (error) {
    if (error instanceof ProtocolError) return { frames, error, decoder };
    throw error;
  }
  return { frames, error: undefined, decoder };
}
