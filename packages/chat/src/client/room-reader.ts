import { equalBytes, toHex } from '../bytes.ts';
import type { ChatCrypto } from '../crypto.ts';
import type { TextContent } from '../encryption/content.ts';
import type { Finding } from '../encryption/finding.ts';
import { MessageError, type MessageErrorCode } from '../encryption/message-error.ts';
import type { Delivery, Sender, Transcript } from '../encryption/transcript.ts';
import { Announcements, type ClientEvent, lastNews } from './announcements.ts';
import { ChatError } from './chat-error.ts';
import type { ChatMessage, MemberId } from './client-events.ts';
import { Doubts } from './doubts.ts';
import type { InboxFrame, InboxReader, Outcome } from './inbox.ts';
import type { Outbox } from './outbox.ts';
import { PresenceList } from './presence-list.ts';
import { ReadingPlace } from './reading-place.ts';
import { RecentHistory } from './recent-history.ts';
import type { StateStore } from './state-store.ts';

export type RoomReaderOptions = {
  readonly crypto: ChatCrypto;
  /** Where the room's history begins, by `genesisOf`. */
  readonly genesis: Uint8Array;
  /** One's own public key, and name. */
  readonly member: Uint8Array;
  readonly name: string;
  readonly store: StateStore;
  readonly outbox: Outbox;
  readonly autoConfirm: boolean;
  /** As the user asked; see `ChatClientOptions`. */
  readonly since: number | undefined;
  readonly recent: number;
  readonly emit: (event: ClientEvent) => void;
  /** The last message of one's own that was ever sent to the server. */
  readonly published: () => number;
  /** Called when messages of one's own have become acknowledged. */
  readonly onAcknowledged: () => void;
  /** The connection is to be given up, and made anew. */
  readonly onBroken: (reason: ChatError) => void;
};

/** Of the answer to JOIN: the end of the room, its first message, and the last that one sent oneself. */
export type Joined = { readonly head: number; readonly first: number; readonly lastN: number };

/** What somebody on the way can cause, and not the sender alone. */
const damage: readonly MessageErrorCode[] = ['FORGED', 'TAMPERED', 'MALFORMED'];

/**
 * Reads a room in its order: checks each frame against the transcript, and makes of it what the user is told.
 *
 * What is damaged or missing may be the network's doing. So at first the connection is made anew and the server asked
 * again; what comes the same way twice is taken to be what the server has.
 *
 * Even that may have been somebody on the way, and nothing proves a place in the room. So none is held on to when the server knows less
 * than one was told: the room is then read from its first message, to find what was missed.
 */
export class RoomReader implements InboxReader {
  readonly #options: RoomReaderOptions;
  readonly #place: ReadingPlace;
  /** One's own messages up to it were sent by earlier processes. */
  readonly #earlier: number;
  readonly #recent: RecentHistory;
  readonly #presence = new PresenceList((member, present) => this.#presenceChanged(member, present));
  readonly #doubts: Doubts;
  readonly #announcements = new Announcements();
  /** Whether the server fell behind when one last joined. */
  #fellBehind = false;
  /** Of the present connection: where the room ended when one joined, and whether messages before it are gone. */
  #joined = { head: 0, lastN: 0, expired: false };
  #ended = false;

  constructor(options: RoomReaderOptions) {
    const { crypto, genesis, store, outbox, recent, since } = options;
    this.#options = options;
    this.#doubts = new Doubts(crypto);
    this.#place = new ReadingPlace(crypto, genesis, store, since);
    this.#earlier = outbox.last;
    this.#recent = new RecentHistory(this.#place.seq, since === undefined ? recent : 0);
  }

  /** The place to join at. */
  get since(): number {
    return this.#recent.since ?? this.#place.seq;
  }

  get transcript(): Transcript {
    return this.#place.transcript;
  }

  get present(): Iterable<MemberId> {
    return this.#presence.members;
  }

  get blocked(): boolean {
    return this.#ended || this.#place.isBehind;
  }

  /**
   * Begins a connection that has joined at `since`.
   * @throws {ChatError} CHAT_SERVER_FORGOT, CHAT_PROTOCOL_VIOLATION; another attempt follows, unless the first came before
   */
  begin({ head, first, lastN }: Joined): void {
    const { outbox } = this.#options;
    const lost = this.#lost(head, lastN);
    if (lost !== undefined) throw this.#startOver(lost, lastN);
    this.#fellBehind = false;
    if (first > head + 1) {
      throw new ChatError(
        'CHAT_PROTOCOL_VIOLATION',
        'The server breaks the protocol: JOINED contradicts itself.',
      );
    }
    // What was acknowledged, taken back, and is there after all.
    outbox.acknowledge(Math.min(lastN, outbox.settled));
    outbox.endFlushes();
    this.#place.limit(head);
    this.#presence.begin();
    const expired = first > this.#place.seq + 1;
    this.#joined = { head, lastN, expired };
    if (expired) this.#expire(first);
  }

  async read(frame: InboxFrame, outcome: Outcome | undefined): Promise<boolean> {
    if (frame.type !== 'present') this.#presence.endList();
    switch (frame.type) {
      case 'present':
        if (this.#presence.list(frame.start, frame.members)) this.#announcements.addOnce(['company']);
        return true;
      case 'presence':
        this.#presence.change(frame.member, frame.present);
        return true;
      case 'live':
        return this.#becomeLive(frame.seq);
      case 'ack':
        return await this.#acknowledged(frame.n, frame.seq);
      case 'deliver':
        return await this.#delivered(frame, outcome!);
    }
  }

  async leave(unread: readonly InboxFrame[]): Promise<void> {
    await this.#doubts.note(unread.filter((frame) => frame.type === 'deliver'));
  }

  /** Tells the user what was read. @throws {ChatError} CHAT_STATE_UNUSABLE */
  finish(): void {
    const events = this.#announcements.take();
    const news = lastNews(events);
    if (news > 0) this.#options.store.handOver(news);
    let told = 0;
    for (const event of events) {
      if (this.#ended) break;
      this.#options.emit(event);
      told += 1;
    }
    this.#place.confirm(this.#options.autoConfirm ? lastNews(events.slice(0, told)) : 0);
    this.#options.outbox.endFlushes();
    if (events.some(([name]) => name === 'ack')) this.#options.onAcknowledged();
  }

  /** See `ChatClient.confirm`. @throws {ChatError} CHAT_STATE_UNUSABLE */
  confirm(seq: number): void {
    this.#place.confirm(seq);
  }

  end(): void {
    this.#ended = true;
  }

  /** What the server should have by all that it told, and does not have. */
  #lost(head: number, lastN: number): string | undefined {
    const { acknowledged } = this.#options.outbox;
    const { reached } = this.#place;
    if (head < reached) return `its last one is number ${head}, and you have read up to ${reached}`;
    if (lastN < acknowledged) return `it acknowledged ${acknowledged} of yours, and has ${lastN}`;
    return undefined;
  }

  /**
   * The first time that is said it may be a lie. The second time the room is read from its start, only what is new being shown; on
   * disk nothing changes until that is done.
   * @returns the reason to join anew
   */
  #startOver(lost: string, lastN: number): ChatError {
    const { outbox, store } = this.#options;
    const text = `The server has lost messages, or you were told of some that never were: ${lost}.`;
    if (!this.#fellBehind) {
      this.#fellBehind = true;
      return new ChatError('CHAT_SERVER_FORGOT', text);
    }
    if (!outbox.takeBack(lastN)) {
      const advice = `It is too late to send yours again. Move ${store.path} away to enter the room as a new member.`;
      return new ChatError('CHAT_SERVER_FORGOT', `${text} ${advice}`);
    }
    this.#place.startOver();
    this.#recent.end();
    this.#announcements.warn(
      'SERVER_FORGOT',
      `${text} Reading all that it has, and sending again what it lacks.`,
    );
    this.finish();
    return new ChatError(
      'CHAT_PROTOCOL_VIOLATION',
      'Joining again, to read the room from its first message.',
    );
  }

  #expire(first: number): void {
    const expiry = this.transcript.expiry(first);
    if (!this.#confirmHole(first - 1)) {
      const reason = this.#ask(expiry);
      this.finish();
      throw reason;
    }
    this.#report(expiry);
    this.transcript.expire(first);
    this.#skipped(this.transcript.senders);
    this.finish();
  }

  #becomeLive(seq: number): boolean {
    if (seq < this.#place.seq || seq < this.#joined.head) {
      return this.#breakOff(`it calls ${seq} the end of the room`);
    }
    if (!this.#reach(seq + 1)) return false;
    const { outbox } = this.#options;
    const { lastN, expired } = this.#joined;
    if (outbox.acknowledged < Math.min(lastN, outbox.last)) {
      if (!expired) return this.#breakOff('it keeps back messages of yours that it has');
      outbox.acknowledge(lastN);
      this.#skipped([]);
    }
    this.#recent.end();
    this.#place.becomeLive(outbox.acknowledged);
    this.#announcements.add(['caughtUp', { seq }]);
    return true;
  }

  async #acknowledged(n: number, seq: number): Promise<boolean> {
    // "Had it before": its place was, or will be, where its DELIVER is.
    if (seq === 0) return true;
    const { outbox, member, name, published } = this.#options;
    if (n <= outbox.acknowledged) {
      const text = `The server acknowledged your message ${n} again.`;
      this.#report({ code: 'REPLAY', text, seq, member: undefined });
      return true;
    }
    if (seq <= this.#place.seq) return this.#breakOff(`it gives place ${seq} to two messages`);
    const envelope = outbox.envelope(n);
    if (envelope === undefined || n !== outbox.acknowledged + 1 || n > published()) {
      return this.#breakOff(`it acknowledged message ${n}, which is not the next`);
    }
    if (!this.#reach(seq)) return false;
    await this.transcript.takeOwn({ seq, member, n, envelope }, name);
    this.#settle(n, seq);
    this.#advanced(member);
    return true;
  }

  async #delivered(delivery: Delivery, outcome: Outcome): Promise<boolean> {
    const { seq, member, n } = delivery;
    const own = equalBytes(member, this.#options.member);
    if (this.#recent.includes(seq)) return this.#recall(delivery, outcome, own);
    if (seq <= this.#place.seq) return this.#repeated(delivery, outcome);
    if (!this.#reach(seq)) return false;
    if (outcome instanceof MessageError) return await this.#refused(delivery, outcome, own);
    if (own) this.#checkOwn(delivery);
    const disorder = this.transcript.disorder(delivery, outcome.content);
    if (disorder !== undefined && (await this.#askAgain(disorder, delivery))) return false;
    const { content, findings } = await this.transcript.take(delivery, outcome);
    for (const finding of findings) this.#report(finding, seq - 1);
    if (content !== undefined && own && this.#options.outbox.envelope(n) !== undefined) this.#settle(n, seq);
    const shown = content?.kind === 'text' && this.#isToBeShown(delivery, own);
    if (shown) {
      this.#show(delivery, content, { own, again: this.#place.wasHandedOver(seq), old: false });
    } else if (content?.kind === 'name' && !own) {
      this.#announcements.add(['introduction', { member: toHex(member), name: content.name }]);
    }
    this.#advanced(member, shown ? delivery.envelope.length : undefined);
    return true;
  }

  #isToBeShown(delivery: Delivery, own: boolean): boolean {
    const { seq, n } = delivery;
    const asked = seq > (this.#options.since ?? 0) && (!own || n <= this.#earlier);
    return asked && !this.#place.wasRead(delivery);
  }

  /** A message at a place where another run has been. */
  #recall(delivery: Delivery, outcome: Outcome, own: boolean): boolean {
    const fits = this.#recent.take(delivery, this.transcript.sender(delivery.member)?.n ?? 0);
    if (outcome instanceof MessageError) this.#report(this.transcript.refusal(delivery, outcome));
    else if (!fits) this.#reportRepetition(delivery);
    else if (outcome.content.kind === 'text')
      this.#show(delivery, outcome.content, { own, again: false, old: true });
    return true;
  }

  #repeated(delivery: Delivery, outcome: Outcome): boolean {
    this.#reportRepetition(delivery);
    const isNew = delivery.n > (this.transcript.sender(delivery.member)?.n ?? 0);
    if (outcome instanceof MessageError || !isNew) return true;
    // One's own place is wrong, or this one.
    return this.#breakOff(`it gives place ${delivery.seq} to two messages`);
  }

  #reportRepetition({ seq, member }: Delivery): void {
    const text = `The server delivered message ${seq} of the room again; it was dropped.`;
    this.#report({ code: 'REPLAY', text, seq, member: toHex(member) });
  }

  async #refused(delivery: Delivery, error: MessageError, own: boolean): Promise<boolean> {
    const finding = own ? altered(delivery) : this.transcript.refusal(delivery, error);
    if (damage.includes(error.code) && (await this.#askAgain(finding, delivery))) return false;
    this.#report(finding);
    await this.transcript.take(delivery, error);
    if (own) this.#giveUp(delivery);
    this.#advanced(delivery.member);
    return true;
  }

  /** The server takes the message for stored, and would not take it again. */
  #giveUp({ member, n }: Delivery): void {
    const { outbox, name } = this.#options;
    if (n !== outbox.acknowledged + 1 || outbox.envelope(n) === undefined) return;
    outbox.acknowledge(n);
    this.transcript.learn({ member, n, name, mayJump: false });
  }

  /** What one has signed oneself one must know, unless another program signs in one's name. */
  #checkOwn({ n, envelope }: Delivery): void {
    const { outbox, store } = this.#options;
    const known = outbox.envelope(n);
    if (n <= outbox.last && (known === undefined || equalBytes(known, envelope))) return;
    throw new ChatError(
      'CHAT_STATE_OUTDATED',
      `The room has a message of yours that ${store.path} does not know: the file is an old copy, or is used elsewhere too. Move it away to enter the room as a new member.`,
    );
  }

  #settle(n: number, seq: number): void {
    this.#options.outbox.acknowledge(n);
    this.#announcements.add(['ack', { n, seq }]);
  }

  #show(
    { seq, member }: Delivery,
    { name, text, at }: TextContent,
    marks: Pick<ChatMessage, 'own' | 'again' | 'old'>,
  ): void {
    const message = { seq, from: name, member: toHex(member), text, at: new Date(at), ...marks };
    this.#announcements.add(['message', message]);
  }

  /** Makes sure that the next place is `seq`. @returns false if the server is asked again instead */
  #reach(seq: number): boolean {
    if (seq === this.#place.seq + 1) return true;
    const hole = this.transcript.hole(seq);
    if (!this.#confirmHole(seq - 1)) {
      this.#options.onBroken(this.#ask(hole));
      return false;
    }
    this.#report(hole);
    this.transcript.leaveOut(seq);
    this.#skipped([]);
    return true;
  }

  /**
   * Whether to believe that nothing is to be had up to the place `last`: no further than two connections, one after the
   * other, told of messages when one joined.
   */
  #confirmHole(last: number): boolean {
    const { head } = this.#joined;
    const { seq } = this.#place;
    if (last <= head && this.#doubts.confirmHole(seq, last)) return true;
    this.#doubts.noteHole(seq, head);
    return false;
  }

  /** After the transcript took a message of `member`; `bytes` of it, if the user is to confirm it. */
  #advanced(member: Uint8Array, bytes?: number): void {
    const { acknowledged } = this.#options.outbox;
    const finding = this.#place.advance(member, acknowledged, bytes);
    if (finding !== undefined) this.#report(finding);
  }

  /** After the transcript went to a place without a message. */
  #skipped(senders: Iterable<Sender>): void {
    const finding = this.#place.note(senders, this.#options.outbox.acknowledged);
    if (finding !== undefined) this.#report(finding);
  }

  /** @returns false if the server has answered already: it sent the same on the connection before */
  async #askAgain(finding: Finding, delivery: Delivery): Promise<boolean> {
    if (await this.#doubts.confirm(delivery)) return false;
    this.#options.onBroken(this.#ask(finding));
    return true;
  }

  #ask(finding: Finding): ChatError {
    this.#announcements.reportAndAsk(finding, this.#place.seq);
    const text = 'What the server sent is damaged or incomplete; asking it again.';
    return new ChatError('CHAT_PROTOCOL_VIOLATION', text);
  }

  #breakOff(what: string): false {
    const text = `The server breaks the protocol: ${what}.`;
    this.#announcements.warn('PROTOCOL_VIOLATION', text);
    this.#options.onBroken(new ChatError('CHAT_PROTOCOL_VIOLATION', text));
    return false;
  }

  /** @param after the place before it */
  #report(finding: Finding, after = this.#place.seq): void {
    this.#announcements.report(finding, after);
  }

  #presenceChanged(member: MemberId, present: boolean): void {
    if (member === toHex(this.#options.member)) return;
    const name = this.transcript.sender(Buffer.from(member, 'hex'))?.name;
    this.#announcements.add(['presence', { member, name, present }]);
  }
}

function altered({ seq, member, n }: Delivery): Finding {
  const text = `The server has your message ${n} in another form than you sent it; nobody accepts it.`;
  return { code: 'OWN_MESSAGE_ALTERED', text, seq, member: toHex(member) };
}
