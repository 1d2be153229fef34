/** What is inside a message: a CBOR map (RFC 8949), its form checked strictly. */
import { decode, encode } from 'cborg';
import * as v from 'valibot';
import { copyOf, utf8 } from '../bytes.ts';
import { MessageError } from './message-error.ts';

/** Longest text, in bytes of UTF-8. */
export const MAX_TEXT_BYTES = 64 * 1024;
/** Longest name, in bytes of UTF-8. */
export const MAX_NAME_BYTES = 64;
/** Longest name of a kind, in bytes of UTF-8. */
export const MAX_KIND_BYTES = 64;
export const DRAFT_ID_BYTES = 16;
/** Of the numbers that one message can say were given up for it. */
export const MAX_INSTEAD = 16;
/** Map, keys, time, id and numbers around them, generously. */
export const MAX_CONTENT_BYTES = MAX_TEXT_BYTES + MAX_NAME_BYTES + 256;
/** The last millisecond that a JavaScript `Date` can tell. */
const LAST_TIME = 8.64e15;

/** What one can send. Told apart by `kind`. Text and name are any Unicode, control characters too: who shows them makes them harmless. */
export type Content = TextContent | NameContent;

/** What one can get. */
export type ReceivedContent = Content | UnknownContent;

/** What is common to all kinds, those of later versions too. */
export type Signed = {
  /** What the sender calls itself. */
  readonly name: string;
  /** When it was written, by the sender's clock: Unix time in milliseconds. */
  readonly at: number;
  /** 16 random bytes of the draft: what is sealed again, under another number, has the same. */
  readonly id?: Uint8Array;
  /** The numbers under which this draft was sealed before, and which were given up since others had put something there. */
  readonly instead?: readonly number[];
};

export type TextContent = Signed & { readonly kind: 'text'; readonly text: string };

/** Of a sender who has nothing to say but who it is. */
export type NameContent = Signed & { readonly kind: 'name' };

/** Of a kind that a later version knows: its own fields are not looked at. */
export type UnknownContent = Signed & {
  readonly kind: 'unknown';
  /** The name of the kind, as the sender gives it: hostile like every text. */
  readonly of: string;
};

const bounded = (most: number) =>
  v.pipe(
    v.string(),
    v.check((text) => text.isWellFormed() && textBytes(text) <= most),
  );
const named = (most: number) => v.pipe(bounded(most), v.minLength(1));
const number = (least: number, most: number) =>
  v.pipe(v.number(), v.safeInteger(), v.minValue(least), v.maxValue(most));

const signed = {
  name: named(MAX_NAME_BYTES),
  at: number(0, LAST_TIME),
  id: v.exactOptional(
    v.pipe(
      v.instance(Uint8Array),
      v.check((id) => id.length === DRAFT_ID_BYTES),
      // What was decoded is a view of plaintext that is wiped soon.
      v.transform((id) => copyOf(id)),
    ),
  ),
  instead: v.exactOptional(
    v.pipe(v.array(number(1, Number.MAX_SAFE_INTEGER)), v.minLength(1), v.maxLength(MAX_INSTEAD)),
  ),
};

/** Fields that it does not name are ignored, so that later versions may add some. */
const content = v.variant('kind', [
  v.object({ kind: v.literal('text'), text: bounded(MAX_TEXT_BYTES), ...signed }),
  v.object({ kind: v.literal('name'), ...signed }),
]);
const knownKinds: ReadonlySet<unknown> = new Set(
  content.options.map((option) => option.entries.kind.literal),
);
const unknownContent = v.object({ kind: named(MAX_KIND_BYTES), ...signed });

/** @throws {RangeError} if a field is beyond its limits, which the caller has checked */
export function encodeContent(message: Content): Uint8Array {
  if (!v.is(content, message)) throw new RangeError('a content with a field beyond its limits');
  return encode(message);
}

/** @throws {MessageError} MALFORMED_CONTENT */
export function decodeContent(bytes: Uint8Array): ReceivedContent {
  if (bytes.length > MAX_CONTENT_BYTES) {
    throw new MessageError('MALFORMED_CONTENT', `its content has ${bytes.length} bytes, too many`);
  }
  const fields = decodeMap(bytes);
  if (knownKinds.has(fields.kind)) return parse(content, fields);
  const { kind, ...common } = parse(unknownContent, fields);
  return { kind: 'unknown', of: kind, ...common };
}

function parse<Schema extends v.GenericSchema>(schema: Schema, fields: unknown): v.InferOutput<Schema> {
  const parsed = v.safeParse(schema, fields);
  if (parsed.success) return parsed.output;
  const field = parsed.issues[0].path?.map(({ key }) => String(key)).join('.') ?? 'the whole';
  throw new MessageError('MALFORMED_CONTENT', `its content is not understood (${field})`);
}

/** A map stays a `Map` until its keys are known to be names, so that none of them is taken for a property like `__proto__`. */
function decodeMap(bytes: Uint8Array): Record<string, unknown> {
  const map = decodeCbor(bytes);
  if (!(map instanceof Map) || !map.keys().every((key) => typeof key === 'string')) {
    throw new MessageError('MALFORMED_CONTENT', 'its content is not understood (the whole)');
  }
  return Object.fromEntries(map);
}

function decodeCbor(bytes: Uint8Array): unknown {
  try {
    return decode(bytes, {
      strict: true,
      useMaps: true,
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
