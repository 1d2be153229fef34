/** A page for tests: restores a machine from the state at `/data/`, in a worker, and reports what a command says. */
import { type MachineState, RemoteMachine, webMachineWorker } from '@skytale/v86-host';
import { fromTypedJson } from './typed-json.ts';

async function get(path: string): Promise<ArrayBuffer> {
  return (await fetch(path)).arrayBuffer();
}

async function restoreAndRun(): Promise<string> {
  const wasm = await WebAssembly.compileStreaming(fetch('/node_modules/v86/build/v86.wasm'));
  const described = fromTypedJson(new TextDecoder().decode(await get('/data/devices'))) as MachineState;
  const state = { ...described, emulator: await get('/data/state') };
  const command = new TextDecoder().decode(await get('/data/command'));
  const begin = performance.now();
  const worker = new Worker(new URL('./v86-web-worker.ts', import.meta.url), { type: 'module' });
  await using machine = await RemoteMachine.launch(webMachineWorker(worker), { wasm, state });
  const output = await machine.check(command);
  return `${output}restored, and a command run, in ${Math.round(performance.now() - begin)} ms`;
}

const report = await restoreAndRun().catch((error: unknown) => String(error));
await fetch('/report', { method: 'POST', body: report });
