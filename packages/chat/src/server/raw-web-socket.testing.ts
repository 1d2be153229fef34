/** The bytes below a WebSocket, for tests that say what no client says. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Address } from './settings.ts';

const opcodes = { continuation: 0x0, text: 0x1, binary: 0x2, close: 0x8, ping: 0x9 } as const;

/** A frame as RFC 6455, section 5.2, has it, masked with zeros. */
export function webSocketFrame(opcode: keyof typeof opcodes, payload: Uint8Array, fin = true): Buffer {
  const { length } = payload;
  const extended = Buffer.alloc(length > 65_535 ? 8 : length > 125 ? 2 : 0);
  if (extended.length === 8) extended.writeBigUInt64BE(BigInt(length));
  if (extended.length === 2) extended.writeUInt16BE(length);
  const short = extended.length === 8 ? 127 : extended.length === 2 ? 126 : length;
  const head = Uint8Array.of(opcodes[opcode] | (fin ? 0x80 : 0), 0x80 | short);
  return Buffer.concat([head, extended, Buffer.alloc(4), payload]);
}

/** A socket whose WebSocket handshake is done. */
export async function openRaw({ host, port }: Address): Promise<Socket> {
  const socket = connect({ host, port });
  socket.on('error', () => undefined);
  const key = randomBytes(16).toString('base64');
  socket.write(
    `GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
  );
  const [answer] = (await once(socket, 'data')) as [Buffer];
  assert.match(answer.toString('latin1'), /^HTTP\/1.1 101 /);
  return socket;
}
