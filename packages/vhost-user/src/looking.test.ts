/** A back end that looks for requests before it sleeps, on a clock of its own. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LookWindow, VIRTIO_F_INDIRECT_DESC, VIRTIO_F_VERSION_1 } from '@skytale/virtio';
import { writeVringState } from './payload.ts';
import { Guest, TestBackend } from './testing/guest.ts';

/** The clock, in ms, goes on by a twentieth of a millisecond whenever somebody looks at it. */
function setUp() {
  let now = 0;
  const backend = new TestBackend({ window: new LookWindow(2, () => (now += 0.05)) });
  return { backend, step: () => backend.backend.step(1) };
}

/** Reads what is answered without letting the back end run, which `guest.receive` does. */
function answers(guest: Guest): number {
  return guest.queue.reap(() => {});
}

const kicks = ({ backend }: TestBackend) => backend.counters.read().kicks;

for (const eventIdx of [true, false]) {
  describe(`a back end that looks, with a driver ${eventIdx ? 'with' : 'without'} EVENT_IDX`, () => {
    const features = eventIdx ? undefined : VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC;

    it('serves requests that nobody kicks for, and asks for kicks before it sleeps', async () => {
      const { backend, step } = setUp();
      await using _backend = backend;
      using guest = new Guest(backend).start(features, eventIdx);
      guest.send('the first');
      step();
      assert.equal(answers(guest), 1);
      const kicked = kicks(backend);
      for (let i = 0; i < 100; i++) {
        guest.send(`request ${i}`);
        step();
        assert.equal(answers(guest), 1, `request ${i}`);
      }
      assert.ok(kicks(backend) <= kicked + 1, 'an index that was asked for before may be passed once');
      // Nothing comes: it looks, asks for kicks, sleeps, and is woken by the next request.
      step();
      guest.send('the last');
      step();
      assert.ok(kicks(backend) > kicked, 'a kick was asked for');
      assert.equal(answers(guest), 1);
    });

    it('reads messages all the same, and stops a ring that it looks at', async () => {
      const { backend, step } = setUp();
      await using _backend = backend;
      using guest = new Guest(backend).start(features, eventIdx);
      for (let i = 0; i < 3; i++) {
        guest.send(`request ${i}`);
        step();
      }
      guest.front.send('GET_VRING_BASE', writeVringState({ index: 0, num: 0 }));
      guest.send('with a message beside it');
      for (let i = 0; i < 3; i++) step();
      assert.equal(backend.last('ring-stopped')?.event, 'ring-stopped');
      assert.equal(answers(guest), 4);
    });

    it('finds requests that came while it looked when somebody else lets it run', async () => {
      const { backend, step } = setUp();
      await using _backend = backend;
      using guest = new Guest(backend).start(features, eventIdx);
      for (let i = 0; i < 3; i++) {
        guest.send(`request ${i}`);
        step();
      }
      guest.send('not kicked for');
      assert.equal(guest.receive().length, 4);
    });
  });
}
