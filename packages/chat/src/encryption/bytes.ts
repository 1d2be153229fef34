/** Byte strings put together, compared and written as text. */
import { writeU64 } from '../protocol/frames.ts';
import type { Bytes } from './primitives.ts';

const encoder = new TextEncoder();

/** UTF-8. */
export function utf8(text: string): Bytes {
  return encoder.encode(text);
}

export function concat(...parts: Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** An integer up to 2^53 - 1 as eight bytes, big-endian. */
export function u64(value: number): Bytes {
  const bytes = new Uint8Array(8);
  writeU64(bytes, 0, value);
  return bytes;
}

/** For public values; secrets are compared with `timingSafeEqual`. */
export function equalBytes(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}

/** @returns `undefined` unless `text` is exactly the hexadecimal form, in lower case, of `length` bytes */
export function fromHex(text: string, length: number): Bytes | undefined {
  if (text.length !== 2 * length || !/^[0-9a-f]*$/.test(text)) return undefined;
  return new Uint8Array(Buffer.from(text, 'hex'));
}

/** base64url without padding (RFC 4648 section 5). */
export function toBase64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64url');
}

/**
 * @returns `undefined` unless `text` is exactly what `toBase64url` makes of `length` bytes. Node's decoder alone would skip foreign
 *   characters and ignore the unused bits of the last one.
 */
export function fromBase64url(text: string, length: number): Bytes | undefined {
  const bytes = new Uint8Array(Buffer.from(text, 'base64url'));
  return bytes.length === length && toBase64url(bytes) === text ? bytes : undefined;
}
