import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OpenRooms } from './open-rooms.ts';

/** Sessions that open and end when they are let. */
class Sessions {
  readonly told: string[] = [];
  readonly ends: (() => void)[] = [];
  fails = false;
  readonly rooms: OpenRooms<AsyncDisposable>;

  constructor(most = 2) {
    this.rooms = new OpenRooms(most, async (room) => {
      this.told.push(`opens ${room}`);
      await Promise.resolve();
      if (this.fails) throw new Error('it cannot be opened');
      return {
        [Symbol.asyncDispose]: async () => {
          this.told.push(`closes ${room}`);
          await new Promise<void>((resolve) => this.ends.push(resolve));
          this.told.push(`closed ${room}`);
        },
      };
    });
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('open rooms', () => {
  it('are open once, and opened again only when they are closed', async () => {
    const { rooms, told, ends } = new Sessions();
    const first = rooms.get('a');
    assert.equal(rooms.get('a'), first);
    await first;
    const closing = rooms.close('a');
    const second = rooms.get('a');
    await turn();
    assert.deepEqual(told, ['opens a', 'closes a']);
    ends.shift()!();
    await closing;
    await second;
    assert.deepEqual(told, ['opens a', 'closes a', 'closed a', 'opens a']);
    // What was closed before is not the one that is open now.
    await rooms.close('a', first);
    assert.equal(rooms.get('a'), second);
  });

  it('are so many at most, the one that was opened first is closed', async () => {
    const { rooms, told, ends } = new Sessions(2);
    for (const room of ['a', 'b', 'c']) await rooms.get(room);
    await turn();
    assert.deepEqual(told, ['opens a', 'opens b', 'opens c', 'closes a']);
    const all = rooms.closeAll();
    await turn();
    for (const end of ends) end();
    await all;
    assert.deepEqual(told.slice(4).sort(), ['closed a', 'closed b', 'closed c', 'closes b', 'closes c']);
  });

  it('that cannot be opened are tried anew, and close', async () => {
    const sessions = new Sessions();
    const { rooms, told } = sessions;
    sessions.fails = true;
    const failing = rooms.get('a');
    await rooms.close('a');
    sessions.fails = false;
    const second = rooms.get('a');
    await assert.rejects(failing, /cannot be opened/);
    await second;
    // The failure of the one before took nothing from its successor.
    assert.equal(rooms.get('a'), second);
    assert.deepEqual(told, ['opens a', 'opens a']);
  });
});
