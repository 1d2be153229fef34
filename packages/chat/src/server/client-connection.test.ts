/** How one connection is kept to what it may send, whatever brings it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type Duplex, duplexPair, PassThrough } from 'node:stream';
import { test } from 'node:test';
import { pino } from 'pino';
import { nodeCrypto } from '../node-crypto.ts';
import { Backlog } from './backlog.ts';
import { ClientConnection, type ConnectionHost } from './client-connection.ts';
import { WriteTurn } from './connection-writer.ts';
import { newCounters } from './counters.ts';
import { newKeyPair, RawClient } from './raw-client.testing.ts';
import type { RoomTable } from './room-table.ts';
import type { Seat, Who } from './seat.ts';
import { ManualClock, until } from './server.testing.ts';
import { serverSettings } from './settings.ts';

function start(stream: Duplex = new PassThrough(), rooms: Partial<RoomTable> = {}) {
  const clock = new ManualClock();
  const settings = serverSettings({ bytesPerSecond: 1000, bytesBurst: 1000 });
  const host: ConnectionHost = {
    settings,
    clock,
    crypto: nodeCrypto(),
    counters: newCounters(),
    backlog: new Backlog(),
    turn: new WriteTurn(),
    rooms: rooms as RoomTable,
    createRoom: () => Promise.reject(new Error('not asked for')),
    entered: () => undefined,
    closed: () => undefined,
  };
  let arrived: (cost: number) => void = () => undefined;
  const wire = { bytes: 0 };
  const connection = new ClientConnection(
    {
      stream,
      peer: undefined,
      refusal: undefined,
      entered: () => undefined,
      watch: (listener) => {
        arrived = listener;
      },
      wireBytes: () => wire.bytes,
    },
    host,
    pino({ level: 'silent' }),
    1,
  );
  return { clock, stream, connection, wire, arrived: (cost: number) => arrived(cost) };
}

test('a connection that brings nothing but framing is paused when that is too much', async () => {
  const { clock, stream, arrived } = start();
  arrived(1000);
  assert(!stream.isPaused());
  arrived(500);
  assert(stream.isPaused());
  clock.advance(499);
  assert(stream.isPaused());
  clock.advance(1);
  await until(() => !stream.isPaused());
});

test('what is discarded at the end is kept to the same rate', async () => {
  const { clock, stream, connection, arrived } = start();
  connection.drain(1);
  arrived(1500);
  assert(stream.isPaused());
  clock.advance(500);
  await until(() => !stream.isPaused());
});

test('what comes by the wire and brings nothing counts, as framing of what does bring something does not', () => {
  const { clock, stream, connection, wire, arrived } = start();
  const tick = () => connection.tick(clock.monotonic());
  arrived(512);
  wire.bytes += 540;
  tick();
  assert(!stream.isPaused());
  wire.bytes += 30;
  tick();
  assert(!stream.isPaused());
  wire.bytes += 60;
  tick();
  assert(stream.isPaused());
});

for (const ends of [false, true]) {
  test(`a connection that is closed while it is too fast leaves no timer${ends ? ', at its end too' : ''}`, async () => {
    const { clock, stream, connection, arrived } = start();
    if (ends) connection.drain(1);
    arrived(1500);
    arrived(500);
    assert(clock.timers > 0);
    stream.destroy();
    await once(stream, 'close');
    assert.equal(clock.timers, 0);
  });
}

test('a member’s id does not keep the piece of the network alive in which it came', async () => {
  const [ours, theirs] = duplexPair();
  const entered = Promise.withResolvers<Who>();
  const seat: Partial<Seat> = { join: () => new Promise(() => undefined), leave: () => undefined };
  const enter: RoomTable['enter'] = (_id, who) => {
    entered.resolve(who);
    return seat as Seat;
  };
  const { connection } = start(ours, { enter });
  const client = new RawClient(theirs);
  await client.welcomed();
  client.sendJoin(newKeyPair(), newKeyPair());
  assert.equal((await entered.promise).memberBytes.buffer.byteLength, 32);
  connection.destroy();
});
