import { systemClock } from '../../clock.ts';
import { parseServerAddress } from '../../encryption/server-address.ts';
import { Connection } from '../connection.ts';
import { announce } from '../create-room.ts';
import { dial } from '../node/dial.ts';
import type { RoomFixture } from './room-fixture.ts';

/** Makes a fixture's room known to the server at a port of this machine. */
export async function createRoomOf(room: RoomFixture, port: number): Promise<void> {
  const connection = await Connection.open({
    server: parseServerAddress(`127.0.0.1:${port}`),
    environment: { clock: systemClock, dial: (server, signal) => dial(server, undefined, signal) },
    signal: new AbortController().signal,
    connectTimeout: 5000,
    idleTimeout: 5000,
  });
  using keys = await room.keys();
  await announce(connection, keys.access);
  connection.close();
}
