/** What drivers make of devices that fail, and of what queues and transports throw. */
import { VirtioError } from '@skytale/virtio';
import { CryptoError } from './crypto-error.ts';

export function failed(message: string, options?: ErrorOptions): CryptoError {
  return new CryptoError('CRYPTO_DEVICE_FAILED', message, options);
}

/** What a queue or a transport threw, by this package's codes. */
export function asCryptoError(error: unknown): CryptoError {
  if (error instanceof CryptoError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof VirtioError)) return failed(message, { cause: error });
  switch (error.code) {
    case 'VIRTIO_CLOSED':
      return new CryptoError('CRYPTO_CLOSED', message, { cause: error });
    case 'VIRTIO_BUSY':
      return new CryptoError('CRYPTO_LIMIT', message, { cause: error });
    case 'VIRTIO_OUT_OF_MEMORY':
      return new CryptoError('CRYPTO_INVALID_DATA_LENGTH', message, { cause: error });
    default:
      return failed(message, { cause: error });
  }
}
