import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import * as v from 'valibot';
import type { RoomSummary } from '../log/message-log.ts';
import {
  type ControlAnswer,
  type ControlRequest,
  controlAnswer,
  controlPath,
  MAX_CONTROL_ANSWER,
} from './control-protocol.ts';
import { linesOf } from './lines.ts';
import { ServerError } from './server-error.ts';

/** Longest wait for an answer of the control socket, in milliseconds. */
const ANSWER_TIMEOUT_MS = 30_000;

/** Asks the server that runs in a data directory. All methods reject with ServerError SERVER_CONTROL_FAILED. */
export class ServerControl implements Disposable {
  readonly #socket: Socket;
  readonly #answers: AsyncGenerator<string>;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#answers = linesOf(socket, MAX_CONTROL_ANSWER);
  }

  /** Rejects with ServerError SERVER_NOT_RUNNING if no server runs there, or it is somebody else's. */
  static async connect(directory: string): Promise<ServerControl> {
    const socket = connect({ path: controlPath(directory) });
    try {
      await once(socket, 'connect');
    } catch (cause) {
      throw new ServerError('SERVER_NOT_RUNNING', notRunning(directory, cause), { cause });
    }
    socket.on('error', () => undefined);
    socket.setTimeout(ANSWER_TIMEOUT_MS, () => socket.destroy());
    return new ServerControl(socket);
  }

  /** All rooms, in the order of their ids. Those that are made or deleted meanwhile may be among them. */
  async *rooms(): AsyncGenerator<RoomSummary> {
    let after = '';
    for (;;) {
      const answer = await this.#ask({ do: 'rooms', after });
      if (answer.answer !== 'rooms') throw failed('it answers something else');
      if (answer.rooms.length === 0) return;
      yield* answer.rooms;
      const last = answer.rooms.at(-1)!.room;
      if (last <= after) throw failed('it answers the same again');
      after = last;
    }
  }

  /** Deletes a room with all that is in it; who is in it is hung up on. @returns whether there was one */
  async deleteRoom(room: string): Promise<boolean> {
    const answer = await this.#ask({ do: 'delete-room', room });
    if (answer.answer !== 'delete-room') throw failed('it answers something else');
    return answer.deleted;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  async #ask(request: ControlRequest): Promise<ControlAnswer> {
    this.#socket.write(`${JSON.stringify(request)}\n`);
    const line = await this.#answers.next().catch(() => undefined);
    if (line === undefined || line.done) throw failed('it does not answer');
    const answer = parseAnswer(line.value);
    if (answer.answer === 'error') throw failed(`${answer.message} (${answer.code})`);
    return answer;
  }
}

function parseAnswer(line: string): ControlAnswer {
  try {
    return v.parse(controlAnswer, JSON.parse(line));
  } catch (cause) {
    throw failed('its answer is none; it may be of another version', cause);
  }
}

function failed(why: string, cause?: unknown): ServerError {
  return new ServerError('SERVER_CONTROL_FAILED', `The server did not do this: ${why}.`, { cause });
}

function notRunning(directory: string, cause: unknown): string {
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === 'EACCES' || code === 'EPERM') {
    return `The server of ${directory} is another user's (${code}). Only that user may ask it.`;
  }
  return `No server runs with its data in ${directory} (${code}). Name its directory with --data.`;
}
