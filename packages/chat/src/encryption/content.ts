/** What is inside a message: a CBOR map (RFC 8949), its form checked strictly. */
import { decode, encode } from 'cborg';
import * as v from 'valibot';
import { utf8 } from './bytes.ts';
import { MessageError } from './message-error.ts';

/** Longest text, in bytes of UTF-8. */
export const MAX_TEXT_BYTES = 64 * 1024;
/** Longest name, in bytes of UTF-8. */
export const MAX_NAME_BYTES = 64;
/** Map, keys and time around them, generously. */
export const MAX_CONTENT_BYTES = MAX_TEXT_BYTES + MAX_NAME_BYTES + 256;
/** The last millisecond that a JavaScript `Date` can tell. */
const LAST_TIME = 8.64e15;

/** Told apart by `kind`. Text and name are any Unicode, control characters too: who shows them makes them harmless. */
export type Content = TextContent | NameContent;

type Signed = {
  /** What the sender calls itself. */
  readonly name: string;
  /** When it was written, by the sender's clock: Unix time in milliseconds. */
  readonly at: number;
};

export type TextContent = Signed & { readonly kind: 'text'; readonly text: string };

/** Of a sender who has nothing to say but who it is. */
export type NameContent = Signed & { readonly kind: 'name' };

const bounded = (most: number) =>
  v.pipe(
    v.string(),
    v.check((text) => text.isWellFormed() && Buffer.byteLength(text) <= most),
  );

const signed = {
  name: v.pipe(bounded(MAX_NAME_BYTES), v.minLength(1)),
  at: v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(LAST_TIME)),
};

/** Fields that it does not name are ignored, so that later versions may add some. */
const content = v.variant('kind', [
  v.object({ kind: v.literal('text'), text: bounded(MAX_TEXT_BYTES), ...signed }),
  v.object({ kind: v.literal('name'), ...signed }),
]);

/** @throws {RangeError} if a field is beyond its limits, which the caller has checked */
export function encodeContent(message: Content): Uint8Array {
  if (!v.is(content, message)) throw new RangeError('a content with a field beyond its limits');
  return encode(message);
}

/** @throws {MessageError} MALFORMED_CONTENT */
export function decodeContent(bytes: Uint8Array): Content {
  if (bytes.length > MAX_CONTENT_BYTES) {
    throw new MessageError('MALFORMED_CONTENT', `its content has ${bytes.length} bytes, too many`);
  }
  const parsed = v.safeParse(content, decodeCbor(bytes));
  if (parsed.success) return parsed.output;
  const field = parsed.issues[0].path?.map(({ key }) => String(key)).join('.') ?? 'the whole';
  throw new MessageError('MALFORMED_CONTENT', `its content is not understood (${field})`);
}

function decodeCbor(bytes: Uint8Array): unknown {
  try {
    return decode(bytes, {
      strict: true,
      allowIndefinite: false,
      allowUndefined: false,
      allowInfinity: false,
      allowNaN: false,
      allowBigInt: false,
      rejectDuplicateMapKeys: true,
    });
  } catch (cause) {
    throw new MessageError('MALFORMED_CONTENT', 'its content is not CBOR', { cause });
  }
}

/** The bytes that a text takes of `MAX_TEXT_BYTES`. */
export function textBytes(text: string): number {
  return utf8(text).length;
}
