/** The worker's entry: the engine of one tab, which leads or follows. */
import { openWebCryptoDevice } from '@skytale/cryptodev/webcrypto';
import type { ToEngine, ToPage } from './calls.ts';
import { Database } from './database.ts';
import { dispatch } from './dispatch.ts';
import { EngineService } from './engine-service.ts';
import { faultOf } from './fault-of.ts';
import { type Broadcast, type Channel, Tab } from './leader.ts';
import { PageServer } from './page-server.ts';
import { webClock } from './web-clock.ts';
import { webCrypto } from './web-crypto.ts';
import { dialWebSocket } from './web-socket-stream.ts';

declare const self: DedicatedWorkerGlobalScope;

const CHANNEL = 'skytale engine 1';

const crypto = webCrypto();
const environment = { clock: webClock, fraction: Math.random, dial: dialWebSocket };
const server = new PageServer(self.location.origin);

const post = (message: ToPage) => self.postMessage(message);

const tab = new Tab({
  locks: self.navigator.locks as never,
  channel: new BroadcastChannel(CHANNEL) as Channel & {
    onmessage: ((event: { data: Broadcast }) => void) | null;
  },
  clock: webClock,
  newId: () => crypto.randomBytes(16).toHex(),
  tell: (event) => post({ kind: 'event', event }),
  async lead({ tell, onDeposed }) {
    await using undo = new AsyncDisposableStack();
    const database = await Database.open({ onLost: onDeposed });
    undo.defer(() => database.close());
    const generation = await database.lead();
    const device = undo.use(openWebCryptoDevice());
    const parts = { database, crypto, device, environment, server, tell, onDeposed };
    const service = undo.use(await EngineService.open(parts));
    const open = undo.move();
    return {
      generation,
      call: (call) => dispatch(service, call),
      [Symbol.asyncDispose]: () => open.disposeAsync(),
    };
  },
});

self.onmessage = async ({ data }: MessageEvent<ToEngine>) => {
  if (data.kind === 'visible') {
    tab.setVisible(data.visible);
    return;
  }
  const { call, method, args } = data;
  const answer = await tab.call(method, args).then(
    (value) => ({ value }),
    (error: unknown) => ({ fault: faultOf(error) }),
  );
  post({ kind: 'answer', call, answer });
};
