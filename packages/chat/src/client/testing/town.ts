import { join } from 'node:path';
import { parseServerAddress, type ServerAddress } from '../../encryption/server-address.ts';
import { MemoryLog } from '../../log/memory-log.ts';
import { ChatServer, type ServerParts } from '../../server/index.ts';
import { createRoomOf } from './create-room-of.ts';
import { RoomFixture } from './room-fixture.ts';

/** A server with a room in it; `restart` stops one that has a disk, and starts it on the same ports and data. */
export class Town implements AsyncDisposable {
  readonly room: RoomFixture;
  server: ChatServer;

  static async open(storage: 'memory' | 'disk' = 'memory'): Promise<Town> {
    const room = await RoomFixture.open();
    const data = join(room.directory, 'server');
    const server = await startServer(data, 0, storage === 'disk' ? {} : { log: new MemoryLog() });
    const town = new Town(room, server);
    await createRoomOf(room, town.address.port);
    return town;
  }

  private constructor(room: RoomFixture, server: ChatServer) {
    this.room = room;
    this.server = server;
  }

  get address(): ServerAddress {
    return parseServerAddress(`127.0.0.1:${this.server.addresses.tcp[0]!.port}`);
  }

  get webSocket(): ServerAddress {
    return parseServerAddress(`ws://127.0.0.1:${this.server.addresses.http[0]!.port}`);
  }

  async restart(whileDown: () => Promise<void> = async () => {}): Promise<void> {
    const { port } = this.address;
    await this.server.close();
    await whileDown();
    this.server = await startServer(join(this.room.directory, 'server'), port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.room[Symbol.asyncDispose]();
    await this.server.close();
  }
}

function startServer(data: string, port: number, parts: ServerParts = {}): Promise<ChatServer> {
  const host = '127.0.0.1';
  const addresses = { tcp: [{ host, port }], http: [{ host, port: 0 }] };
  return ChatServer.start({ ...addresses, data, closeTimeoutMs: 200, presenceDelayMs: 1 }, parts);
}
