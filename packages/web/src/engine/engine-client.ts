/** The page's side of the engine: passes calls to the worker that has it. */
import { type Engine, EngineError, type EngineEvent } from '../engine.ts';
import { type Method, resultOf, type ToEngine, type ToPage } from './calls.ts';

/** What is used of `Worker`. */
export type WorkerLike = Pick<Worker, 'postMessage' | 'onmessage' | 'onerror' | 'onmessageerror'>;

/** What is used of `Document`. */
export type PageLike = {
  readonly visibilityState: string;
  addEventListener(name: 'visibilitychange', listener: () => void): void;
};

type Pending = { readonly resolve: (value: unknown) => void; readonly reject: (error: EngineError) => void };

const crashed = () =>
  new EngineError(
    'ENGINE_CRASHED',
    'The part of this page that keeps your rooms has stopped. Reload the page.',
  );

/**
 * The engine in a worker (`engine.worker.ts`), which is this page's alone. When the worker fails for good, all calls do, with
 * ENGINE_CRASHED.
 * @param page whose visibility the engine is told
 */
export function connectEngine(
  worker: WorkerLike,
  page: PageLike = (globalThis as unknown as { document: PageLike }).document,
): Engine {
  const pending = new Map<number, Pending>();
  const listeners = new Set<(event: EngineEvent) => void>();
  let last = 0;
  let failed = false;

  const post = (message: ToEngine) => worker.postMessage(message);
  const fail = () => {
    failed = true;
    for (const { reject } of pending.values()) reject(crashed());
    pending.clear();
  };
  const call = <M extends Method>(method: M, ...args: Parameters<Engine[M]>) =>
    new Promise<unknown>((resolve, reject) => {
      if (failed) {
        reject(crashed());
        return;
      }
      last += 1;
      pending.set(last, { resolve, reject });
      post({ kind: 'call', call: last, method, args });
    }) as ReturnType<Engine[M]>;

  worker.onerror = fail;
  worker.onmessageerror = fail;
  worker.onmessage = ({ data }: MessageEvent<ToPage>) => {
    if (data.kind === 'event') {
      for (const listener of [...listeners]) listener(data.event);
      return;
    }
    const waiting = pending.get(data.call);
    pending.delete(data.call);
    try {
      waiting?.resolve(resultOf(data.answer));
    } catch (error) {
      waiting?.reject(error as EngineError);
    }
  };
  const tellVisibility = () => post({ kind: 'visible', visible: page.visibilityState === 'visible' });
  page.addEventListener('visibilitychange', tellVisibility);
  tellVisibility();

  return {
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    rooms: () => call('rooms'),
    create: (options) => call('create', options),
    look: (link) => call('look', link),
    join: (options) => call('join', options),
    open: (room) => call('open', room),
    leave: (room) => call('leave', room),
    history: (room, before, limit) => call('history', room, before, limit),
    send: (room, text) => call('send', room, text),
    read: (room, seq) => call('read', room, seq),
    discard: (room, id) => call('discard', room, id),
    hide: (room, member, hidden) => call('hide', room, member, hidden),
    rename: (room, label) => call('rename', room, label),
    invite: (room) => call('invite', room),
    safetyNumber: (room, member) => call('safetyNumber', room, member),
    forget: (room) => call('forget', room),
  };
}
