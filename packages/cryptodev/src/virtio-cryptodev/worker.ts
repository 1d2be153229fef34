/** The device's thread: serves a virtio-cryptodev device on the engine that was asked for. */
import { workerData } from 'node:worker_threads';
import { type DeviceWorkerData, serveInWorker } from '@skytale/virtio/in-process';
import type { EngineName } from '../engine.ts';
import { createEngine } from '../engines/create-engine.ts';
import { VirtioCryptodevDevice, type VirtioCryptodevOptions } from './device.ts';

/** What the driver's side hands to the worker. */
export type WorkerOptions = { readonly engine: EngineName; readonly device: VirtioCryptodevOptions };

const { engine, device } = (workerData as DeviceWorkerData).device as WorkerOptions;
await serveInWorker(new VirtioCryptodevDevice(await createEngine(engine), device));
