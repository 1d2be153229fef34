import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { FrameDecoder } from './frame-decoder.ts';
import { anyFrame, inPieces, readAll } from './frames.cases.ts';
import {
  DEFAULT_MAX_FRAME,
  encodeFrame,
  type Frame,
  FrameType,
  MIN_MAX_FRAME,
  maxEnvelope,
  parseFrame,
  writeU32,
} from './frames.ts';
import { ProtocolError, protocolErrorCode, protocolErrors } from './protocol-error.ts';

const zeros = (length: number) => new Uint8Array(length);
const malformed = { name: 'ProtocolError', code: 'MALFORMED_FRAME' };
const tooLarge = { name: 'ProtocolError', code: 'FRAME_TOO_LARGE' };

/** A frame by its type number and body, whatever they are. */
function raw(type: number, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(5 + body.length);
  writeU32(bytes, 0, 1 + body.length);
  bytes[4] = type;
  bytes.set(body, 5);
  return bytes;
}

/** Bytes without sense, or frames of any type with a body without sense. */
const randomStream = fc.oneof(
  fc.uint8Array({ maxLength: 400 }),
  fc
    .array(fc.tuple(fc.nat(21), fc.uint8Array({ maxLength: 80 })), { maxLength: 5 })
    .map((frames) => new Uint8Array(Buffer.concat(frames.map(([type, body]) => raw(type, body))))),
);

describe('frames', () => {
  test('the bytes of a DELIVER are as specified', () => {
    const member = zeros(32).fill(0xaa);
    const bytes = encodeFrame({
      type: 'deliver',
      seq: 0x1_0000_0002,
      time: 3,
      member,
      n: 4,
      envelope: Uint8Array.of(0xee),
    });
    const hex = `0000003a 08 0000000100000002 0000000000000003 ${'aa'.repeat(32)} 0000000000000004 ee`;
    assert.equal(Buffer.from(bytes).toString('hex'), hex.replaceAll(' ', ''));
  });

  test('any frames, in any pieces, come out as they went in', () => {
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 8 }), fc.infiniteStream(fc.nat(200)), (frames, sizes) => {
        const stream = Buffer.concat(frames.map(encodeFrame));
        const { frames: read, error, decoder } = readAll(inPieces(stream, sizes));
        assert.equal(error, undefined);
        assert.deepEqual(read, frames);
        assert.equal(decoder.unfinishedBytes, 0);
      }),
    );
  });

  test('random bytes give frames or a protocol error, the same in any pieces', () => {
    fc.assert(
      fc.property(randomStream, fc.infiniteStream(fc.nat(50)), (stream, sizes) => {
        const whole = readAll([stream]);
        const cut = readAll(inPieces(stream, sizes));
        assert.deepEqual(cut.frames, whole.frames);
        assert.equal(cut.error?.code, whole.error?.code);
      }),
    );
  });

  test('a frame with some bytes changed gives a frame that encodes to them, or a protocol error', () => {
    const change = fc.tuple(fc.nat(), fc.nat(255));
    fc.assert(
      fc.property(anyFrame, fc.array(change, { minLength: 1, maxLength: 4 }), (frame, changes) => {
        const bytes = encodeFrame(frame);
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        const { frames, error, decoder } = readAll([bytes]);
        const understood = Buffer.concat(frames.map(encodeFrame));
        assert.deepEqual(understood, Buffer.from(bytes.subarray(0, understood.length)));
        if (error === undefined) assert.equal(understood.length + decoder.unfinishedBytes, bytes.length);
      }),
    );
  });

  test('a frame never reads what stands behind it', () => {
    fc.assert(
      fc.property(anyFrame, fc.nat(), (frame, cut) => {
        const body = encodeFrame(frame).subarray(4);
        const end = cut % body.length;
        const memory = new Uint8Array(end + 300).fill(1);
        memory.set(body.subarray(0, end));
        const parse = (bytes: Uint8Array): Frame | string => {
          try {
            return parseFrame(bytes, 0, end);
          } catch (error) {
            return (error as ProtocolError).code;
          }
        };
        assert.deepEqual(parse(memory), parse(body.slice(0, end)));
      }),
    );
  });

  test('what is malformed says so', () => {
    const cases: [string, Uint8Array][] = [
      ['an empty frame', Uint8Array.of(0, 0, 0, 0)],
      ['type 0', raw(0, zeros(8))],
      ['type 255', raw(255, zeros(8))],
      ['an ACK that is one byte short', raw(FrameType.ack, zeros(23))],
      ['a LIVE that is one byte long', raw(FrameType.live, zeros(9))],
      ['an ACK with a hash that is one byte short', raw(FrameType.ack, zeros(55).fill(1, 7, 8))],
      ['a DRAIN with half a spread', raw(FrameType.drain, zeros(2))],
      [
        'a JOIN of version 2 without capabilities',
        raw(FrameType.join, zeros(203).fill(2, 1, 2).fill(1, 2, 3)),
      ],
      ['a JOIN of version 1 with capabilities', raw(FrameType.join, zeros(203).fill(1, 1, 2))],
      ['a WINDOW of half a limit', raw(FrameType.window, zeros(4))],
      ['a WINDOW of 2^53', raw(FrameType.window, Uint8Array.of(0, 0x20, 0, 0, 0, 0, 0, 0))],
      ['a PUBLISH_AT without an envelope', raw(FrameType.publishAt, zeros(16).fill(1, 15))],
      ['a PUBLISH_AT with n 0', raw(FrameType.publishAt, zeros(17))],
      ['a MOVED with n 0', raw(FrameType.moved, zeros(16))],
      ['a JOINED with a hash and no capabilities', raw(FrameType.joined, zeros(72).fill(1, 31, 32))],
      ['a JOINED with 17 capabilities', raw(FrameType.joined, zeros(73).fill(1, 31, 32).fill(17, 72))],
      [
        'a JOINED with a capability without a name',
        raw(FrameType.joined, zeros(74).fill(1, 31, 32).fill(1, 72, 73)),
      ],
      ['DAMAGED from 2 to 1', raw(FrameType.damaged, zeros(16).fill(2, 7, 8).fill(1, 15, 16))],
      ['a PUBLISH without an envelope', raw(FrameType.publish, Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1))],
      ['a PUBLISH with n 0', raw(FrameType.publish, zeros(9))],
      ['a PING of 2^53', raw(FrameType.ping, Uint8Array.of(0, 0x20, 0, 0, 0, 0, 0, 0))],
      ['a PRESENCE flag of 2', raw(FrameType.presence, zeros(33).fill(2))],
      ['a PRESENT that ends within a member', raw(FrameType.present, zeros(34))],
      ['an ERROR that is not UTF-8', raw(FrameType.error, Uint8Array.of(0, 1, 0xff))],
      ['an ERROR with 513 bytes of text', raw(FrameType.error, zeros(515).fill(0x20))],
      ['a WELCOME with another magic', raw(FrameType.welcome, zeros(44))],
    ];
    for (const [what, bytes] of cases) {
      const { frames, error } = readAll([bytes]);
      assert.deepEqual([frames.length, error?.code], [0, 'MALFORMED_FRAME'], what);
    }
  });

  test('a kind of room that is not known says so, whatever stands behind it', () => {
    for (const type of [FrameType.create, FrameType.join]) {
      for (const kind of [0, 2, 255]) {
        const { error } = readAll([raw(type, Uint8Array.of(0, 2, kind, 9, 9, 9))]);
        assert.equal(error?.code, 'UNSUPPORTED_KIND', `${type} ${kind}`);
      }
    }
  });

  test('the bytes of what version 2 added are as specified', () => {
    const hexOf = (frame: Frame) => Buffer.from(encodeFrame(frame)).toString('hex');
    const envelope = Uint8Array.of(0xee);
    for (const [frame, hex] of [
      [{ type: 'window', limit: 0x1_0000_0002 }, '00000009 12 0000000100000002'],
      [{ type: 'publish_at', head: 5, n: 4, envelope }, '00000012 13 0000000000000005 0000000000000004 ee'],
      [{ type: 'moved', n: 4, head: 7 }, '00000011 14 0000000000000004 0000000000000007'],
      [
        {
          ...{ type: 'create', version: 2, accessKey: zeros(32), accessSignature: zeros(64) },
        },
        `00000064 02 0002 01 ${'00'.repeat(96)}`,
      ],
    ] as [Frame, string][]) {
      assert.equal(hexOf(frame), hex.replaceAll(' ', ''), frame.type);
    }
  });

  test('a WELCOME with versions or a limit that make no sense is malformed', () => {
    const welcome = { type: 'welcome', lowest: 1, highest: 1, maxFrame: 1024, challenge: zeros(32) } as const;
    for (const wrong of [{ lowest: 2 }, { maxFrame: 1023 }, { maxFrame: 2 ** 24 + 1 }]) {
      const body = encodeFrame({ ...welcome, ...wrong }).subarray(4);
      assert.throws(() => parseFrame(body), malformed, JSON.stringify(wrong));
    }
  });

  test('what does not fit into a frame is not encoded', () => {
    assert.throws(() => encodeFrame({ type: 'ping', token: 2 ** 53 }), RangeError);
    assert.throws(() => encodeFrame({ type: 'ping', token: -1 }), RangeError);
    assert.throws(() => encodeFrame({ type: 'created', room: zeros(15) }), RangeError);
    assert.throws(() => encodeFrame({ type: 'error', code: 1, text: 'x'.repeat(513) }), RangeError);
    assert.throws(() => encodeFrame({ type: 'error', code: 65536, text: '' }), RangeError);
  });

  test('error numbers and names are one to one', () => {
    const numbers = Object.values(protocolErrors).map(({ number }) => number);
    assert.equal(new Set(numbers).size, numbers.length);
    assert.equal(protocolErrorCode(12), 'STORAGE_FULL');
    assert.equal(protocolErrorCode(999), undefined);
    assert.equal(new ProtocolError('STORAGE_FULL', '').fatal, false);
  });
});

describe('FrameDecoder', () => {
  test('the longest frame is taken, one byte more is refused as soon as its length is there', () => {
    const longest = encodeFrame({ type: 'publish', n: 1, envelope: zeros(DEFAULT_MAX_FRAME - 9) });
    assert.equal(readAll(inPieces(longest, [1000])).frames.length, 1);
    const decoder = new FrameDecoder();
    const length = zeros(4);
    writeU32(length, 0, DEFAULT_MAX_FRAME + 1);
    decoder.push(length);
    assert.throws(() => decoder.next(), tooLarge);
  });

  test('the largest envelope that may be published fits into a DELIVER', () => {
    const envelope = zeros(maxEnvelope(MIN_MAX_FRAME));
    const bytes = encodeFrame({ type: 'deliver', seq: 1, time: 1, member: zeros(32), n: 1, envelope });
    assert.equal(bytes.length - 4, MIN_MAX_FRAME);
  });

  test('a whole frame is not copied, and a cut one stays valid', () => {
    const bytes = encodeFrame({ type: 'publish', n: 1, envelope: zeros(100).fill(7) });
    const decoder = new FrameDecoder();
    decoder.push(bytes);
    const whole = decoder.next();
    assert(whole?.type === 'publish');
    assert.equal(whole.envelope.buffer, bytes.buffer);
    const { frames } = readAll(inPieces(Buffer.concat([bytes, bytes, bytes]), [50, 7, 120, 100]));
    for (const frame of frames) {
      assert(frame.type === 'publish');
      assert.deepEqual(frame.envelope, zeros(100).fill(7));
    }
  });

  test('a length alone reserves no memory', () => {
    const before = process.memoryUsage().arrayBuffers;
    const header = zeros(5);
    writeU32(header, 0, DEFAULT_MAX_FRAME);
    const decoders = Array.from({ length: 200 }, () => {
      const decoder = new FrameDecoder();
      decoder.push(header);
      decoder.next();
      return decoder;
    });
    assert(process.memoryUsage().arrayBuffers - before < decoders.length * 8192);
    assert.equal(decoders[0]?.unfinishedBytes, 5);
  });

  test('after an error nothing more is read', () => {
    const decoder = new FrameDecoder();
    decoder.push(Uint8Array.of(0, 0, 0, 0));
    assert.throws(() => decoder.next(), malformed);
    decoder.push(encodeFrame({ type: 'drain' }));
    assert.throws(() => decoder.next(), malformed);
  });

  test('a piece that was not read to its end is not lost silently', () => {
    const decoder = new FrameDecoder();
    decoder.push(Buffer.concat([encodeFrame({ type: 'drain' }), encodeFrame({ type: 'drain' })]));
    decoder.next();
    assert.throws(() => decoder.push(zeros(1)), RangeError);
  });
});
