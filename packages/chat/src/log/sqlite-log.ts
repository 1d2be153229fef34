import { checkBatch, checkNewRoom } from './batch.ts';
import { DamageReport } from './damage-report.ts';
import { LogError, shortId } from './log-error.ts';
import type {
  Appended,
  Batch,
  LastMessage,
  LogChunk,
  MessageLog,
  RoomCounts,
  RoomState,
  RoomSummary,
  Watcher,
} from './message-log.ts';
import type { SqliteCopier } from './sqlite-copier.ts';
import { type Damage, noRoom, type SqliteLogOptions } from './sqlite-database.ts';
import type { SqliteReader } from './sqlite-reader.ts';
import { SqliteThread } from './sqlite-thread.ts';
import type { Outcome, PackedBatch, SqliteWriter } from './sqlite-writer.ts';
import { Watchers } from './watchers.ts';

interface WaitingAppend {
  readonly batch: Batch;
  resolve(outcome: Appended): void;
  reject(error: LogError): void;
}

/** Steps of a deletion that was cut off, which making the room anew goes on with at most. */
const MAX_DELETE_STEPS = 8;
/**
 * Memory that the writing thread shares: a transaction's bytes that fit are handed over in it, so that nothing is
 * allocated and collected for each, in either thread. A room's batch fits as a rule; of many rooms together not all may.
 */
const SHARED_BYTES = 512 * 1024;
/** Empty rooms that are looked at together. */
const FORGET_STEP = 500;

/**
 * The log in an SQLite database, worked by threads, so that waiting for the disk holds up nobody: one appends, one reads, and
 * one, made when it is first needed, copies what was appended from the write-ahead log into the database. None of them holds up
 * another.
 */
export class SqliteLog implements MessageLog {
  readonly #writer: SqliteThread<SqliteWriter>;
  readonly #reader: SqliteThread<SqliteReader>;
  readonly #watchers = new Watchers((room, after) =>
    this.#mending(room, () => this.#reader.call('next', [room, after])),
  );
  /** Written while no transaction is made, read by the writing thread while one is. */
  readonly #shared = new Uint8Array(new SharedArrayBuffer(SHARED_BYTES));
  /** Appends for the next transaction. */
  #appends: WaitingAppend[] = [];
  /** While transactions are made. */
  #appending: Promise<void> | undefined;
  /** While the write-ahead log is copied. */
  #copying: Promise<void> | undefined;
  #copier: SqliteThread<SqliteCopier> | undefined;
  readonly #startCopier: () => SqliteThread<SqliteCopier>;
  #ended: LogError | undefined;

  private constructor({ onDamage = () => undefined, ...options }: SqliteLogOptions) {
    const told = new DamageReport(onDamage);
    const events = {
      damage: (damage: Damage) => told.tell(damage),
      long: () => this.#long(),
      end: (reason: LogError) => this.#end(reason),
    };
    this.#writer = new SqliteThread<SqliteWriter>({ role: 'write', options, shared: this.#shared }, events);
    this.#reader = new SqliteThread<SqliteReader>({ role: 'read', options }, events);
    this.#startCopier = () => new SqliteThread<SqliteCopier>({ role: 'copy', options }, events);
  }

  /**
   * Opens the log of a data directory.
   * @throws {LogError} LOG_IN_USE, LOG_NOT_ACCESSIBLE, LOG_CORRUPT, LOG_WRONG_VERSION, LOG_FULL, LOG_BUSY, LOG_FAILED
   */
  static async open(options: SqliteLogOptions): Promise<SqliteLog> {
    const log = new SqliteLog(options);
    try {
      await log.#writer.open();
      await log.#reader.open();
      return log;
    } catch (error) {
      await log.kill();
      throw error;
    }
  }

  async createRoom(room: string, creator: string, now: number): Promise<void> {
    checkNewRoom(room, creator, now);
    for (let steps = 0; !(await this.#writer.call('createRoom', [room, creator, now])); steps += 1) {
      if (steps === MAX_DELETE_STEPS) {
        throw new LogError('LOG_BUSY', `What was the room ${shortId(room)} is still being deleted.`);
      }
      await this.#writer.call('deleteStep', [room]);
    }
  }

  async roomState(room: string): Promise<RoomState | undefined> {
    return await this.#mending(room, () => this.#reader.call('roomState', [room]));
  }

  async roomCounts(creator: string): Promise<RoomCounts> {
    return await this.#writer.call('roomCounts', [creator]);
  }

  async rooms(after: string, count: number): Promise<readonly RoomSummary[]> {
    const list = () => this.#reader.call('rooms', [after, count], { urgent: false });
    const rooms = await list();
    const damaged = rooms.filter((room) => room.damaged);
    if (damaged.length === 0) return rooms;
    for (const { room } of damaged) await this.#writer.call('mendRoom', [room]).catch(ignoreDamage);
    return await list();
  }

  async deleteRoom(room: string): Promise<boolean> {
    const found = await this.#writer.call('beginDeletion', [room]);
    if (found) this.#watchers.fail(room, noRoom(room));
    while (await this.#writer.call('deleteStep', [room]));
    return found;
  }

  async lastOf(room: string, member: string): Promise<LastMessage> {
    const ask = () => this.#reader.call('lastOf', [room, member]);
    return await this.#mending(room, ask, () => this.#mendMember(room, member));
  }

  async append(batch: Batch): Promise<Appended> {
    checkBatch(batch);
    if (this.#ended !== undefined) throw this.#ended;
    const outcome = await new Promise<Appended>((resolve, reject) => {
      this.#appends.push({ batch, resolve, reject });
      // Not at once: what else is appended in this turn comes along.
      this.#appending ??= Promise.resolve().then(() => this.#appendAll());
    });
    if (outcome.stored) await this.#watchers.stored(batch);
    return outcome;
  }

  async read(
    room: string,
    after: number,
    maxBytes: number,
    isWanted?: () => boolean,
  ): Promise<LogChunk | undefined> {
    return await this.#mending(room, () =>
      this.#reader.call('read', [room, after, maxBytes], { urgent: false, isWanted }),
    );
  }

  watch(room: string, from: number, watcher: Watcher): Disposable {
    return this.#watchers.watch(room, from, watcher);
  }

  async prune(before: number, emptyBefore: number): Promise<boolean> {
    const more = await this.#writer.call('prune', [before]);
    return (await this.#forgetEmpty(emptyBefore)) || more;
  }

  async #forgetEmpty(before: number): Promise<boolean> {
    for (let after: readonly [number, string] = [-1, '']; ; ) {
      const page = await this.#reader.call('emptyRooms', [before, after, FORGET_STEP], { urgent: false });
      const unwatched = page.map(([, room]) => room).filter((room) => !this.#watchers.has(room));
      const forgotten = unwatched.length === 0 ? [] : await this.#writer.call('forget', [unwatched, before]);
      for (const room of forgotten) this.#watchers.fail(room, noRoom(room));
      if (page.length < FORGET_STEP) return false;
      if (forgotten.length > 0) return true;
      after = page.at(-1)!;
    }
  }

  /** Does what was asked before, and closes. May be called again. */
  async close(): Promise<void> {
    const closed = new LogError('LOG_CLOSED', 'The message log is closed.');
    if (this.#ended === undefined) {
      this.#ended = closed;
      // What waits for the next transaction was asked before, too.
      await this.#appending;
      this.#watchers.failAll(closed);
    }
    await this.#copying;
    // The writer last: who closes last, and may write, leaves no write-ahead log behind.
    await this.#copier?.close();
    await this.#reader.close();
    await this.#writer.close();
  }

  /** Ends the threads at once, whatever they are doing, as a crash would. For tests. */
  async kill(): Promise<void> {
    await Promise.all([this.#writer.kill(), this.#reader.kill(), this.#copier?.kill()]);
  }

  /** Asks again, once, what found damage, when what can be mended was. */
  async #mending<T>(room: string, ask: () => Promise<T>, more?: () => Promise<void>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      ignoreDamage(error);
      await this.#writer.call('mendRoom', [room]);
      await more?.();
      return await ask();
    }
  }

  /** Finds a member's last message among the messages, if its row has more than one bit turned. O(bytes of the room). */
  async #mendMember(room: string, member: string): Promise<void> {
    if (await this.#writer.call('mendMember', [room, member])) return;
    let found: LastMessage | number | undefined = Number.MAX_SAFE_INTEGER;
    while (typeof found === 'number') {
      found = await this.#reader.call('lastBefore', [room, member, found], { urgent: false });
    }
    if (found !== undefined) await this.#writer.call('putMember', [room, member, found.n, found.hash]);
  }

  /** Stores what waits, in one transaction after the other, until nothing does. */
  async #appendAll(): Promise<void> {
    while (this.#appends.length > 0) {
      const appends = this.#appends;
      this.#appends = [];
      try {
        const outcomes = await this.#store(appends.map(({ batch }) => batch));
        for (const [index, { resolve, reject }] of appends.entries()) {
          const outcome = outcomes[index]!;
          if ('error' in outcome) reject(new LogError(outcome.error.code, outcome.error.message));
          else resolve(outcome);
        }
      } catch (error) {
        for (const { reject } of appends) reject(error as LogError);
      }
    }
    this.#appending = undefined;
  }

  /** One transaction. There MUST be one at a time: the next one's bytes would take the place of this one's. */
  #store(batches: readonly Batch[]): Promise<Outcome[]> {
    const length = batches.reduce((sum, { frames, members }) => sum + 32 * members.length + frames.length, 0);
    if (length <= this.#shared.length) return this.#writer.call('append', [pack(batches, this.#shared)]);
    const bytes = new Uint8Array(length);
    return this.#writer.call('append', [pack(batches, bytes), bytes], { transfer: [bytes.buffer] });
  }

  #long(): void {
    if (this.#ended !== undefined) return;
    // What becomes long meanwhile is told anew.
    this.#copying ??= this.#copy().finally(() => {
      this.#copying = undefined;
    });
  }

  async #copy(): Promise<void> {
    try {
      this.#copier ??= await this.#openCopier();
      const { left } = await this.#copier.call('copy', []);
      if (left > 0) await this.#writer.call('restart', [], { urgent: false });
    } catch {
      // Of a full disk the next append tells, of a thread's end `#end`; otherwise it is tried again when more was written.
    }
  }

  async #openCopier(): Promise<SqliteThread<SqliteCopier>> {
    const copier = this.#startCopier();
    this.#copier = copier;
    try {
      await copier.open();
      return copier;
    } catch (error) {
      this.#copier = undefined;
      await copier.close();
      throw error;
    }
  }

  #end(reason: LogError): void {
    this.#ended ??= reason;
    this.#watchers.failAll(this.#ended);
    // One without the others is of no use.
    void this.kill();
  }
}

/**
 * Copies the bytes of batches, once, into memory that another thread is handed: the batches' own stays here, for those who
 * are connected are given the same.
 */
function pack(batches: readonly Batch[], bytes: Uint8Array): PackedBatch[] {
  let end = 0;
  return batches.map(({ room, first, last, time, frames, members }) => {
    const at = end;
    for (const { last } of members) {
      bytes.set(last.hash, end);
      end += 32;
    }
    bytes.set(frames, end);
    end += frames.length;
    const numbers = members.map(({ member, last: { n } }) => ({ member, n }));
    return { room, first, last, time, members: numbers, at, length: end - at };
  });
}

function ignoreDamage(error: unknown): void {
  if ((error as LogError).code !== 'LOG_DAMAGED') throw error;
}
