import { cryptoDeviceCases } from './crypto-device.cases.ts';
import { openEngineDevice } from './engine-device.ts';
import { ownEngineNames } from './engines/create-engine.ts';

for (const name of ownEngineNames) cryptoDeviceCases(`engine ${name}`, () => openEngineDevice(name));
