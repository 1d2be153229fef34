/** The chat client in a pipe: a line in is a message out, a message in is a line out. */
import {
  type ChatClient,
  type ChatMessage,
  type ConnectionState,
  type SetAside,
  shownName,
  type Unsupported,
  type Warning,
} from '@skytale/chat';
import { CommandError, ExitCode } from '../command-error.ts';
import { explain } from '../explain.ts';
import { escapeLine } from '../safe-text.ts';
import { type EndSignal, exitCodeOf, onEndSignal } from '../signals.ts';
import { note, whenReaderLeaves } from '../stdio.ts';
import { jsonFormat, type LineFormat, textFormat } from './line-format.ts';
import { firstWords, LineSender, type Reason } from './line-sender.ts';
import { type Awaited, Patience } from './patience.ts';
import { Printer } from './printer.ts';
import { SetAsides } from './set-asides.ts';
import { UnsentFile } from './unsent-file.ts';

export type PipeChatOptions = {
  readonly client: ChatClient;
  /** The room's id as invites have it. */
  readonly room: string;
  readonly format: 'text' | 'json';
  /** Stay when standard input has ended. */
  readonly follow: boolean;
  /** How long the server may do nothing of what is waited for, in milliseconds. */
  readonly timeout: number;
  /** Longest text of a message, in bytes of UTF-8. */
  readonly longest: number;
  /** Where lines that cannot be sent are set aside. */
  readonly stateDirectory: string;
};

/** Lines set aside that are named one by one. */
const MOST_NAMED = 20;

/** @returns the exit code */
export async function pipeChat(options: PipeChatOptions): Promise<number> {
  using unsent = new UnsentFile(options.stateDirectory);
  using pipe = new PipeChat(options, unsent);
  return await pipe.run();
}

class PipeChat implements Disposable {
  readonly #options: PipeChatOptions;
  readonly #client: ChatClient;
  readonly #format: LineFormat;
  readonly #unsent: UnsentFile;
  readonly #printer: Printer;
  readonly #sender: LineSender;
  readonly #setAsides: SetAsides;
  readonly #patience: Patience;
  readonly #end = Promise.withResolvers<number>();
  readonly #caughtUp = Promise.withResolvers<void>();
  #online = false;
  /** What to say if there is no connection in time. */
  #offlineWords = 'The server does not answer.';
  #wasOnline = false;
  #saidOffline = false;
  #saidAgain = false;
  #saidUnsupported = false;
  #refuses = false;
  /** Lines and drafts that went into the file. */
  #aside = 0;
  /** What leaving failed with, where all else may have gone well. */
  #failure: CommandError | undefined;

  constructor(options: PipeChatOptions, unsent: UnsentFile) {
    const { client, format, timeout, longest } = options;
    this.#options = options;
    this.#client = client;
    this.#format = format === 'json' ? jsonFormat : textFormat;
    this.#unsent = unsent;
    this.#printer = new Printer((key) => client.confirm(key));
    this.#sender = new LineSender({
      send: (text) => this.#send(text),
      input: process.stdin,
      longest,
      unsent,
      onSetAside: (reason) => {
        this.#wasSetAside(reason);
        // What came while that line was being put into the file.
        this.#setAsides.move();
      },
      whenReady: () => (this.#printer.isBehind ? this.#printer.idle() : Promise.resolve()),
    });
    this.#setAsides = new SetAsides({
      ...{ client, unsent, onFailed: this.#end.reject },
      onMoved: (draft) => this.#draftWasSetAside(draft),
    });
    this.#patience = new Patience(
      timeout,
      (what) => this.#end.reject(new CommandError(this.#lastWords(what))),
      // While nobody reads our output the client reads nothing of the server's.
      () => this.#online && this.#printer.isWriting,
    );
    this.#end.promise.catch(() => {});
  }

  async run(): Promise<number> {
    this.#listen();
    whenReaderLeaves(() => this.#end.resolve(0));
    const stopListening = onEndSignal((signal: EndSignal) => this.#end.resolve(exitCodeOf(signal)));
    let code: number;
    try {
      this.#patience.begin('connection');
      this.#patience.begin('history');
      if (this.#client.unacknowledged > 0) this.#patience.begin('storage');
      this.#print(this.#format.hello(this.#options.room, this.#client.member, this.#client.name));
      this.#setAsides.add(...this.#client.setAside);
      this.#client.start();
      this.#work().catch(this.#end.reject);
      code = await this.#end.promise;
    } finally {
      stopListening();
      this.#patience[Symbol.dispose]();
      await this.#leave();
    }
    if (this.#failure !== undefined) throw this.#failure;
    return code === 0 && this.#unsent.exists ? ExitCode.notAllSent : code;
  }

  /** Each step is done whatever the earlier ones did. */
  async #leave(): Promise<void> {
    try {
      await this.#setAsides.idle();
      await this.#client.close();
    } finally {
      try {
        await this.#keepWhatIsLeft();
      } finally {
        process.stdin.destroy();
      }
    }
  }

  [Symbol.dispose](): void {
    this.#patience[Symbol.dispose]();
  }

  async #work(): Promise<void> {
    await this.#sender.sendAll();
    this.#setAsides.move();
    await this.#client.flush();
    await this.#setAsides.idle();
    // What was said before one came, even where there was nothing to send.
    await this.#caughtUp.promise;
    await this.#printer.idle();
    if (!this.#options.follow) this.#end.resolve(0);
  }

  #listen(): void {
    this.#client
      .on('message', (message) => this.#message(message))
      .on('ack', ({ n, seq }) => this.#acknowledged(n, seq))
      .on('caughtUp', ({ seq }) => {
        this.#patience.end('history');
        this.#remark(this.#format.live(seq));
        this.#caughtUp.resolve();
      })
      .on('state', (state) => this.#stateChanged(state))
      .on('warning', (warning) => this.#warn(warning))
      .on('fatal', (error) => this.#end.reject(error));
    this.#client
      .on('setAside', (draft) => {
        this.#setAsides.add(draft);
        if (this.#client.unacknowledged === 0) this.#patience.end('storage');
      })
      .on('unsupported', (content) => this.#unsupported(content));
  }

  #print(line: string): void {
    this.#printer.line(line).catch(this.#end.reject);
  }

  #remark(line: string): void {
    this.#printer.remark(line).catch(this.#end.reject);
  }

  #message(message: ChatMessage): void {
    this.#patience.progress('history');
    if (message.again && !this.#saidAgain) {
      this.#saidAgain = true;
      note(`The last run ended while it printed: message ${message.seq} and the next may be there already.`);
    }
    this.#printer.message(this.#format.message(message), message.key).catch(this.#end.reject);
  }

  #unsupported(content: Unsupported): void {
    this.#patience.progress('history');
    this.#remark(this.#format.unsupported(content));
    if (this.#saidUnsupported) return;
    this.#saidUnsupported = true;
    note(`Message ${content.seq} of ${shownName(content.name)} needs a newer version of skytale.`);
  }

  #warn(warning: Warning): void {
    note(`Warning: ${warning.text}`);
    this.#remark(this.#format.warning(warning));
    if (warning.code === 'REFUSED') this.#refuses = true;
  }

  #send(text: string): ReturnType<ChatClient['send']> {
    const sending = this.#client.send(text);
    this.#patience.begin('storage');
    return sending;
  }

  #acknowledged(n: number, seq: number): void {
    this.#refuses = false;
    if (this.#client.unacknowledged === 0) this.#patience.end('storage');
    else this.#patience.progress('storage');
    this.#print(this.#format.stored({ seq, n, line: this.#sender.takeLine(n) }));
  }

  #stateChanged(state: ConnectionState): void {
    this.#online = state.phase === 'online';
    if (state.phase === 'online') {
      this.#patience.end('connection');
      this.#wasOnline = true;
      this.#offlineWords = 'Server hung up.';
      if (this.#saidOffline) note('Connected again.');
      this.#saidOffline = false;
    } else if (state.phase === 'offline') {
      this.#patience.begin('connection');
      this.#patience.begin('history');
      const { code, message } = state.reason;
      if (!this.#wasOnline) this.#offlineWords = message;
      if (this.#saidOffline) return;
      note(`${message} Trying again …`);
      this.#remark(this.#format.offline(code, message));
      this.#saidOffline = true;
    }
  }

  #lastWords(what: Awaited): string {
    const kept = 'The rest is kept here, and sent the next time.';
    if (this.#refuses) return `The server stores no more. ${kept}`;
    if (!this.#online) return this.#offlineWords;
    return what === 'storage'
      ? `The server does not store what was sent. ${kept}`
      : 'The server does not hand out what was said.';
  }

  #draftWasSetAside({ n, text, reason: { code, message } }: SetAside): void {
    const sentence = `A message (${firstWords(text)}) was not sent. ${message}`;
    this.#wasSetAside({ line: this.#sender.takeLine(n), code, text: sentence });
  }

  #wasSetAside(reason: Reason): void {
    this.#aside += 1;
    if (this.#aside <= MOST_NAMED) note(reason.text);
    this.#print(this.#format.unsent(reason, this.#unsent.path));
  }

  async #keepWhatIsLeft(): Promise<void> {
    const { lines, homeless, why } = await this.#sender.putLeftAside();
    if (lines > 0) note(`${count(lines)} read and not taken over.`);
    if (this.#aside > 0) note(`${count(this.#aside)} not sent.`);
    if (homeless.length > 0) this.#showHomeless(homeless, why);
    else if (this.#unsent.exists) note(`What is not sent is in ${this.#unsent.path}`);
  }

  /** The last way to lose nothing: who cannot write into the file may be able to write here. */
  #showHomeless(bytes: Uint8Array, why: unknown): void {
    note(`What is not sent cannot be put into ${this.#unsent.path}: ${explain(why)}`);
    note(
      'So it stands here, each line behind "| " and as --format text has it. Make room, and send it again.',
    );
    const lines = Buffer.from(bytes).toString().replace(/\n$/, '').split('\n');
    process.stderr.write(lines.map((line) => `| ${escapeLine(line)}\n`).join(''));
    this.#failure = new CommandError(explain(why), ExitCode.failed, { cause: why });
  }
}

const count = (lines: number): string => (lines === 1 ? 'One line was' : `${lines} lines were`);
