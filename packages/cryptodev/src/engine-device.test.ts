import { cryptoDeviceCases } from './crypto-device.cases.ts';
import { ownEngineNames } from './engines/create-engine.ts';
import { openEngineDevice } from './open-engine-device.ts';

for (const name of ownEngineNames) cryptoDeviceCases(`engine ${name}`, () => openEngineDevice(name));
