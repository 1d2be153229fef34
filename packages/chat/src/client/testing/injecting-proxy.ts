import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { parseServerAddress, type ServerAddress } from '../../encryption/server-address.ts';
import { FrameDecoder } from '../../protocol/frame-decoder.ts';
import { encodeFrame, type Frame } from '../../protocol/frames.ts';

/** What becomes of a frame on its way to the server: it, none, or others. */
export type Meddling = (frame: Frame) => readonly Frame[];

/** Somebody on the way of a plain connection, who reads what the client sends, and adds to it. */
export class InjectingProxy implements AsyncDisposable {
  readonly address: ServerAddress;
  meddle: Meddling = (frame) => [frame];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #upstream: Socket | undefined;

  static async listen(to: ServerAddress): Promise<InjectingProxy> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new InjectingProxy(server, to);
  }

  private constructor(server: Server, to: ServerAddress) {
    this.#server = server;
    this.address = parseServerAddress(`127.0.0.1:${(server.address() as AddressInfo).port}`);
    server.on('connection', (socket) => this.#carry(socket, to));
  }

  /** Adds frames to what the client of the last connection sends, whether or not it is still there. */
  inject(...frames: readonly Frame[]): void {
    for (const frame of frames) this.#upstream?.write(encodeFrame(frame));
  }

  /** Cuts all connections, on both sides. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #carry(client: Socket, to: ServerAddress): void {
    const upstream = connect({ host: to.host, port: to.port });
    this.#upstream = upstream;
    for (const socket of [client, upstream]) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => {});
      socket.on('close', () => this.#sockets.delete(socket));
    }
    const decoder = new FrameDecoder();
    client.on('data', (piece: Buffer) => {
      decoder.push(piece);
      for (let frame = decoder.next(); frame !== undefined; frame = decoder.next()) {
        for (const passed of this.meddle(frame)) upstream.write(encodeFrame(passed));
      }
    });
    upstream.on('data', (piece) => {
      if (!client.destroyed) client.write(piece);
    });
    upstream.on('close', () => client.destroy());
  }
}
