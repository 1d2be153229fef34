/** The worker's side: a machine that does what its owner says. */
import type { VirtioDevice } from '@skytale/virtio';
import { asV86Error } from '../v86-error.ts';
import { V86Machine } from '../v86-machine.ts';
import type { Call, Endpoint, FromWorker, PlainError, ToWorker } from './protocol.ts';

/**
 * Serves one machine to the owner of this worker.
 * @param createDevices makes the machine's devices, of what the owner gave for them
 */
export function serveMachine(
  endpoint: Endpoint<FromWorker, ToWorker>,
  createDevices: (options: unknown) => readonly VirtioDevice[] | Promise<readonly VirtioDevice[]>,
): void {
  const { promise: launched, resolve } = Promise.withResolvers<V86Machine>();

  async function carryOut(call: Call): Promise<unknown> {
    if (call.method === 'launch') {
      const [images, options] = call.args;
      const machine = await V86Machine.launch({ ...images, devices: await createDevices(options) });
      machine.onConsole((bytes) => endpoint.send({ type: 'console', bytes }));
      machine.ended.then((error) => endpoint.send({ type: 'ended', error: plain(error) }));
      resolve(machine);
      return undefined;
    }
    const machine = await launched;
    switch (call.method) {
      case 'run':
        return machine.run(...call.args);
      case 'pause':
        return machine.pause();
      case 'saveState':
        return machine.saveState();
      case 'restoreState':
        return machine.restoreState(...call.args);
      case 'stop':
        return machine.stop();
    }
  }

  async function answer(call: Call): Promise<void> {
    const { id } = call;
    try {
      const value = await carryOut(call);
      endpoint.send({ type: 'answer', id, value }, call.method === 'saveState' ? buffersOf(value) : []);
    } catch (error) {
      endpoint.send({ type: 'refusal', id, error: plain(error) });
    }
  }

  endpoint.listen((message) => {
    if (message.type === 'call') void answer(message.call);
    else void launched.then((machine) => machine.writeConsole(message.bytes));
  });
}

/** The large part of a saved state is handed over, not copied. */
function buffersOf(state: unknown): ArrayBuffer[] {
  return [(state as { emulator: ArrayBuffer }).emulator];
}

function plain(error: unknown): PlainError {
  const { code, message } = asV86Error(error, 'launch-failed', 'the worker failed');
  return { code, message };
}
