import { cryptoDeviceCases } from './crypto-device.cases.ts';
import { openEngineDevice } from './engine-device.ts';
import { engineNames } from './engines/create-engine.ts';

for (const name of engineNames) cryptoDeviceCases(`engine ${name}`, () => openEngineDevice(name));
