import { parseServerAddress } from '../../encryption/server-address.ts';
import { PROTOCOL_VERSION } from '../../protocol/frames.ts';
import { createStatement } from '../../protocol/signed.ts';
import { Connection } from '../connection.ts';
import type { RoomFixture } from './room-fixture.ts';

/** Makes a fixture's room known to the server at a port of this machine. */
export async function createRoomOf(room: RoomFixture, port: number): Promise<void> {
  const connection = await Connection.open({
    server: parseServerAddress(`127.0.0.1:${port}`),
    ca: undefined,
    signal: new AbortController().signal,
    connectTimeout: 5000,
    idleTimeout: 5000,
  });
  using keys = await room.keys();
  const { accessKey, roomId } = keys;
  const accessSignature = await accessKey.sign(createStatement(connection.challenge, roomId));
  await connection.ask({
    type: 'create',
    version: PROTOCOL_VERSION,
    accessKey: accessKey.publicKey,
    accessSignature,
  });
  connection.close();
}
