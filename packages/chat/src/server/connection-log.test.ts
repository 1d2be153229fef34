/** What the log says of connections: little enough, and no id in full. */
import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { describe, test } from 'node:test';
import { type Logger, pino } from 'pino';
import { MemoryLog } from '../log/memory-log.ts';
import { roomIdOf } from './access.ts';
import { ConnectionLog } from './connection-log.ts';
import { newKeyPair, RawClient } from './raw-client.testing.ts';
import { live, ManualClock, startServer, until } from './server.testing.ts';

interface Line {
  readonly msg: string;
  readonly connected?: number;
  readonly refused?: number;
}

/** It takes everything, says nothing, and hangs up when the server does. */
const silentClient = (): Duplex =>
  new Duplex({
    read: () => undefined,
    write: (_chunk, _encoding, done) => done(),
    final(done) {
      done();
      this.destroy();
    },
  });

function lines(): { logger: Logger; all: () => string; parsed: () => Line[] } {
  const written: string[] = [];
  return {
    logger: pino({ level: 'info' }, { write: (line: string) => written.push(line) }),
    all: () => written.join(''),
    parsed: () => written.map((line) => JSON.parse(line) as Line),
  };
}

describe('the log of connections', { timeout: 20_000 }, () => {
  test('tells of some of an address, of all the others how many they were', async () => {
    const clock = new ManualClock();
    const log = lines();
    await using server = await startServer({}, { clock, logger: log.logger });
    const streams = Array.from({ length: 50 }, () => silentClient());
    for (const stream of streams) server.accept(stream, '192.0.2.1');
    server.accept(silentClient(), '192.0.2.2');
    const connected = () => log.parsed().filter(({ msg }) => msg === 'connected').length;
    assert.equal(connected(), 21);
    for (const stream of streams) stream.destroy();
    await until(() => server.counters.connections === 1);
    assert.equal(log.parsed().filter(({ msg }) => msg === 'connection closed').length, 20);
    clock.advance(61_000);
    assert.deepEqual(
      log.parsed().flatMap(({ connected = [] }) => connected),
      [30],
    );
    server.accept(silentClient(), '192.0.2.1');
    assert.equal(connected(), 22);
  });

  test('tells as little of those that are refused', () => {
    const log = lines();
    const connections = new ConnectionLog(log.logger, 0);
    for (let i = 0; i < 10_000; i += 1) connections.refused(i, `192.0.${i >> 8}.${i & 255}`, 'full');
    for (let i = 0; i < 10_000; i += 1) connections.refused(i, '192.0.0.1', 'full');
    assert.equal(log.parsed().length, 500 + 19);
    connections.tick(60_000);
    assert.equal(log.parsed().at(-1)?.refused, 20_000 - 519);
    connections.tick(120_000);
    assert.equal(log.parsed().length, 520);
  });
});

describe('the log', { timeout: 20_000 }, () => {
  const room = newKeyPair();
  const id = roomIdOf(room.publicKey).toString('hex');

  test('names no room in full that is gone while somebody is in it', async () => {
    const out = lines();
    const log = new MemoryLog();
    await using server = await startServer({}, { log, logger: out.logger });
    await using client = await live(server, room);
    await log.deleteRoom(id);
    await client.fatalError();
    client.stream.destroy();
    await using late = await RawClient.connect(server.addresses.tcp[0]!);
    late.sendJoin(room, newKeyPair());
    await late.fatalError();
    assert(!out.all().includes(id));
  });
});
