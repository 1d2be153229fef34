/** The browser's clock. */
import type { Clock } from '@skytale/chat/client';

/** The next turn of the event loop: a timer would wait for 4 ms. */
function nextTurn(work: () => void): Disposable {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    work();
  };
  port2.postMessage(undefined);
  return { [Symbol.dispose]: () => port1.close() };
}

export const webClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, work) {
    const timer = setTimeout(work, ms);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
  soon: nextTurn,
};
