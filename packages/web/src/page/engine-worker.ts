/** The engine, in a worker of its own: keys and secrets never come to the page. */

import workerScript from '../engine/engine.worker.ts?worker&url';
import { connectEngine } from '../engine/engine-client.ts';
import type { Engine } from '../engine.ts';
import { trustedScript } from './trusted-scripts.ts';

export function startEngine(): Engine {
  return connectEngine(new Worker(trustedScript(workerScript), { type: 'module', name: 'engine' }));
}
