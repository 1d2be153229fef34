/** A crypto device on a Unix socket, in a thread of its own, with all that is counted about it. */
import { dirname } from 'node:path';
import { chooseEngine, type EngineChoice, type EngineName } from '@skytale/cryptodev';
import {
  type BackendEvent,
  PROTOCOL_F_STATUS,
  PROTOCOL_FEATURES,
  type ServedBackend,
  serveDevice,
  VhostUserError,
} from '@skytale/vhost-user';
import { RING_FEATURES } from '@skytale/virtio';
import { CommandError } from '../command-error.ts';
import { DeviceCounters } from './device-counters.ts';
import type { DeviceWorkerOptions } from './device-worker.ts';
import type { ModelName } from './models.ts';

export type ServedCryptoOptions = {
  readonly model: ModelName;
  readonly engine: EngineChoice;
  /** Data queues. */
  readonly queues: number;
  /** As in `DeviceWorkerOptions`. */
  readonly maxSessions?: number | undefined;
  readonly socket: string;
  /** Take memory that its holder could shrink, which would kill this process. */
  readonly trustMemory?: boolean;
  readonly onEvent?: (event: BackendEvent) => void;
};

/** Totals since the start; `sessions` are those open now. */
export type CryptoCounters = ReturnType<DeviceCounters['read']> & {
  /** Of the transport: connections, messages, kicks and so on. */
  readonly transport: Omit<ReturnType<ServedBackend['counters']>, 'requests'>;
};

export type ServedCrypto = Omit<ServedBackend, 'counters'> & {
  /** The one that was chosen. */
  readonly engine: EngineName;
  counters(): CryptoCounters;
};

/** @throws {CommandError} if it cannot be made, or cannot listen there */
export async function serveCrypto(options: ServedCryptoOptions): Promise<ServedCrypto> {
  const { model, queues, maxSessions, socket, trustMemory = false, onEvent } = options;
  const engine = await chooseEngine(options.engine);
  const counters = new DeviceCounters();
  const deviceOptions: DeviceWorkerOptions = {
    model,
    engine,
    queues,
    maxSessions,
    counters: counters.buffer,
  };
  const backend = await serveDevice({
    socket,
    device: new URL('./device-worker.ts', import.meta.url),
    deviceOptions,
    // QEMU's cryptodev-vhost-user does not tell what was negotiated.
    assumedFeatures: RING_FEATURES,
    // With it, QEMU resets the device, sessions and all, when the virtual machine is paused.
    protocolFeatures: PROTOCOL_FEATURES & ~PROTOCOL_F_STATUS,
    allowUnsealed: trustMemory,
    unsealedOption: '--trust-vmm-memory',
    ...(onEvent && { onEvent }),
  }).catch((error: unknown) => {
    throw explained(error, socket);
  });
  return {
    engine,
    ended: backend.ended,
    stop: () => backend.stop(),
    [Symbol.asyncDispose]: () => backend.stop(),
    counters: () => {
      const { requests: _, ...transport } = backend.counters();
      return { ...counters.read(), transport };
    },
  };
}

/** Why the thread ended before it listened, and what to do. */
function explained(error: unknown, socket: string): unknown {
  if (!(error instanceof VhostUserError && error.cause instanceof Error)) return error;
  const { code, message } = error.cause as NodeJS.ErrnoException;
  const words = {
    EADDRINUSE: `${socket} is in use: a device is served there, or it is no socket. Choose another --socket.`,
    ENOENT: `There is no directory ${dirname(socket)}. Make it, or choose another --socket.`,
    EACCES: `No permission to make ${socket}. Choose another --socket.`,
  };
  const known = words[code as keyof typeof words];
  return new CommandError(known ?? message, 1, { cause: error });
}
