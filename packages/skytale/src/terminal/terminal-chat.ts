/** The chat client on a terminal: history above; below it what is not sent yet, the state, and the input line. */
import type {
  ChatClient,
  ChatError,
  ChatMessage,
  ConnectionState,
  MemberId,
  Presence,
  SetAside,
} from '@skytale/chat';
import { Names } from '../names.ts';
import { displayLine, displayText } from '../safe-text.ts';
import { type EndSignal, exitCodeOf, onEndSignal } from '../signals.ts';
import type { Style } from '../style.ts';
import { answer } from './chat-commands.ts';
import { Company } from './company.ts';
import { HistoryView } from './history-view.ts';
import { layoutInput } from './input-layout.ts';
import { type Key, LineEditor } from './line-editor.ts';
import { LiveRegion, type Picture } from './live-region.ts';
import { Newcomers } from './newcomers.ts';
import { terminalSize } from './terminal-size.ts';
import { fit, widthOf } from './text-width.ts';
import { Tty } from './tty.ts';

export type TerminalChatOptions = {
  readonly client: ChatClient;
  readonly style: Style;
  /** Longest text of a message, in bytes of UTF-8. */
  readonly longest: number;
  /** First lines of the history: what this is and how to get help. */
  readonly greeting: readonly string[];
};

/** Rows for messages that wait to be acknowledged; of more, their number is shown. */
const mostUnsentRows = 3;
/** How long leaving waits for the last acknowledgements, unless the user will not. */
const leaveWithinMs = 30_000;

export class TerminalChat {
  readonly #client: ChatClient;
  readonly #style: Style;
  /** Bytes of UTF-8 in a message. */
  readonly #longest: number;
  readonly #view: HistoryView;
  readonly #names = new Names();
  readonly #company = new Company((member) => this.#names.label(member));
  readonly #newcomers = new Newcomers((member) => this.#printPresence(member, true));
  readonly #editor: LineEditor;
  readonly #tty: Tty;
  readonly #region: LiveRegion;
  readonly #done = Promise.withResolvers<number>();
  /** The user does not want to wait for the last acknowledgements. */
  readonly #leaveNow = Promise.withResolvers<void>();
  /** Texts on their way, oldest first; by the client's number once they have one. */
  readonly #unsent: { n: number | undefined; text: string }[] = [];
  /** What is to be printed above the region at the next drawing. */
  #above = '';
  /** The last message in `#above`; confirmed once it is on the screen. */
  #shownKey = 0;
  #drawing: NodeJS.Immediate | undefined;
  #state: ConnectionState = { phase: 'connecting', attempt: 1 };
  #retryAt = 0;
  #caughtUp = false;
  /** What was shown last of the room's past: nothing yet, what was read before, or what is new. */
  #shown: 'nothing' | 'old' | 'new' = 'nothing';
  #saidUnsupported = false;
  #leaving = false;
  #forgotten = false;
  /** The terminal is not ours any more. */
  #left = false;
  readonly #clock: NodeJS.Timeout;

  constructor(options: TerminalChatOptions) {
    this.#client = options.client;
    this.#style = options.style;
    this.#longest = options.longest;
    this.#editor = new LineEditor(options.longest);
    this.#view = new HistoryView(options.style, () => terminalSize(process.stdout).columns);
    this.#names.learn(this.#client.member, this.#client.name);
    for (const [member, name] of this.#client.knownMembers) this.#names.learn(member, name);
    this.#region = new LiveRegion(process.stdout);
    this.#tty = new Tty({
      key: (key) => this.#press(key),
      redraw: () => this.#draw(),
      gone: () => this.#done.resolve(exitCodeOf('SIGHUP')),
    });
    // The seconds until the next attempt to connect.
    this.#clock = setInterval(() => this.#state.phase === 'offline' && this.#drawSoon(), 1000);
    for (const line of options.greeting) this.#print(this.#view.notice(line));
    this.#listen();
  }

  /** Talks until the user leaves. @returns the exit code */
  async run(): Promise<number> {
    const stopListening = onEndSignal((signal: EndSignal) => this.#done.resolve(exitCodeOf(signal)));
    // Also before a crash is reported, so that its message stands on a line of its own.
    const giveBack = () => this.#giveBack();
    process.once('uncaughtExceptionMonitor', giveBack);
    try {
      const unsent = this.#client.unacknowledged;
      if (unsent > 0) this.#print(this.#view.notice(`From last time, ${count(unsent)} still to be sent.`));
      const { setAside } = this.#client;
      for (const draft of setAside) this.#wasSetAside(draft);
      if (setAside.length > 0) this.#print(this.#view.notice('/discard forgets what cannot be sent.'));
      this.#client.start();
      const code = await this.#done.promise;
      await this.#sendTheRest();
      return code;
    } finally {
      stopListening();
      process.off('uncaughtExceptionMonitor', giveBack);
      giveBack();
    }
  }

  /** Leaves the terminal as it was, with the history on it. */
  #giveBack(): void {
    if (this.#left) return;
    this.#draw();
    this.#left = true;
    clearInterval(this.#clock);
    this.#newcomers[Symbol.dispose]();
    const unsent = this.#client.unacknowledged;
    const kept = `${capital(count(unsent))} not sent yet. Kept here, and sent when you join again with this name.`;
    const lastWords = this.#forgotten ? 'The room is forgotten here.' : unsent === 0 ? '' : kept;
    this.#region.clear(lastWords === '' ? '' : this.#view.notice(lastWords));
    this.#tty[Symbol.dispose]();
  }

  #listen(): void {
    this.#client
      .on('message', (message) => this.#message(message))
      .on('ack', ({ n }) => this.#acknowledged(n))
      .on('company', () => {
        this.#company.list(this.#client.present.map(({ member }) => member));
        this.#drawSoon();
      })
      .on('presence', (presence) => this.#presence(presence))
      .on('introduction', ({ member, name }) => this.#learn(member, name))
      .on('warning', ({ text }) => this.#print(this.#view.warning(text)))
      .on('caughtUp', () => {
        this.#caughtUp = true;
        if (this.#shown === 'old') this.#print(this.#view.divider('nothing new'));
        this.#shown = 'new';
        // It fails only where the client does, which says so itself.
        this.#client.introduce().catch(() => {});
        this.#drawSoon();
      })
      .on('state', (state) => this.#stateChanged(state))
      .on('fatal', (error) => this.#done.reject(error));
    this.#client
      .on('setAside', (draft) => {
        this.#forgetUnsent(draft.text);
        this.#wasSetAside(draft);
      })
      .on('unsupported', ({ member, name, kind }) => {
        this.#learn(member, name);
        // Once: of a later version's messages there may be as many as it likes.
        if (this.#saidUnsupported || this.#client.hidden.has(member)) return;
        this.#saidUnsupported = true;
        const what = `${this.#names.label(member)} sent something (${displayLine(kind)})`;
        this.#print(
          this.#view.notice(`${what} that needs a newer version of skytale. More of it is passed over.`),
        );
      });
  }

  #message(message: ChatMessage): void {
    if (this.#shown === 'old' && !message.old) this.#print(this.#view.divider('new'));
    this.#shown = message.old ? 'old' : 'new';
    this.#learn(message.member, message.from);
    // The own message whose acknowledgement was lost with the connection comes as history.
    if (message.own && !message.old) this.#forgetUnsent(message.text);
    if (!this.#client.hidden.has(message.member)) {
      const label = this.#names.label(message.member);
      this.#print(this.#view.message(message.at, message.member, label, message.text));
    } else {
      this.#drawSoon();
    }
    if (!message.old) this.#shownKey = message.key;
  }

  #wasSetAside({ text, reason }: SetAside): void {
    this.#print(this.#view.warning(`Not sent: ${reason.message} It was:\n${text}`));
  }

  #forgetUnsent(text: string): void {
    const at = this.#unsent.findIndex((candidate) => candidate.text === text);
    if (at !== -1) this.#unsent.splice(at, 1);
  }

  #acknowledged(n: number): void {
    const at = this.#unsent.findIndex((candidate) => candidate.n === n);
    if (at === -1) return;
    const text = this.#unsent[at]!.text;
    this.#unsent.splice(at, 1);
    this.#print(this.#view.message(new Date(), this.#client.member, this.#ownLabel, text));
  }

  #learn(member: MemberId, name: string): void {
    if (this.#names.learn(member, name)) this.#company.relabel();
    this.#newcomers.settle(member);
    this.#drawSoon();
  }

  #presence({ member, present }: Presence): void {
    this.#company.set(member, present);
    if (present && !this.#names.knows(member)) {
      this.#newcomers.came(member);
      this.#drawSoon();
      return;
    }
    this.#newcomers.settle(member);
    this.#printPresence(member, present);
  }

  #printPresence(member: MemberId, present: boolean): void {
    if (this.#client.hidden.has(member)) return;
    const what = present ? '→ came:' : '← left:';
    this.#print(this.#view.notice(`${what} ${this.#names.label(member)}`));
  }

  #stateChanged(state: ConnectionState): void {
    this.#state = state;
    if (state.phase === 'offline') {
      this.#caughtUp = false;
      this.#retryAt = Date.now() + state.retryIn;
    }
    this.#drawSoon();
  }

  #press(key: Key): void {
    if (this.#leaving) {
      if (key.ctrl && key.name === 'c') this.#leaveNow.resolve();
      return;
    }
    const request = this.#editor.press(key);
    if (typeof request === 'object') {
      const message = `Not taken: with it the text has ${request.bytes} bytes, and a message has at most ${this.#longest}.`;
      this.#print(this.#view.warning(`${message} What stands in the line is as it was, and not sent.`));
      return;
    }
    switch (request) {
      case 'submit':
        this.#submit(this.#editor.take());
        break;
      case 'interrupt':
        this.#done.resolve(exitCodeOf('SIGINT'));
        break;
      case 'end':
        this.#done.resolve(0);
        break;
      case 'suspend':
        this.#region.clear();
        this.#tty.suspend();
        break;
      case 'clear-screen':
        this.#region.clearScreen();
        break;
    }
    this.#drawSoon();
  }

  #submit(line: string): void {
    if (line.trim() === '') return;
    if (line.startsWith('/') && !line.startsWith('//')) {
      this.#answer(line).catch(this.#done.reject);
      return;
    }
    this.#send(line.startsWith('//') ? line.slice(1) : line);
  }

  async #answer(line: string): Promise<void> {
    const { text, quit, forget } = await answer(line, this.#client, this.#names);
    for (const row of text) this.#print(this.#view.notice(row));
    if (forget) await this.#forget();
    if (quit || forget) this.#done.resolve(0);
  }

  async #forget(): Promise<void> {
    this.#leaving = true;
    this.#unsent.length = 0;
    await this.#client.forget();
    this.#forgotten = true;
  }

  #send(text: string): void {
    const entry: { n: number | undefined; text: string } = { n: undefined, text };
    this.#unsent.push(entry);
    this.#client.send(text).then(
      ({ n }) => {
        entry.n = n;
      },
      (error: ChatError) => {
        this.#unsent.splice(this.#unsent.indexOf(entry), 1);
        this.#print(this.#view.warning(`Not sent: ${error.message} Arrow up brings it back.`));
      },
    );
  }

  get #ownLabel(): string {
    return this.#names.label(this.#client.member);
  }

  #print(text: string): void {
    this.#above += text;
    this.#drawSoon();
  }

  /** However much happens in a turn of the event loop, it is drawn once. */
  #drawSoon(): void {
    this.#drawing ??= setImmediate(() => this.#draw());
  }

  #draw(): void {
    if (this.#left) return;
    clearImmediate(this.#drawing);
    this.#drawing = undefined;
    this.#region.draw(this.#above, this.#picture());
    this.#above = '';
    if (this.#shownKey > 0) this.#client.confirm(this.#shownKey);
    this.#shownKey = 0;
  }

  #picture(): Picture {
    const { columns, rows } = terminalSize(process.stdout);
    const width = Math.max(20, columns) - 1;
    const height = Math.max(1, Math.min(10, rows - mostUnsentRows - 3));
    const head = [...this.#unsentRows(width), this.#stateRow(width)];
    const prompt = `${fit(this.#client.name, 16)}> `;
    const layout = layoutInput(prompt, this.#editor.text, this.#editor.cursor, width, height);
    const paint = (row: string) =>
      row.startsWith(prompt) ? this.#view.name(this.#client.member, prompt) + row.slice(prompt.length) : row;
    return {
      rows: [...head, ...layout.rows.map(paint)],
      cursorRow: head.length + layout.cursorRow,
      beforeCursor: paint(layout.beforeCursor),
    };
  }

  #unsentRows(width: number): string[] {
    const shown = this.#unsent.slice(-mostUnsentRows);
    const rows = shown.map(({ text }) => {
      const [first = '', ...more] = displayText(text).replaceAll('\t', ' ').split('\n');
      const line = `not sent yet: ${first}${more.length > 0 ? ' …' : ''}`;
      return this.#style('yellow', fit(line, width));
    });
    const hidden = this.#unsent.length - shown.length;
    return hidden === 0 ? rows : [this.#style('yellow', `not sent yet: ${hidden} more`), ...rows];
  }

  #stateRow(width: number): string {
    const text = fit(`── ${this.#stateText(width)} `, width);
    const row = text + '─'.repeat(Math.max(0, width - widthOf(text)));
    return this.#style(this.#state.phase === 'online' ? 'dim' : 'yellow', row);
  }

  #stateText(width: number): string {
    const state = this.#state;
    switch (state.phase) {
      case 'connecting':
        return 'connecting …';
      case 'online':
        return this.#caughtUp
          ? `connected, ${this.#company.text(width)}`
          : 'connected, reading what was said …';
      case 'offline': {
        const seconds = Math.max(0, Math.ceil((this.#retryAt - Date.now()) / 1000));
        return `offline, trying again in ${seconds} s: ${displayText(state.reason.message)}`;
      }
      case 'closed':
        return 'closed';
    }
  }

  async #sendTheRest(): Promise<void> {
    this.#leaving = true;
    const { unacknowledged } = this.#client;
    if (this.#state.phase !== 'online' || unacknowledged === 0) return;
    const what = unacknowledged === 1 ? '1 message' : `${unacknowledged} messages`;
    const kept = `${unacknowledged === 1 ? 'it is' : 'they are'} kept and sent next time`;
    this.#print(this.#view.notice(`Leaving; waiting for ${what} (Ctrl-C again to leave now; ${kept}).`));
    const enough = new Promise((resolve) => setTimeout(resolve, leaveWithinMs).unref());
    await Promise.race([this.#client.flush().catch(() => {}), enough, this.#leaveNow.promise]);
  }
}

const count = (messages: number): string => (messages === 1 ? 'one message is' : `${messages} messages are`);
const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
