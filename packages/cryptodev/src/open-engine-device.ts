/** A `CryptoDevice` on any of the engines, by name: on Node, since most of them are Node's. */
import type { EngineName } from './engine.ts';
import { EngineDevice, type EngineDeviceOptions } from './engine-device.ts';
import { type CreateEngineOptions, createEngine } from './engines/create-engine.ts';

/**
 * A device on an engine of its own, which is closed with it.
 * @throws {CryptoError} CRYPTO_UNAVAILABLE if the engine does not work here
 */
export async function openEngineDevice(
  name: EngineName,
  options: EngineDeviceOptions & CreateEngineOptions = {},
): Promise<EngineDevice> {
  const engine = await createEngine(name, options);
  return new EngineDevice(engine, options, () => engine.close?.());
}
