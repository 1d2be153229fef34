/**
 * The host's end of the guest's second serial port; `guest/init.sh` is the other, and has the protocol. One command
 * at a time; others wait. The guest is not trusted: what is not the protocol ends the machine.
 */
import { V86Error } from './v86-error.ts';

export interface AgentResult {
  readonly status: number;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
}

export interface GuestAgentOptions {
  /** Sends bytes to the guest. */
  send(bytes: Uint8Array): void;
  /** The guest said something that is not the protocol. */
  onViolation(error: V86Error): void;
}

interface Running {
  readonly token: string;
  /** Script and standard input, as far as they were not sent yet. */
  unsent: Uint8Array;
  readonly settle: PromiseWithResolvers<AgentResult>;
}

/** What follows a `done`. */
interface Answer {
  readonly status: number;
  readonly outputSize: number;
  readonly bytes: Uint8Array;
  received: number;
}

/** Characters of a line of the serial console that are kept. */
const LONGEST_LINE = 200;
/** More output than a guest with 128 MiB can have. */
const LARGEST_OUTPUT = 128 * 1024 * 1024;
const NEWLINE = 10;

export class GuestAgent {
  readonly #options: GuestAgentOptions;
  #line = '';
  #answer: Answer | undefined;
  #running: Running | undefined;
  #ready = Promise.withResolvers<void>();
  #isReady = false;
  /** Resolves when the command before has ended. */
  #queue: Promise<unknown> = Promise.resolve();
  #end: V86Error | undefined;

  constructor(options: GuestAgentOptions) {
    this.#options = options;
    this.#ready.promise.catch(() => {}); // whoever waits for it is told
  }

  /** Resolves when the guest takes commands. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  get isBusy(): boolean {
    return this.#running !== undefined;
  }

  /** One byte from the guest. */
  push(byte: number): void {
    if (this.#end !== undefined) return;
    if (this.#answer !== undefined) this.#takeAnswer(this.#answer, byte);
    else if (byte === NEWLINE) this.#takeLine();
    else if (this.#line.length < LONGEST_LINE) this.#line += String.fromCharCode(byte);
    else this.#violation(`a line that begins with ${JSON.stringify(this.#line.slice(0, 40))} does not end`);
  }

  /**
   * Runs a shell script; rejects with `guest-reset` or what ended the machine.
   * @param onStart called when its turn has come
   */
  run(script: Uint8Array, input: Uint8Array, onStart: () => void = () => {}): Promise<AgentResult> {
    const result = this.#queue.then(async () => {
      await this.#ready.promise;
      if (this.#end !== undefined) throw this.#end;
      onStart();
      return this.#start(script, input);
    });
    this.#queue = result.catch(() => {});
    return result;
  }

  /** Resolves with what `action` does while no command runs. */
  between<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(action);
    this.#queue = result.catch(() => {});
    return result;
  }

  /** Kills the command that runs, children included. It ends with status 137 after that. */
  kill(): void {
    if (this.#running !== undefined) this.#sendText(`kill ${this.#running.token}\n`);
  }

  /** The guest was put back to a saved state, in which it takes commands and none runs. */
  restored(reason: V86Error): void {
    if (this.#end !== undefined) return;
    this.#line = '';
    this.#answer = undefined;
    this.#failRunning(reason);
    this.#becomeReady();
  }

  /** Nothing more will come of the guest. The first reason stands. */
  fail(reason: V86Error): void {
    this.#end ??= reason;
    this.#ready.reject(this.#end);
    this.#failRunning(this.#end);
  }

  #start(script: Uint8Array, input: Uint8Array): Promise<AgentResult> {
    const token = crypto.randomUUID();
    const settle = Promise.withResolvers<AgentResult>();
    const unsent = new Uint8Array(script.length + input.length);
    unsent.set(script);
    unsent.set(input, script.length);
    this.#running = { token, unsent, settle };
    this.#sendText(`run ${token} ${script.length} ${input.length}\n`);
    return settle.promise;
  }

  #failRunning(reason: V86Error): void {
    const running = this.#running;
    this.#running = undefined;
    running?.settle.reject(reason);
  }

  #takeLine(): void {
    const words = this.#line.split(' ');
    this.#line = '';
    const numbers = words.map(Number);
    const [verb, token] = words;
    if (verb === 'ready') this.#becomeReady();
    else if (verb === 'next') this.#sendNext(numbers[1]!);
    else if (verb === 'done') this.#begin(token!, numbers[2]!, numbers[3]!, numbers[4]!);
    else this.#violation(`${JSON.stringify(verb)} is no message`);
  }

  #becomeReady(): void {
    this.#isReady = true;
    this.#ready.resolve();
  }

  #sendNext(size: number): void {
    const running = this.#running;
    const left = running?.unsent.length ?? 0;
    if (running === undefined || !(Number.isInteger(size) && size > 0 && size <= left)) {
      this.#violation(`it asks for ${size} of ${left} bytes`);
      return;
    }
    this.#options.send(running.unsent.subarray(0, size));
    running.unsent = running.unsent.subarray(size);
  }

  #begin(token: string, status: number, outputSize: number, errorSize: number): void {
    const isSize = (size: number) => Number.isInteger(size) && size >= 0 && size <= LARGEST_OUTPUT;
    if (token !== this.#running?.token) {
      this.#violation('a command that does not run has ended');
    } else if (!(isSize(outputSize) && isSize(errorSize) && isSize(status))) {
      this.#violation(`status ${status}, ${outputSize} and ${errorSize} bytes cannot be`);
    } else {
      this.#answer = { status, outputSize, bytes: new Uint8Array(outputSize + errorSize), received: 0 };
      if (this.#answer.bytes.length === 0) this.#finish(this.#answer);
    }
  }

  #takeAnswer(answer: Answer, byte: number): void {
    answer.bytes[answer.received++] = byte;
    if (answer.received === answer.bytes.length) this.#finish(answer);
  }

  #finish({ status, outputSize, bytes }: Answer): void {
    const running = this.#running!;
    this.#answer = undefined;
    this.#running = undefined;
    running.settle.resolve({
      status,
      stdout: bytes.subarray(0, outputSize),
      stderr: bytes.subarray(outputSize),
    });
  }

  #violation(what: string): void {
    const error = new V86Error('guest-protocol', `the guest's agent does not keep to the protocol: ${what}`);
    this.fail(error);
    this.#options.onViolation(error);
  }

  #sendText(text: string): void {
    this.#options.send(new TextEncoder().encode(text));
  }
}
