/** Measures one path of the device when it is told to: `device-path-process.ts PATH WORK SIZE ENGINE`, by messages. */
import process from 'node:process';
import type { EngineName } from '@skytale/cryptodev';
import { type DevicePathName, devicePaths } from './device-path.ts';
import { works } from './device-requests.ts';

const [name, work, size, engine] = process.argv.slice(2);
const measure = await devicePaths[name as DevicePathName].prepare(
  works.find((known) => known.name === work)!,
  Number(size),
  engine as EngineName,
);
process.on('message', async (seconds: number) => process.send!(await measure(seconds)));
