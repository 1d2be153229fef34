/** A virtio-cryptodev device of one's own, in a thread of this process, ready for use. */
import { InProcessTransport } from '@skytale/virtio/in-process';
import { asCryptoError } from '../driver-error.ts';
import type { EngineName } from '../engine.ts';
import type { VirtioCryptodevOptions } from './device.ts';
import { VirtioCryptodevDriver } from './driver.ts';
import type { WorkerOptions } from './worker.ts';

export type OpenOptions = {
  /** What does the cryptography, `openssl` unless told. */
  readonly engine?: EngineName;
  readonly device?: VirtioCryptodevOptions;
  /** Bytes shared between driver and device; the transport's default unless told. */
  readonly memorySize?: number;
};

/**
 * Starts the device in a worker and its driver here: every operation crosses a virtqueue. It does not keep
 * the process alive while nothing is under way; `close` ends the worker.
 * @throws {CryptoError} CRYPTO_UNAVAILABLE if the engine does not work here, CRYPTO_DEVICE_FAILED
 */
export async function openVirtioCryptodev(options: OpenOptions = {}): Promise<VirtioCryptodevDriver> {
  const { engine = 'openssl', device = {}, memorySize } = options;
  const data: WorkerOptions = { engine, device };
  try {
    const transport = await InProcessTransport.launch(new URL('./worker.ts', import.meta.url), {
      workerData: data,
      ...(memorySize !== undefined && { memorySize }),
    });
    return await VirtioCryptodevDriver.open(transport, 'in-process');
  } catch (error) {
    throw asCryptoError(error);
  }
}
