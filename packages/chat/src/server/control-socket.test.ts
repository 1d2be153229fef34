import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { LogError } from '../log/log-error.ts';
import { MemoryLog } from '../log/memory-log.ts';
import type { RoomSummary } from '../log/message-log.ts';
import { ControlSocket } from './control-socket.ts';
import { ManualClock, until } from './server.testing.ts';
import { ServerControl } from './server-control.ts';

const idOf = (number: number) => number.toString(16).padStart(32, '0');

describe('the control socket', () => {
  let directory = '';
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'skytale-control-'));
  });
  after(() => rmSync(directory, { recursive: true }));
  const path = () => join(directory, 'control');

  async function open(log = new MemoryLog()) {
    const clock = new ManualClock();
    const socket = await ControlSocket.open(directory, log, clock);
    return { log, clock, [Symbol.dispose]: () => socket.close() };
  }

  async function allRooms(control: ServerControl): Promise<RoomSummary[]> {
    const rooms: RoomSummary[] = [];
    for await (const room of control.rooms()) rooms.push(room);
    return rooms;
  }

  /** What comes for these bytes, until the server hangs up. */
  async function ask(bytes: string | Uint8Array): Promise<string> {
    const socket = connect({ path: path() });
    socket.on('error', () => undefined);
    let answer = '';
    socket.on('data', (piece: Buffer) => {
      answer += piece.toString();
    });
    socket.end(bytes);
    await once(socket, 'close');
    return answer;
  }

  test('lists all rooms, and deletes one', async () => {
    using setup = await open();
    for (let number = 1; number <= 600; number += 1)
      await setup.log.createRoom(idOf(number), '192.0.2.1', number);
    using control = await ServerControl.connect(directory);
    const rooms = await allRooms(control);
    assert.deepEqual(
      rooms.map(({ room }) => room),
      Array.from({ length: 600 }, (_, index) => idOf(index + 1)),
    );
    assert.deepEqual(rooms[0], {
      room: idOf(1),
      head: 0,
      first: 1,
      bytes: 0,
      createdAt: 1,
      usedAt: 1,
      creator: '192.0.2.1',
      members: 0,
      damaged: false,
    });
    const told: unknown[] = [];
    setup.log.watch(idOf(7), 0, { stored: () => undefined, failed: (error) => told.push(error) });
    assert.equal(await control.deleteRoom(idOf(7)), true);
    assert.equal(await control.deleteRoom(idOf(7)), false);
    assert.equal(told.length, 1, 'who is in the room hears of it');
    assert.equal((await allRooms(control)).length, 599);
  });

  test('is for its owner alone, at every moment, and is gone afterwards', async () => {
    const modes = new Set<number>();
    const umask = process.umask(0);
    try {
      using _setup = await open();
      modes.add(statSync(path()).mode & 0o777);
      assert.deepEqual([...modes], [0o600]);
      assert.deepEqual(readdirSync(directory), ['control']);
    } finally {
      process.umask(umask);
    }
    await until(() => !existsSync(path()));
    await assert.rejects(ServerControl.connect(directory), { code: 'SERVER_NOT_RUNNING', message: /--data/ });
  });

  test('takes the place of one that was left behind', async () => {
    using _left = await open();
    using setup = await open();
    await setup.log.createRoom(idOf(1), '', 1);
    using control = await ServerControl.connect(directory);
    assert.equal((await allRooms(control)).length, 1);
  });

  test('where a socket cannot be made there is an error, and nothing is left', async () => {
    const long = mkdtempSync(join(directory, 'x'.repeat(120)));
    await assert.rejects(ControlSocket.open(long, new MemoryLog(), new ManualClock()));
    assert.deepEqual(readdirSync(long), []);
    rmSync(long, { recursive: true });
  });

  test('says what is wrong with a request, and goes on for others', async () => {
    using _setup = await open();
    for (const wrong of [
      '{"do":"rooms"}',
      '{"do":"rooms","after":"../.."}',
      '{"do":"rooms","after":"","count":9}',
      '{"do":"delete-room","room":"ABCDEF00ABCDEF00ABCDEF00ABCDEF00"}',
      '{"do":"nothing"}',
      '[]',
      'null',
      '{',
      '',
    ]) {
      assert.equal(JSON.parse(await ask(`${wrong}\n`)).code, 'INVALID_REQUEST', wrong);
    }
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 3000 }), async (bytes) => {
        for (const line of (await ask(bytes)).split('\n').slice(0, -1)) {
          assert.equal(JSON.parse(line).code, 'INVALID_REQUEST');
        }
      }),
      { numRuns: 30 },
    );
    assert.match(
      await ask('{"do":"rooms","after":""}\n'.repeat(3)),
      /^(\{"answer":"rooms","rooms":\[\]\}\n){3}$/,
    );
    assert.equal(await ask('x'.repeat(5000)), '');
  });

  test('tells of an error of the log', async () => {
    class FailingLog extends MemoryLog {
      override async deleteRoom(): Promise<boolean> {
        throw new LogError('LOG_FAILED', 'made to fail');
      }
    }
    using _setup = await open(new FailingLog());
    using control = await ServerControl.connect(directory);
    const failure = { code: 'SERVER_CONTROL_FAILED', message: /made to fail \(LOG_FAILED\)/ };
    await assert.rejects(control.deleteRoom(idOf(1)), failure);
  });

  test('is kept by nobody for long, and by few at a time', async () => {
    using setup = await open();
    const silent = Array.from({ length: 10 }, () => connect({ path: path() }));
    const closed = new Set<unknown>();
    for (const socket of silent) socket.on('error', () => undefined).on('close', () => closed.add(socket));
    for (const socket of silent) socket.resume();
    await until(() => closed.size === 6);
    setup.clock.advance(60_000);
    await until(() => closed.size === 10);
    using control = await ServerControl.connect(directory);
    assert.deepEqual(await allRooms(control), []);
  });
});
