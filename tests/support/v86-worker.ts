/** A worker with a machine in v86 that has the devices of `v86-devices.ts`. */
import { serveMachine } from '@skytale/v86-host';
import { ownNodeEndpoint } from '@skytale/v86-host/node';
import { EntropyDevice } from '../../packages/v86-host/src/testing/entropy-device.ts';
import { machineDevices } from './v86-devices.ts';

serveMachine(ownNodeEndpoint(), () => machineDevices(new EntropyDevice()));
