/** The values that settings can have: each parser takes a text and throws an Error that says what it must be. */

import { webOriginOf } from '@skytale/chat/setting-table';

export type Address = { readonly host: string; readonly port: number };

const addressPattern = /^(?:(\[[0-9a-fA-F:.]+(?:%[\w.-]+)?\]|[\w.-]*):)?(\d{1,5})$/;

/** HOST:PORT, with an IPv6 host in brackets; PORT or :PORT alone means this machine only. */
export function parseAddress(text: string): Address {
  const match = addressPattern.exec(text);
  const port = Number(match?.[2]);
  if (!match || port > 65_535) throw new Error('is not HOST:PORT, like 127.0.0.1:7000 or [::1]:7000');
  return { host: (match[1] || '127.0.0.1').replace(/^\[|\]$/g, ''), port };
}

/** Addresses with commas between them, or `off`. */
export function parseAddresses(text: string): Address[] {
  return text === 'off' ? [] : text.split(',').map((part) => parseAddress(part.trim()));
}

export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

export function parseText(text: string): string {
  if (text === '') throw new Error('is empty');
  return text;
}

/** Texts with commas between them, or `none`; each as the rule says. */
export const listOf =
  ({ isValid, otherwise }: { isValid: (entry: string) => boolean; otherwise: string }) =>
  (text: string): string[] => {
    const entries = text === 'none' ? [] : text.split(',').map((part) => parseText(part.trim()));
    const wrong = entries.find((entry) => !isValid(entry));
    if (wrong === undefined) return entries;
    throw new Error(
      wrong === text ? `is ${otherwise}` : `has ${JSON.stringify(wrong)} in it, which is ${otherwise}`,
    );
  };

/** The beginning of web links, or `none`. */
export function parsePublicUrl(text: string): string {
  const origin = text === 'none' ? '' : webOriginOf(text);
  if (origin === undefined) throw new Error('is not http(s)://HOST or http(s)://HOST:PORT, without a path');
  return origin;
}

export function parseSwitch(text: string): boolean {
  if (/^(1|true|yes|on)$/i.test(text)) return true;
  if (/^(0|false|no|off|)$/i.test(text)) return false;
  throw new Error('is neither true nor false');
}

export const integer =
  (least: number, most = Number.MAX_SAFE_INTEGER) =>
  (text: string): number => {
    const number = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (number >= least && number <= most) return number;
    const range = most < Number.MAX_SAFE_INTEGER ? `from ${least} to ${most}` : `of ${least} or more`;
    throw new Error(`is not a whole number ${range}`);
  };

const units = ['', 'K', 'M', 'G', 'T'];

/** A size in bytes, like 65536, 64K or 10G (K is 1024). */
export function parseSize(text: string): number {
  const match = /^(\d{1,9})([kmgt]?)(?:i?b)?$/i.exec(text);
  if (!match) throw new Error('is not a size, like 64K, 512M or 10G');
  return Number(match[1]) * 1024 ** units.indexOf(match[2]!.toUpperCase());
}

/** A size within bounds, both in bytes. */
export const sizeWithin =
  (least: number, most = Number.MAX_SAFE_INTEGER) =>
  (text: string): number => {
    const size = parseSize(text);
    if (size >= least && size <= most) return size;
    const range = most < Number.MAX_SAFE_INTEGER ? `from ${least} to ${most}` : `of ${least} or more`;
    throw new Error(`is not a size ${range} bytes`);
  };

/** The size as one would give it. */
export function formatSize(bytes: number): string {
  let [size, unit] = [bytes, 0];
  while (size > 0 && size % 1024 === 0 && unit < units.length - 1) [size, unit] = [size / 1024, unit + 1];
  return `${size}${units[unit]}`;
}

const milliseconds: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** A time, like 50ms, 10s, 5m or 2h; in milliseconds. A number alone is seconds. */
export function parseTime(text: string): number {
  const match = /^(\d{1,9})(ms|s|m|h)?$/i.exec(text);
  const time = Number(match?.[1]) * milliseconds[match?.[2]?.toLowerCase() ?? 's']!;
  if (!(time >= 1 && time <= 24 * 3_600_000))
    throw new Error('is not a time from 1ms to 24h, like 500ms or 30s (a number alone is seconds)');
  return time;
}

/** The time as one would give it, of so many milliseconds. */
export const formatTime = (time: number): string => (time % 1000 === 0 ? `${time / 1000}s` : `${time}ms`);

export const oneOf =
  <const T extends string>(...choices: readonly T[]) =>
  (text: string): T => {
    const choice = choices.find((candidate) => candidate === text);
    if (choice === undefined) throw new Error(`is none of ${choices.join(', ')}`);
    return choice;
  };

/** Names of engines, for help texts without the engines' code. */
export const engines = ['openssl', 'node', 'webcrypto', 'ipsec-mb', 'cryptodev', 'af-alg'] as const;

/** An engine, or a device: `auto`, `virtio`, or the path of one of the kernel's. */
export function parseCryptoDevice(text: string) {
  if (text.startsWith('/')) return text as `/${string}`;
  return oneOf('auto', 'virtio', ...engines)(text);
}
