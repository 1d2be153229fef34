/** The crypto device that the setting --crypto names, and a test of it. */
import { randomBytes } from 'node:crypto';
import { type CryptoDevice, CryptoError, openEngineDevice, openVirtioCryptodev } from '@skytale/cryptodev';
import { CommandError } from './command-error.ts';

export type CryptoChoice = 'auto' | 'virtio' | 'openssl' | 'node' | 'webcrypto';

/** @throws {CryptoError} CRYPTO_UNAVAILABLE if it does not work here */
export function openDevice(choice: CryptoChoice): Promise<CryptoDevice> {
  switch (choice) {
    case 'auto':
      return openWhateverWorks();
    case 'virtio':
      return openVirtioCryptodev();
    default:
      return openEngineDevice(choice);
  }
}

/** The virtual device on the fastest engine; on machines where that has no FFI, on Node's own functions. */
async function openWhateverWorks(): Promise<CryptoDevice> {
  try {
    return await openVirtioCryptodev();
  } catch (error) {
    if (!(error instanceof CryptoError && error.code === 'CRYPTO_UNAVAILABLE')) throw error;
    return await openVirtioCryptodev({ engine: 'node' });
  }
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
