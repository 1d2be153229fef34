/** What cases of /dev/crypto are made of: numbers, expected results, and steps of the agent with their answers. */
import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { type AgentGuest, runAgent } from './agent.ts';

/** Numbers of cryptodev.h */
export const { DES_EDE3, AES_CBC, NULL, CTR, XTS, ECB, GCM, CCM } = {
  ...{ DES_EDE3: 2, AES_CBC: 11, NULL: 16, CTR: 21, XTS: 22, ECB: 23, GCM: 50, CCM: 51 },
};
export const { MD5, SHA1, SHA256, SHA1_HMAC, SHA256_HMAC } = {
  ...{ MD5: 13, SHA1: 14, SHA256: 104, SHA1_HMAC: 7, SHA256_HMAC: 18 },
};
export const [ENCRYPT, DECRYPT] = [0, 1];
export const { UPDATE, FINAL, WRITE_IV, NO_ZC, TLS, RESET } = {
  ...{ UPDATE: 1, FINAL: 2, WRITE_IV: 4, NO_ZC: 8, TLS: 16, RESET: 64 },
};
export const { ENOENT, EFAULT, EBUSY, ENODEV, EINVAL, EDEADLK, EBADMSG } = {
  ...{ ENOENT: -2, EFAULT: -14, EBUSY: -16, ENODEV: -19, EINVAL: -22, EDEADLK: -35, EBADMSG: -74 },
};

/** What stands in memory that nothing was written to */
export const untouched = (length: number) => 'aa'.repeat(length);
export const hex = (...parts: (string | Uint8Array)[]) =>
  Buffer.concat(parts.map((part) => Buffer.from(part as string))).toString('hex');
export const digestIn64 = (digest: Buffer) => digest.toString('hex') + untouched(64 - digest.length);
export const key = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex');
export const iv = Buffer.from('f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff', 'hex');
export const keyHex = key.toString('hex');
export const ivHex = iv.toString('hex');

export function encrypt(name: string, data: Buffer, withKey = key, withIv: Buffer | null = iv): Buffer {
  const cipher = createCipheriv(name, withKey, withIv).setAutoPadding(false);
  return Buffer.concat([cipher.update(data), cipher.final()]);
}

export function sealGcm(data: Buffer, auth: Buffer, tagLength = 16): Buffer {
  const cipher = createCipheriv('aes-128-gcm', key, iv.subarray(0, 12), { authTagLength: tagLength });
  cipher.setAAD(auth);
  return Buffer.concat([cipher.update(data), cipher.final(), cipher.getAuthTag()]);
}

/** The agent's hash of long results */
export function fnv(data: Uint8Array): string {
  // FNV-1a of 64 bits in two halves, as BigInt takes seconds for a megabyte: the prime is 2^40 + 0x1b3.
  let [high, low] = [0xcbf29ce4, 0x84222325];
  for (const byte of data) {
    low = (low ^ byte) >>> 0;
    const product = low * 0x1b3;
    high = (Math.imul(high, 0x1b3) + (low << 8) + Math.floor(product / 2 ** 32)) >>> 0;
    low = product >>> 0;
  }
  return `fnv:${[high, low].map((half) => half.toString(16).padStart(8, '0')).join('')}`;
}

/** The bytes that the agent makes of `rand:SEED:LENGTH` and `apart:SEED:LENGTH` */
export function pseudoRandom(seed: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state;
  }
  return bytes;
}

export type Step = readonly [step: string, answer: string | number | RegExp];

/** Carries out the steps in the guest, after `open 0`, and compares all answers. */
export async function playSteps(
  guest: AgentGuest,
  agent: string,
  steps: readonly Step[],
  device?: string,
): Promise<void> {
  const answers = await runAgent(guest, agent, ['open 0', ...steps.map(([step]) => step)], device);
  for (const [index, [step, expected]] of steps.entries()) {
    const answer = answers[index + 1];
    if (expected instanceof RegExp) assert.match(answer ?? '', expected, step);
    // A number is the result alone, whatever stands behind it.
    else if (typeof expected === 'number') assert.equal(answer?.split(' ')[0], String(expected), step);
    else assert.equal(answer, expected, step);
  }
  assert.equal(answers.length, steps.length + 1);
}

/** The step that makes a session of file 0 */
export const session = (slot: number, cipher: number, mac = 0, withKey = keyHex, macKey = '-') =>
  `session 0 ${slot} ${cipher} ${mac} ${withKey} ${macKey}`;
