/** A chat server as `skytale serve` runs it, without limits on rates and connections. Its parent talks to it by messages. */
import { ChatServer, keepNewSpaceSmall } from '../../packages/chat/src/server/index.ts';

keepNewSpaceSmall();
const [data, durability] = process.argv.slice(2);
const server = await ChatServer.start({
  tcp: [{ host: '127.0.0.1', port: 0 }],
  http: [],
  data: data!,
  durability: durability as 'full' | 'normal',
  maxConnections: 0,
  maxConnectionsPerAddress: 0,
  maxRooms: 0,
  maxRoomsPerAddress: 0,
  roomsPerHour: 0,
  maxRoomBytes: 0,
  maxStorageBytes: 0,
  framesPerSecond: 0,
  bytesPerSecond: 0,
});
process.send?.(server.addresses.tcp[0]);

process.on('message', (request) => {
  if (request !== 'memory') return;
  globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  process.send?.({ used: heapUsed + external, rss, counters: server.counters });
});
process.on('disconnect', () => process.exit(0));
