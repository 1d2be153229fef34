/** A page for tests that has an engine, as the page that people see has it: `engine`, and `told`, all that it told. */
import { connectEngine } from '../engine/engine-client.ts';
import type { EngineEvent } from '../engine.ts';

const worker = new Worker(new URL('../engine/engine.worker.ts', import.meta.url), { type: 'module' });
const told: EngineEvent[] = [];
const engine = connectEngine(worker);
engine.listen((event) => told.push(event));

Object.assign(globalThis, { engine, told, worker });
