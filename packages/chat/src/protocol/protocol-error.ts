/**
 * The errors of the wire protocol: the number that an ERROR frame carries, the stable name that programs
 * use, and whether the server closes the connection after it. One table; docs/protocol.md prints it.
 */
export const protocolErrors = {
  MALFORMED_FRAME: { number: 1, fatal: true },
  FRAME_TOO_LARGE: { number: 2, fatal: true },
  UNEXPECTED_FRAME: { number: 3, fatal: true },
  UNSUPPORTED_VERSION: { number: 4, fatal: true },
  ACCESS_DENIED: { number: 5, fatal: true },
  NO_SUCH_ROOM: { number: 6, fatal: true },
  NOT_JOINED: { number: 7, fatal: true },
  GAP: { number: 8, fatal: true },
  REPLACED: { number: 9, fatal: true },
  TOO_MANY_CONNECTIONS: { number: 10, fatal: true },
  TOO_MANY_ROOMS: { number: 11, fatal: true },
  STORAGE_FULL: { number: 12, fatal: false },
  IDLE: { number: 13, fatal: true },
  TOO_SLOW: { number: 14, fatal: true },
  SERVER_FAILURE: { number: 15, fatal: true },
  DAMAGED: { number: 16, fatal: true },
  UNSUPPORTED_KIND: { number: 17, fatal: true },
} as const satisfies Record<string, { number: number; fatal: boolean }>;

export type ProtocolErrorCode = keyof typeof protocolErrors;

const byNumber = new Map<number, ProtocolErrorCode>(
  Object.entries(protocolErrors).map(([name, { number }]) => [number, name as ProtocolErrorCode]),
);

/** The name of an error number; `undefined` for one that this version does not know. */
export function protocolErrorCode(number: number): ProtocolErrorCode | undefined {
  return byNumber.get(number);
}

/** What one side of a connection did against the protocol, or why the server refused it. */
export class ProtocolError extends Error {
  readonly code: ProtocolErrorCode;

  constructor(code: ProtocolErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ProtocolError';
    this.code = code;
  }

  /** Whether the connection is closed after the ERROR frame. */
  get fatal(): boolean {
    return protocolErrors[this.code].fatal;
  }
}
