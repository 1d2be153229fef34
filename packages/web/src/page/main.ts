/** The page's entry. */
import { startEngine } from './engine-worker.ts';
import { mountPage } from './mount.ts';
import { registerServiceWorker } from './offline-shell.ts';

mountPage(startEngine);
registerServiceWorker();
