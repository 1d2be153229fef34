/** How one connection is kept to what it may send, whatever brings it. */
import assert from 'node:assert/strict';
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
  const connection = new ClientConnection(
    {
      stream,
      peer: undefined,
      refusal: undefined,
      entered: () => undefined,
      watch: (listener) => {
        arrived = listener;
      },
    },
    host,
    pino({ level: 'silent' }),
    1,
  );
  return { clock, stream, connection, arrived: (cost: number) => arrived(cost) };
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
