/** The back ends that are compared, each with its load. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createEngine,
  type EngineName,
  VirtioCryptoDevice,
  virtioCryptoDeviceModule,
} from '@skytale/cryptodev';
import { serveDevice, VhostUserBackend } from '@skytale/vhost-user';
import { CryptoLoad } from './crypto-load.ts';
import { DpdkBackend, type DpdkDriver } from './dpdk.ts';
import { SessionLoad } from './session-load.ts';

/** A back end with a front end connected to it. Only between `resume` and `pause` does it cost anything. */
export interface Driven extends AsyncDisposable {
  readonly load: CryptoLoad;
  pause(): void;
  resume(): void;
}

function socketDirectory(stack: AsyncDisposableStack): string {
  const directory = mkdtempSync(join(tmpdir(), 'skytale-bench-'));
  stack.defer(() => rmSync(directory, { recursive: true }));
  return join(directory, 'socket');
}

async function serveHere(stack: AsyncDisposableStack, controlQueue: boolean, engine: EngineName = 'openssl') {
  const socket = socketDirectory(stack);
  const device = new VirtioCryptoDevice(await createEngine(engine), { controlQueue });
  const backend = stack.use(new VhostUserBackend(device, { socket }));
  return { socket, step: () => backend.step(0) };
}

/** Front and back end in this thread. */
export async function inThisThread(engine: EngineName): Promise<Driven> {
  await using stack = new AsyncDisposableStack();
  const { socket, step } = await serveHere(stack, false, engine);
  return driven(stack, stack.use(new CryptoLoad(socket, step)));
}

/** The back end in a worker of its own. */
export async function inWorker(engine: EngineName): Promise<Driven> {
  await using stack = new AsyncDisposableStack();
  const socket = socketDirectory(stack);
  const deviceOptions = { engine, device: { controlQueue: false } };
  stack.use(await serveDevice({ socket, device: virtioCryptoDeviceModule, deviceOptions }));
  return driven(stack, stack.use(new CryptoLoad(socket)));
}

export async function inDpdk(tree: string, driver: DpdkDriver): Promise<Driven> {
  await using stack = new AsyncDisposableStack();
  const backend = stack.use(await DpdkBackend.start(tree, driver));
  const load = stack.use(new CryptoLoad(backend.socket));
  backend.pause();
  return { ...driven(stack, load), pause: () => backend.pause(), resume: () => backend.resume() };
}

/** The control queue of a device in this thread. */
export async function sessionsInThisThread(): Promise<AsyncDisposable & { readonly load: SessionLoad }> {
  await using stack = new AsyncDisposableStack();
  const { socket, step } = await serveHere(stack, true);
  return driven(stack, stack.use(new SessionLoad(socket, step)));
}

function driven<Load>(stack: AsyncDisposableStack, load: Load) {
  const owned = stack.move();
  return { load, pause: () => {}, resume: () => {}, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
