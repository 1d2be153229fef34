/** What a server has done since it started, and what is open now. Only ever counts; no content, no ids. */
export interface Counters {
  /** Sockets that are open now, in whatever state: handshakes and refusals too. */
  sockets: number;
  /** Connections and rooms that are open now. */
  connections: number;
  openRooms: number;
  /** Connections that were accepted, and that were refused for a limit. */
  accepted: number;
  refused: number;
  /** Messages stored, and messages sent to clients (one for each of them; an ACK counts). */
  messagesIn: number;
  messagesOut: number;
  bytesIn: number;
  bytesOut: number;
  /** Transactions of the log, and how often something was read back from it for a client. */
  commits: number;
  catchUps: number;
  /** ERROR frames that were sent. */
  errors: number;
  /** How often the log had no space for messages of a room, or for a room; and whether that is so now (1) or not (0). */
  noSpace: number;
  full: number;
}

export function newCounters(): Counters {
  return {
    sockets: 0,
    connections: 0,
    openRooms: 0,
    accepted: 0,
    refused: 0,
    messagesIn: 0,
    messagesOut: 0,
    bytesIn: 0,
    bytesOut: 0,
    commits: 0,
    catchUps: 0,
    errors: 0,
    noSpace: 0,
    full: 0,
  };
}
