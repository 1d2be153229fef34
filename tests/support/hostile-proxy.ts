/**
 * A TCP proxy between client and server that may do to the frames whatever a hostile network or server
 * could do: change, drop, repeat, reorder, add. What exactly is the test's choice.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A frame as it stands on the wire: u32 length of what follows, u8 type, body (docs/protocol.md). */
export type WireFrame = Buffer;

/** What to send on in place of a frame. */
export type Tamper = (frame: WireFrame) => readonly WireFrame[];

export type Tampering = {
  readonly toClient?: Tamper;
  readonly toServer?: Tamper;
};

export const pass: Tamper = (frame) => [frame];

export const typeOf = (frame: WireFrame): number => frame[4]!;

export function frameOf(type: number, body: Uint8Array): WireFrame {
  const frame = Buffer.alloc(5 + body.length);
  frame.writeUInt32BE(1 + body.length);
  frame[4] = type;
  frame.set(body, 5);
  return frame;
}

export class HostileProxy implements AsyncDisposable {
  readonly #listener: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(listener: Server) {
    this.#listener = listener;
  }

  /** @param tampering called for each connection, so that it can have a state of its own */
  static async start(target: string, tampering: () => Tampering): Promise<HostileProxy> {
    const [host, port] = target.split(':') as [string, string];
    const listener = createServer((client) => {
      const server = connect(Number(port), host);
      proxy.#sockets.add(client).add(server);
      const { toClient = pass, toServer = pass } = tampering();
      proxy.#pump(client, server, toServer);
      proxy.#pump(server, client, toClient);
    });
    const proxy = new HostileProxy(listener);
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    return proxy;
  }

  get address(): string {
    return `127.0.0.1:${(this.#listener.address() as AddressInfo).port}`;
  }

  #pump(from: Socket, to: Socket, tamper: Tamper): void {
    let waiting: Buffer = Buffer.alloc(0);
    from.on('data', (chunk: Buffer) => {
      waiting = Buffer.concat([waiting, chunk]);
      while (waiting.length >= 4 && waiting.length >= 4 + waiting.readUInt32BE()) {
        const end = 4 + waiting.readUInt32BE();
        for (const frame of tamper(Buffer.from(waiting.subarray(0, end)))) to.write(frame);
        waiting = waiting.subarray(end);
      }
    });
    from.on('error', () => to.destroy());
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const socket of this.#sockets) socket.destroy();
    if (this.#listener.listening) await once(this.#listener, 'close');
  }
}
