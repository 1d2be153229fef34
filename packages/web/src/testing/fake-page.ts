/** The page over an engine in memory, which tests reach as `window.fake`. */
import { AppModel } from '../page/app.svelte.ts';
import { mountPage } from '../page/mount.ts';
import { FakeEngine, self } from './fake-engine.ts';

const engine = new FakeEngine();
Object.assign(window, { fake: { engine, self } });
const scenario = (window as { scenario?: (engine: FakeEngine, self: string) => void }).scenario;
scenario?.(engine, self);
const app = mountPage(() => engine);
Object.assign(window, { app: app instanceof AppModel ? app : undefined });
