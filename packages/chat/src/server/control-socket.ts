import { once } from 'node:events';
import { chmodSync, mkdtempSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import * as v from 'valibot';
import type { Clock } from '../clock.ts';
import { LogError } from '../log/log-error.ts';
import type { MessageLog } from '../log/message-log.ts';
import {
  type ControlAnswer,
  type ControlRequest,
  controlPath,
  controlRequest,
  MAX_CONTROL_REQUEST,
  MAX_ROOMS_PER_ANSWER,
} from './control-protocol.ts';
import { linesOf } from './lines.ts';

/** Connections to the control socket at one time; others are closed at once. */
const MAX_CONTROL_CONNECTIONS = 4;
/** Longest life of a connection to the control socket: a list of rooms is read in less. */
const CONTROL_TIMEOUT_MS = 60_000;

/** What can be asked for. */
export type Controlled = Pick<MessageLog, 'rooms' | 'deleteRoom'>;

/**
 * The server's side of its control socket.
 *
 * - The socket is made in a directory of mode 0700, given its mode 0600, and only then moved to where it is found: nobody else can
 *   connect at any moment, whatever the mode of the data directory and the umask are.
 * - One that a server left behind that was killed is replaced in the same step. That no other server runs in the
 *   directory is what the log's lock says: so this is opened after the log, and closed before it.
 */
export class ControlSocket {
  readonly #server: Server;
  readonly #path: string;
  readonly #open = new Set<Socket>();

  private constructor(server: Server, path: string) {
    this.#server = server;
    this.#path = path;
  }

  /** Rejects with the system's error, as where the path is too long for a socket. */
  static async open(directory: string, controlled: Controlled, clock: Clock): Promise<ControlSocket> {
    const path = controlPath(directory);
    const server = createServer();
    const control = new ControlSocket(server, path);
    server.on('connection', (socket) => control.#connected(socket, controlled, clock));
    const shelter = mkdtempSync(`${path}-`);
    const made = join(shelter, 's');
    try {
      server.listen({ path: made });
      await once(server, 'listening');
      chmodSync(made, 0o600);
      renameSync(made, path);
    } catch (error) {
      server.close();
      rmSync(made, { force: true });
      throw error;
    } finally {
      rmdirSync(shelter);
    }
    server.on('error', () => undefined);
    return control;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#open) socket.destroy();
    rmSync(this.#path, { force: true });
  }

  #connected(socket: Socket, controlled: Controlled, clock: Clock): void {
    socket.on('error', () => undefined);
    if (this.#open.size >= MAX_CONTROL_CONNECTIONS) {
      socket.destroy();
      return;
    }
    this.#open.add(socket);
    const deadline = clock.after(CONTROL_TIMEOUT_MS, () => socket.destroy());
    socket.on('close', () => {
      deadline[Symbol.dispose]();
      this.#open.delete(socket);
    });
    void serve(socket, controlled).catch(() => socket.destroy());
  }
}

/** Answers one request after the other. One that is none is answered too, and is the last. */
async function serve(socket: Socket, controlled: Controlled): Promise<void> {
  for await (const line of linesOf(socket, MAX_CONTROL_REQUEST)) {
    const request = parseRequest(line);
    const answer = 'answer' in request ? request : await answerTo(request, controlled);
    const taken = socket.write(`${JSON.stringify(answer)}\n`);
    if (!taken) await Promise.race([once(socket, 'drain'), once(socket, 'close')]);
    if ('answer' in request) break;
  }
  socket.end();
}

function parseRequest(line: string): ControlRequest | Extract<ControlAnswer, { answer: 'error' }> {
  const message = (text: string) => ({ answer: 'error', code: 'INVALID_REQUEST', message: text }) as const;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return message('The request is no JSON.');
  }
  const result = v.safeParse(controlRequest, value);
  return result.success ? result.output : message(`The request is none: ${result.issues[0].message}.`);
}

async function answerTo(request: ControlRequest, controlled: Controlled): Promise<ControlAnswer> {
  try {
    switch (request.do) {
      case 'rooms':
        return { answer: 'rooms', rooms: [...(await controlled.rooms(request.after, MAX_ROOMS_PER_ANSWER))] };
      case 'delete-room':
        return { answer: 'delete-room', deleted: await controlled.deleteRoom(request.room) };
    }
  } catch (error) {
    const code = error instanceof LogError ? error.code : 'SERVER_FAILURE';
    return { answer: 'error', code, message: error instanceof Error ? error.message : String(error) };
  }
}
