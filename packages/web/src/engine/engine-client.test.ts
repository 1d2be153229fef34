import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EngineEvent } from '../engine.ts';
import type { ToEngine, ToPage } from './calls.ts';
import { connectEngine, type WorkerLike } from './engine-client.ts';

class FakeWorker implements WorkerLike {
  readonly posted: ToEngine[] = [];
  onmessage: WorkerLike['onmessage'] = null;
  onerror: WorkerLike['onerror'] = null;
  onmessageerror: WorkerLike['onmessageerror'] = null;

  postMessage(message: ToEngine): void {
    this.posted.push(message);
  }

  says(data: ToPage): void {
    this.onmessage?.call(this as never, new MessageEvent('message', { data }));
  }

  crashes(): void {
    this.onerror?.call(this as never, new Event('error') as never);
  }
}

function open() {
  const worker = new FakeWorker();
  const listeners: (() => void)[] = [];
  const page = {
    visibilityState: 'visible',
    addEventListener: (_name: string, listener: () => void) => listeners.push(listener),
  };
  return {
    worker,
    page,
    turn: () => {
      for (const listener of listeners) listener();
    },
    engine: connectEngine(worker, page),
  };
}

describe('the engine, seen from the page', () => {
  it('answers each call with what belongs to it, in whatever order', async () => {
    const { worker, engine } = open();
    const [rooms, invite] = [engine.rooms(), engine.invite('room')];
    assert.deepEqual(worker.posted.slice(1), [
      { kind: 'call', call: 1, method: 'rooms', args: [] },
      { kind: 'call', call: 2, method: 'invite', args: ['room'] },
    ]);
    worker.says({
      kind: 'answer',
      call: 2,
      answer: { fault: { code: 'CHAT_NO_SUCH_ROOM', text: 'It is gone.' } },
    });
    worker.says({ kind: 'answer', call: 1, answer: { value: [] } });
    worker.says({ kind: 'answer', call: 9, answer: { value: 'nobody waits for this' } });
    assert.deepEqual(await rooms, []);
    await assert.rejects(invite, { name: 'EngineError', code: 'CHAT_NO_SUCH_ROOM', text: 'It is gone.' });
  });

  it('tells what it is told, until one does not listen any more', () => {
    const { worker, engine } = open();
    const told: EngineEvent[] = [];
    const end = engine.listen((event) => told.push(event));
    worker.says({ kind: 'event', event: { kind: 'rooms', rooms: [] } });
    end();
    worker.says({ kind: 'event', event: { kind: 'rooms', rooms: [] } });
    assert.equal(told.length, 1);
  });

  it('says so when it has crashed, to whoever waits and whoever asks later', async () => {
    const { worker, engine } = open();
    const waiting = engine.rooms();
    worker.crashes();
    await assert.rejects(waiting, { code: 'ENGINE_CRASHED' });
    await assert.rejects(engine.rooms(), { code: 'ENGINE_CRASHED' });
  });

  it('tells whether the page can be seen', () => {
    const { worker, page, turn } = open();
    page.visibilityState = 'hidden';
    turn();
    assert.deepEqual(worker.posted, [
      { kind: 'visible', visible: true },
      { kind: 'visible', visible: false },
    ]);
  });
});
