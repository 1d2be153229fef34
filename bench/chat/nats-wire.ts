/** The NATS client protocol, as far as a benchmark needs it: https://docs.nats.io/reference/reference-protocols/nats-protocol */
import { greet, PAYLOAD_BYTES, type Wire } from './wire.ts';

const SUBJECT = 'r';
const publication = Buffer.concat([
  Buffer.from(`PUB ${SUBJECT} ${PAYLOAD_BYTES}\r\n`),
  Buffer.alloc(PAYLOAD_BYTES, 'x'),
  Buffer.from('\r\n'),
]);
const publishedPayloadAt = publication.indexOf('x');
// echo:false: a publisher does not get its own messages back; they are not deliveries in a chat either.
const introduction = `CONNECT {"verbose":false,"pedantic":false,"echo":false}\r\nSUB ${SUBJECT} 1\r\nPING\r\n`;
const deliveryHeader = `MSG ${SUBJECT} 1 ${PAYLOAD_BYTES}\r\n`;
const deliveryBytes = deliveryHeader.length + PAYLOAD_BYTES + 2;
const M = 'M'.charCodeAt(0);
const pingOrPongBytes = 'PING\r\n'.length;

export const natsWire: Wire = {
  // echo:false: a publisher does not get its own messages back; they are not deliveries in a chat either.
  async open(address) {
    let introduced = false;
    const opened = await greet(address, (received, socket) => {
      if (!introduced) socket.write(introduction);
      introduced = true;
      const at = received.indexOf('PONG\r\n');
      return at < 0 ? -1 : at + pingOrPongBytes;
    });
    return { ...opened, self: 0 };
  },
  encode(sender, count, stamp) {
    const bytes = Buffer.allocUnsafe(count * publication.length);
    for (let at = 0; at < bytes.length; at += publication.length) {
      publication.copy(bytes, at);
      bytes.writeDoubleBE(stamp, at + publishedPayloadAt);
    }
    sender.sent += count;
    return bytes;
  },
  lengthBytes: 1,
  headerBytes: 1,
  frameBytes: (bytes, at) => (bytes[at] === M ? deliveryBytes : pingOrPongBytes),
  isMessage: (bytes, at) => bytes[at] === M,
  payloadAt: deliveryHeader.length,
};
