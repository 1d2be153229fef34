/** The crypto device that the setting --crypto names, and a test of it. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import {
  type CryptoDevice,
  CryptoError,
  cryptodevPaths,
  type EngineName,
  openEngineDevice,
  openVirtioCryptodev,
} from '@skytale/cryptodev';
import { CommandError } from './command-error.ts';

/** The path is that of a crypto device of the kernel. */
export type CryptoChoice = 'auto' | 'virtio' | EngineName | `/${string}`;

/** @throws {CryptoError} CRYPTO_UNAVAILABLE if it does not work here */
export function openDevice(choice: CryptoChoice): Promise<CryptoDevice> {
  if (isPath(choice)) return openEngineDevice('cryptodev', { path: choice });
  switch (choice) {
    case 'auto':
      return openWhateverWorks();
    case 'virtio':
      return openVirtioCryptodev();
    default:
      return openEngineDevice(choice);
  }
}

function isPath(choice: CryptoChoice): choice is `/${string}` {
  return choice.startsWith('/');
}

/**
 * A crypto device of the kernel; where there is none that computes what it should, the virtual device on the fastest
 * engine; on machines where that has no FFI, on Node's own functions.
 */
async function openWhateverWorks(): Promise<CryptoDevice> {
  const real = await openRealDevice();
  if (real !== undefined) return real;
  try {
    return await openVirtioCryptodev();
  } catch (error) {
    if (!isUnavailable(error)) throw error;
    return await openVirtioCryptodev({ engine: 'node' });
  }
}

async function openRealDevice(): Promise<CryptoDevice | undefined> {
  for (const path of cryptodevPaths.filter((candidate) => existsSync(candidate))) {
    try {
      await using stack = new AsyncDisposableStack();
      const device = stack.use(await openEngineDevice('cryptodev', { path }));
      if (!(await knowsTheAnswer(device))) continue;
      stack.move();
      return device;
    } catch (error) {
      if (!(error instanceof CryptoError)) throw error;
    }
  }
  return undefined;
}

function isUnavailable(error: unknown): boolean {
  return error instanceof CryptoError && error.code === 'CRYPTO_UNAVAILABLE';
}

/** Test case 14 of "The Galois/Counter Mode of Operation" (McGrew, Viega): everything zero. */
const knownAnswer = 'cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919';

/** Whether it encrypts as AES-256-GCM does; a mere round trip would also pass on a device that changes nothing. */
async function knowsTheAnswer(device: CryptoDevice): Promise<boolean> {
  const options = { aead: 'aes-gcm', key: new Uint8Array(32) } as const;
  const operation = { operation: 'encrypt', data: new Uint8Array(16), nonce: new Uint8Array(12) } as const;
  return (await device.oneShot(options, operation)).toHex() === knownAnswer;
}

/**
 * Sends something through the device and back, as the chat does: AES-256-GCM.
 * @returns milliseconds for one encryption and one decryption
 * @throws {CommandError} if something else comes back
 */
export async function tryDevice(device: CryptoDevice): Promise<number> {
  const plaintext = randomBytes(1024);
  const nonce = randomBytes(12);
  await using session = await device.createSession({ aead: 'aes-gcm', key: randomBytes(32) });
  const start = performance.now();
  const ciphertext = await session.encrypt(plaintext, nonce);
  const back = await session.decrypt(ciphertext, nonce);
  const milliseconds = performance.now() - start;
  if (plaintext.equals(back) && !plaintext.equals(ciphertext.subarray(0, plaintext.length))) {
    return milliseconds;
  }
  throw new CommandError(`The crypto device ${device.name} computes wrongly. Choose another with --crypto.`);
}
