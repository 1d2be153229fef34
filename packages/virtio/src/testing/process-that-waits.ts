/**
 * A program for tests: it asks a device, leaves another alone, and closes neither. It must end by itself, after
 * the answer.
 */
import { InProcessTransport } from '../in-process/index.ts';
import { COMMANDS, WORKER_DEVICE } from './worker-commands.ts';

await InProcessTransport.launch(WORKER_DEVICE);
const transport = await InProcessTransport.launch(WORKER_DEVICE);
await transport.start();
transport.queues[0]!.request(Uint8Array.of(COMMANDS.later, 7), 2).then((answer) => {
  console.log(`answered ${answer[0]}`);
});
