/** A program for tests: uses a device in a worker, closes it if the argument is `close`, and comes to its end. */
import { openVirtioCryptodev } from '../open.ts';

const device = await openVirtioCryptodev();
await device.oneShot({ hash: 'sha-256' }, { operation: 'digest', data: new Uint8Array(9) });
if (process.argv[2] === 'close') await device.close();
