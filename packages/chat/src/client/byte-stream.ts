/** A connection as bytes in both directions, in order and without loss until it ends: TCP, TLS, a WebSocket, or a simulation. */
export interface ByteStream {
  /**
   * Whether the other side has to wait while it is paused. If not, what comes waits here: then the server is told how much it may send
   * (docs/protocol.md, WINDOW), if it can be, and the stream MUST end where it comes to be much more.
   */
  readonly backPressure: boolean;

  /** Bytes that were sent and that the network has not taken yet. */
  readonly unsent: number;

  /**
   * Names who gets what comes. A stream begins paused, and nothing is lost that comes before. To be called once.
   */
  listen(listener: ByteStreamListener): void;

  /** Sends all of it, now or when the network takes it; how much waits is for the caller to look at. Nothing after the end. */
  send(piece: Uint8Array): void;

  /** Hands over nothing more, so that what comes waits in the network; a piece that is there already may still follow. */
  pause(): void;

  resume(): void;

  /** Ends it, what is unsent with it. The listener hears nothing more. Twice is fine. */
  close(): void;
}

export interface ByteStreamListener {
  /** The piece is the listener's. */
  received(piece: Uint8Array): void;
  /** The other side has hung up, or the connection broke, with a reason in words. Called once; nothing comes after it. */
  ended(reason?: string): void;
}
