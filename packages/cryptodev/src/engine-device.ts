/** A `CryptoDevice` that is an engine of this process, without a device between. */
import type { Engine } from './engine.ts';
import { EnginePort } from './engine-port.ts';
import { SessionDevice } from './session-device.ts';

export type EngineDeviceOptions = {
  /** Most sessions open at a time; no limit unless told. One-shot operations do not count. */
  readonly maxSessions?: number;
  /** Most bytes of memory allocated at a time; 64 MiB unless told. */
  readonly maxMemory?: number;
};

/** Most bytes that a device allocates at a time, unless told otherwise. */
const maxMemoryDefault = 64 * 1024 * 1024;

/** What the engine answers at once is done when the call returns. */
export class EngineDevice extends SessionDevice {
  constructor(
    engine: Engine,
    { maxSessions, maxMemory = maxMemoryDefault }: EngineDeviceOptions = {},
    onClosed = () => {},
  ) {
    super(new EnginePort(engine, maxMemory, onClosed), maxSessions);
  }
}
