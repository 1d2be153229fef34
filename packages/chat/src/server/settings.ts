import * as v from 'valibot';
import { DEFAULT_MAX_FRAME, MAX_MAX_FRAME, MIN_MAX_FRAME } from '../protocol/frames.ts';
import { ServerError } from './server-error.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

const whole = (least: number, most = Number.MAX_SAFE_INTEGER) =>
  v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most));
const milliseconds = whole(1, 24 * 3600 * 1000);
/** 0: no limit. */
const limit = whole(0);

const address = v.strictObject({ host: v.pipe(v.string(), v.minLength(1)), port: whole(0, 65_535) });

/** All settings of a server, with their defaults. */
const schema = v.strictObject({
  /** Where to listen for TCP, or for TLS if `tls` is given. Port 0 takes a free one. IPv4, IPv6 or a name. */
  tcp: v.optional(v.array(address), [{ host: '127.0.0.1', port: 7000 }]),
  /** Where to listen for HTTP (HTTPS if `tls` is given) with WebSocket at /ws. */
  http: v.optional(v.array(address), [{ host: '127.0.0.1', port: 7080 }]),
  /** Certificate chain and private key, both PEM. */
  tls: v.optional(v.strictObject({ cert: v.string(), key: v.string() })),
  /** Origins whose pages may open a WebSocket besides our own, as in `https://chat.example.org`; `*`: all. */
  origins: v.optional(v.array(v.string()), []),

  /** Directory of the message log. */
  data: v.optional(v.pipe(v.string(), v.minLength(1)), 'skytale-data'),
  /** `full`: an acknowledged message survives a power cut; `normal`: it survives the end of the process. */
  durability: v.optional(v.picklist(['full', 'normal']), 'full'),
  /** Largest size of the database, in bytes. */
  maxStorageBytes: v.optional(limit, 10 * GIB),
  /** Largest sum of what is kept of one room, in bytes. */
  maxRoomBytes: v.optional(limit, 1 * GIB),
  maxRooms: v.optional(limit, 1000),
  /** Messages older than this are deleted; 0: never. */
  retentionDays: v.optional(whole(0, 36_500), 0),

  /** Longest frame (type and body), in bytes. */
  maxFrameBytes: v.optional(whole(MIN_MAX_FRAME, MAX_MAX_FRAME), DEFAULT_MAX_FRAME),
  maxConnections: v.optional(limit, 10_000),
  /** Of one IPv4 address, or of one IPv6 /64 network. */
  maxConnectionsPerAddress: v.optional(limit, 256),
  /** Frames that one connection may send on average; one that sends more is read more slowly. */
  framesPerSecond: v.optional(limit, 1000),
  /** Frames that it may send at once after a pause. */
  framesBurst: v.optional(whole(1), 5000),
  /** The same in bytes. */
  bytesPerSecond: v.optional(limit, 4 * MIB),
  bytesBurst: v.optional(whole(1), 16 * MIB),

  /** Time for a new connection to say JOIN, and for a frame that has begun to be complete. */
  helloTimeoutMs: v.optional(milliseconds, 10_000),
  /** A client that is silent for a third of this is sent a PING; for all of it, it is closed. */
  idleTimeoutMs: v.optional(milliseconds, 90_000),
  /** A client that does not take what was written to it within this time is closed. */
  writeTimeoutMs: v.optional(milliseconds, 60_000),
  /** Time for clients to take what is left when the server stops, and for one to hang up after an error. */
  closeTimeoutMs: v.optional(milliseconds, 3_000),
  /** Who comes and goes within this time is announced together. */
  presenceDelayMs: v.optional(milliseconds, 50),
});

export type ServerSettings = v.InferOutput<typeof schema>;
export type ServerSettingsInput = v.InferInput<typeof schema>;
export type Address = v.InferOutput<typeof address>;

/**
 * Checks settings and fills in the defaults.
 * @throws {ServerError} SERVER_INVALID_SETTING, naming the first one that is wrong
 */
export function serverSettings(input: ServerSettingsInput): ServerSettings {
  const result = v.safeParse(schema, input);
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new ServerError('SERVER_INVALID_SETTING', `Setting ${v.getDotPath(issue) ?? ''}: ${issue.message}.`);
}
