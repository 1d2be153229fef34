/** A device for `serveDevice` whose configuration changes by a timer of its own. */
import type { DriverLink } from '@skytale/virtio';
import { EchoDevice } from './echo-device.ts';

class TickingDevice extends EchoDevice {
  readonly usesEventLoop = true;
  #timer: NodeJS.Timeout | undefined;

  override activate(features: bigint, driver: DriverLink): void {
    super.activate(features, driver);
    this.#timer = setInterval(() => {
      this.config[0]! += 1;
      driver.configChanged();
    }, 5);
  }

  override reset(): void {
    super.reset();
    clearInterval(this.#timer);
  }
}

export default function makeDevice(): TickingDevice {
  return new TickingDevice();
}
