/** For `serveDevice`: a virtio-crypto device that says, with its first data request, that it is not ready any more. */
import { createEngine, VirtioCryptoDevice } from '@skytale/cryptodev';
import type { DriverLink, VirtioRequest } from '@skytale/virtio';

class FadingCryptoDevice extends VirtioCryptoDevice {
  #driver: DriverLink | undefined;

  override activate(features: bigint, driver?: DriverLink): void {
    super.activate(features);
    this.#driver = driver;
  }

  override handle(queueIndex: number, request: VirtioRequest): void | Promise<void> {
    if (queueIndex === 0 && this.config[0] !== 0) {
      // VIRTIO_CRYPTO_S_HW_READY, VIRTIO 1.3, 5.9.4.
      this.config[0] = 0;
      this.#driver!.configChanged();
    }
    return super.handle(queueIndex, request);
  }
}

export default async () => new FadingCryptoDevice(await createEngine('openssl'));
