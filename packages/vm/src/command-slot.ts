/**
 * The host's end of one slot of the guest's agent (`guest/agent.sh` has the protocol): runs one command at a time
 * over two ports.
 */
import { randomBytes } from 'node:crypto';
import { type Duplex, PassThrough, type Readable, Writable } from 'node:stream';
import { MarkedReader } from './marked-reader.ts';
import type { VmError } from './vm-error.ts';

/** A command that runs in a guest. */
export interface GuestProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** The status with which it ended, 128 + n after signal n, once all its output has come: what it leaves in the
   *  background must have its output redirected.
   *  Rejects with `guest-reset`, `guest-panic` or `guest-gone` where there is no status to come. */
  readonly exited: Promise<number>;
  /** Sends a signal to it and its children. */
  kill(signal?: 'TERM' | 'KILL' | 'INT' | 'HUP' | 'STOP' | 'CONT'): Promise<void>;
}

/** The largest piece of input: the guest takes a piece whole, into one buffer. */
const pieceSize = 65_536;

interface Running {
  readonly stdin: Writable;
  /** Whether the agent was told that the input has ended; it must be told exactly once. */
  inputEnded: boolean;
  readonly stdout: PassThrough;
  readonly stderr: PassThrough;
  readonly settle: PromiseWithResolvers<number>;
}

export class CommandSlot {
  /** Counts from 1, as the agent does. */
  readonly number: number;
  readonly #data: Duplex;
  readonly #errors: Duplex;
  readonly #dataReader = new MarkedReader();
  readonly #errorsReader = new MarkedReader();
  #running: Running | undefined;
  #ready: Promise<string>;

  constructor(number: number, data: Duplex, errors: Duplex) {
    this.number = number;
    this.#data = data;
    this.#errors = errors;
    data.on('data', (chunk: Buffer) => this.#dataReader.push(chunk));
    errors.on('data', (chunk: Buffer) => this.#errorsReader.push(chunk));
    for (const port of [data, errors]) port.on('error', () => {}); // the guest's end is noticed as QEMU's
    this.#ready = this.#awaitReady();
  }

  /** The id of the guest's boot, when the agent is there. */
  get ready(): Promise<string> {
    return this.#ready;
  }

  /** Fails what runs, and expects the agent anew: for when the guest was reset. */
  reset(reason: VmError): void {
    this.fail(reason);
    this.#ready = this.#awaitReady();
  }

  /** Fails what runs: no answer will come. */
  fail(reason: VmError): void {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    running.settle.reject(reason);
    for (const stream of [running.stdin, running.stdout, running.stderr]) stream.destroy();
  }

  async #awaitReady(): Promise<string> {
    const mark = (reader: MarkedReader) => {
      const { promise, resolve } = Promise.withResolvers<string>();
      reader.expect({ mark: 'ready ', onData: () => {}, onMark: resolve });
      return promise;
    };
    const [boot] = await Promise.all([mark(this.#dataReader), mark(this.#errorsReader)]);
    this.#data.write(`sync ${boot}\n`);
    return boot;
  }

  /** Starts a shell script. The slot must be ready, and free until `exited` is settled. */
  start(script: string): Omit<GuestProcess, 'kill'> {
    const token = randomBytes(16).toString('hex');
    const settle = Promise.withResolvers<number>();
    settle.promise.catch(() => {}); // also of nobody's interest, if the caller waits for the streams only
    const running: Running = {
      stdin: inputStream(this.#data, () => this.#endInput(running)),
      inputEnded: false,
      stdout: outputStream(this.#data),
      stderr: outputStream(this.#errors),
      settle,
    };
    this.#running = running;
    for (const port of [this.#data, this.#errors]) port.resume();
    let ends = 0;
    const watch = (reader: MarkedReader, port: Duplex, stream: PassThrough) =>
      reader.expect({
        mark: token,
        onData: (bytes) => {
          if (!stream.write(bytes)) port.pause();
        },
        onMark: (status) => {
          stream.end();
          ends += 1;
          if (ends === 2) this.#finish(running, Number(status));
        },
      });
    watch(this.#dataReader, this.#data, running.stdout);
    watch(this.#errorsReader, this.#errors, running.stderr);
    const bytes = Buffer.from(script);
    this.#data.write(`${token} ${bytes.length}\n`);
    this.#data.write(bytes);
    const { stdin, stdout, stderr } = running;
    return { stdin, stdout, stderr, exited: settle.promise };
  }

  #finish(running: Running, status: number): void {
    if (this.#running !== running) return;
    this.#endInput(running); // the agent waits for it
    this.#running = undefined;
    running.stdin.destroy();
    running.settle.resolve(status);
  }

  #endInput(running: Running): void {
    if (this.#running !== running || running.inputEnded) return;
    running.inputEnded = true;
    this.#data.write('0\n');
  }
}

/** A stream into a port, in pieces with their sizes. */
function inputStream(port: Duplex, end: () => void): Writable {
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      const pieces: Buffer[] = [];
      for (let at = 0; at < chunk.length; at += pieceSize) {
        const piece = chunk.subarray(at, at + pieceSize);
        pieces.push(Buffer.from(`${piece.length}\n`), piece);
      }
      port.write(Buffer.concat(pieces), () => done());
    },
    final(done) {
      end();
      done();
    },
  });
  return stream.on('error', () => {}); // nobody reads the input of a command that has ended
}

/** A stream of what a port delivers; while nobody reads it, the guest's command waits. */
function outputStream(port: Duplex): PassThrough {
  const stream = new PassThrough();
  stream.on('drain', () => port.resume());
  stream.on('close', () => port.resume());
  return stream;
}
