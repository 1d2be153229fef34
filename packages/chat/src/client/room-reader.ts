import { fromHex, toHex } from '../bytes.ts';
import { type ChatCrypto, PUBLIC_KEY_BYTES } from '../crypto.ts';
import { MessageError, type MessageErrorCode } from '../encryption/message-error.ts';
import type { StateChange as StateChangeOfCipher } from '../encryption/room-cipher.ts';
import type { Delivery, Transcript } from '../encryption/transcript.ts';
import type { Frame } from '../protocol/frames.ts';
import { ChatError, cryptoFailure } from './chat-error.ts';
import type { ChatMessage, MemberId, Warning } from './client-events.ts';
import type { InboxFrame, InboxReader, Outcome } from './inbox.ts';
import type { LocalHistory } from './local-history.ts';
import { type Joined, type Loss, lossOf } from './loss.ts';
import { News } from './news.ts';
import type { Outbox } from './outbox.ts';
import { OwnMessages } from './own-messages.ts';
import { PresenceList } from './presence-list.ts';
import { Questions } from './questions.ts';
import { ReadingPlace } from './reading-place.ts';
import type { SavedState, StateChange, StateStore } from './state-store.ts';
import { type ClientEvent, newsOf, Turn } from './turn.ts';

export type RoomReaderOptions = {
  readonly crypto: ChatCrypto;
  /** Of the room, by `genesisOf`. */
  readonly genesis: Uint8Array;
  /** One's own public key, and name. */
  readonly member: Uint8Array;
  readonly name: string;
  readonly store: StateStore;
  readonly saved: SavedState;
  /** Messages that an earlier process handed over, and that were not confirmed. */
  readonly handedOver: readonly ChatMessage[];
  readonly history: LocalHistory;
  readonly outbox: Outbox;
  readonly autoConfirm: boolean;
  /** As the user asked; see `ChatClientOptions`. */
  readonly since: number | undefined;
  readonly recent: number;
  /** Of the cipher. */
  readonly opensAgain: boolean;
  /** @returns false if a listener threw */
  readonly emit: (event: ClientEvent) => boolean;
  /** The last message of one's own that was ever sent to the server. */
  readonly published: () => number;
  /** Called when messages of one's own have become acknowledged. */
  readonly onAcknowledged: () => void;
  /** Called when one has come further than before. */
  readonly onProgress: () => void;
  /** The connection is to be given up, and made anew. */
  readonly onBroken: (reason: ChatError) => void;
};

/** Messages that are read from the history in one go. */
const HISTORY_PAGE = 256;

/** What somebody on the way can cause, and not the sender alone. */
const damage: readonly MessageErrorCode[] = ['FORGED', 'TAMPERED', 'MALFORMED'];

/**
 * Reads a room in its order: has each frame judged by who knows about it, and makes of it what the user is told.
 *
 * What is damaged or missing may be the network's doing. So at first the connection is made anew and the server asked
 * again; what comes the same way twice is taken to be what the server has.
 *
 * Even that may have been somebody on the way, and nothing proves a place in the room. So none is held on to when the server knows less
 * than one was told: the room is then read from its first message, to find what was missed.
 *
 * 1. `begin`, `read`, `leave` and `finish` MUST be called one after the other.
 * 2. Every place MUST be taken once, in order, or be passed over with a warning.
 * 3. What a turn changes MUST be stored before any of it is told (`finish`).
 */
export class RoomReader implements InboxReader {
  readonly #options: RoomReaderOptions;
  readonly #turn = new Turn();
  readonly #place: ReadingPlace;
  readonly #own: OwnMessages;
  readonly #questions: Questions;
  readonly #news: News;
  readonly #presence = new PresenceList((member, present) => this.#presenceChanged(member, present));
  /** Whether the server fell behind when one last joined. */
  #fellBehind = false;
  /** What the present connection said when one joined. */
  #joined: Joined = { head: 0, first: 1, lastN: 0 };
  /** The furthest that one was told to have come. */
  #furthest = 0;
  #ended = false;
  /** Waits until there is room for more that is not confirmed. */
  #onRoom: (() => void) | undefined;

  constructor(options: RoomReaderOptions) {
    const { crypto, genesis, saved, outbox, since, store } = options;
    this.#options = options;
    this.#place = new ReadingPlace({ crypto, genesis, saved, since });
    this.#questions = new Questions(crypto, this.#turn, options.onBroken);
    this.#own = new OwnMessages({
      ...options,
      place: this.#place,
      turn: this.#turn,
      statePath: store.path,
      outbox,
    });
    this.#news = new News({ ...options, place: this.#place, turn: this.#turn });
    this.#furthest = this.#place.seq;
  }

  /** The place to join at. */
  get since(): number {
    return this.#place.seq;
  }

  get transcript(): Transcript {
    return this.#place.transcript;
  }

  get place(): ReadingPlace {
    return this.#place;
  }

  get present(): Iterable<MemberId> {
    return this.#presence.members;
  }

  /** How many are present, as the server says, oneself included. */
  get presentCount(): number {
    return this.#presence.count;
  }

  get blocked(): boolean {
    return this.#ended || this.#news.isFull;
  }

  /**
   * Hands over what was read in earlier runs, as far as the user asked for it or has not confirmed it. All of it comes from the local
   * history.
   * @throws {ChatError} as `finish`, CHAT_STATE_CORRUPT, CHAT_STATE_NEWER
   */
  async start(): Promise<void> {
    const { since, recent, handedOver, history } = this.#options;
    if (since !== undefined) return await this.#replay(since);
    if (recent > 0)
      this.#news.recall(await history.before(handedOver[0]?.key ?? Number.MAX_SAFE_INTEGER, recent));
    this.#news.handOverAgain(handedOver);
    await this.finish();
  }

  /**
   * Begins a connection that has joined at `since`.
   * @throws {ChatError} CHAT_SERVER_FORGOT, CHAT_PROTOCOL_VIOLATION; another attempt follows, unless the first came before
   */
  async begin(joined: Joined): Promise<void> {
    const { head, first } = joined;
    const loss = await lossOf(joined, this.#place.reached, this.#options.outbox);
    if (loss !== undefined) throw await this.#startOver(loss);
    this.#fellBehind = false;
    if (first > head + 1) {
      throw new ChatError(
        'CHAT_PROTOCOL_VIOLATION',
        'The server breaks the protocol: JOINED contradicts itself.',
      );
    }
    this.#place.limit(head);
    this.#presence.begin();
    this.#joined = joined;
    if (first > this.#place.seq + 1) await this.#expire(first);
  }

  isKnown({ seq, member, n }: Delivery): boolean {
    return seq <= this.#place.seq && n <= (this.transcript.sender(member)?.n ?? 0);
  }

  async read(frame: InboxFrame, outcome: Outcome | undefined): Promise<boolean> {
    if (frame.type !== 'present') this.#presence.endList();
    switch (frame.type) {
      case 'present':
        if (this.#presence.list(frame.start, frame.members)) this.#turn.addOnce(['company']);
        return true;
      case 'presence':
        this.#presence.change(frame.member, frame.present);
        return true;
      case 'count':
        this.#presence.counted(frame.members);
        this.#turn.addOnce(['company']);
        return true;
      case 'live':
        return await this.#becomeLive(frame.seq);
      case 'ack':
        return await this.#acknowledged(frame);
      case 'deliver':
        return outcome === undefined ? this.#repeated(frame) : await this.#delivered(frame, outcome);
      case 'damaged':
        return this.#damaged(frame.first, frame.last);
    }
  }

  async leave(unread: readonly InboxFrame[]): Promise<void> {
    await this.#questions.leave(unread.filter((frame) => frame.type === 'deliver'));
  }

  /**
   * Stores what was read, and then tells the user.
   * @throws {ChatError} CHAT_STATE_UNUSABLE, CHAT_CRYPTO_FAILED
   */
  async finish(): Promise<void> {
    const { autoConfirm, outbox, emit, onAcknowledged, onProgress } = this.#options;
    const { events, changes } = this.#turn.take();
    await this.#store(changes);
    this.#place.stored();
    outbox.resume();
    // Up to the first message that a listener threw at: whether that was shown, nobody knows.
    const shownEvents: ClientEvent[] = [];
    let all = true;
    for (const event of events) {
      if (this.#ended) return;
      const returned = emit(event);
      all &&= returned || event[0] !== 'message';
      if (all) shownEvents.push(event);
    }
    const shown = newsOf(shownEvents).at(-1);
    if (autoConfirm && shown !== undefined) await this.confirm(shown.key);
    if (events.some(([name]) => name === 'ack')) onAcknowledged();
    const cameFurther = this.#place.seq > this.#furthest || events.some(([name]) => name === 'ack');
    this.#furthest = Math.max(this.#furthest, this.#place.seq);
    if (cameFurther) onProgress();
  }

  /** See `ChatClient.confirm`. The store tells of its failure itself. */
  async confirm(key: number): Promise<void> {
    const changes = this.#news.confirm(key);
    if (changes.length === 0) return;
    if (!this.#news.isFull) this.#onRoom?.();
    try {
      await this.#options.store.commit(changes, 'relaxed');
    } catch (error) {
      if (!(error instanceof ChatError)) throw error;
    }
  }

  end(): void {
    this.#ended = true;
    this.#onRoom?.();
  }

  /** Hands over what is kept of after the place `since`, as fast as it is confirmed. */
  async #replay(since: number): Promise<void> {
    const { history } = this.#options;
    if (since < Math.min(history.forgotten, this.#place.seq)) {
      const text = `Of the messages up to number ${history.forgotten}, which were read in earlier runs, nothing is kept here any more. A new member reads them from the server, as far as it has them.`;
      this.#turn.warn('NOT_KEPT', text);
    }
    for (let after = since; !this.#ended; ) {
      const page = await history.after(after, HISTORY_PAGE);
      this.#news.handOverAgain(page.filter(({ seq }) => seq > since));
      await this.finish();
      if (page.length === 0) return;
      after = page.at(-1)!.key;
      if (this.#news.isFull && !this.#ended) {
        await new Promise<void>((resolve) => {
          this.#onRoom = resolve;
        });
      }
    }
  }

  async #store(changes: readonly StateChange[]): Promise<void> {
    try {
      const all = [...changes, ...(await this.#takeChanges())];
      if (all.length > 0) await this.#options.store.commit(all, 'strict');
    } catch (error) {
      throw error instanceof ChatError ? error : cryptoFailure(error);
    }
  }

  /** What of the room and of one's own messages is to be stored: all that is known, or nothing but the history. */
  async #takeChanges(): Promise<StateChange[]> {
    const place = this.#place.takeChanges();
    const sent = this.#place.isStoring ? this.#options.outbox.takeChanges() : [];
    return [...place, ...sent, ...(await this.#news.takeChanges())];
  }

  /**
   * The first time that is said it may be a lie. The second time the room is read from its start, only what is new being shown; on
   * disk nothing changes until that is done.
   * @returns the reason to join anew
   */
  async #startOver(loss: Loss): Promise<ChatError> {
    const { outbox, store, opensAgain } = this.#options;
    const text = `The server has lost messages, or you were told of some that never were: ${loss.what}.`;
    if (!this.#fellBehind) {
      this.#fellBehind = true;
      return new ChatError('CHAT_SERVER_FORGOT', text);
    }
    // What is known so far is told and stored before it is taken back.
    await this.finish();
    if (!opensAgain || !(await outbox.takeBack(loss.stored))) {
      const advice = `It is too late to send yours again. Move ${store.path} away to enter the room as a new member.`;
      return new ChatError('CHAT_SERVER_FORGOT', `${text} ${advice}`);
    }
    this.#place.startOver();
    this.#turn.warn('SERVER_FORGOT', `${text} Reading all that it has, and sending again what it lacks.`);
    await this.finish();
    return new ChatError(
      'CHAT_PROTOCOL_VIOLATION',
      'Joining again, to read the room from its first message.',
    );
  }

  async #expire(first: number): Promise<void> {
    const expiry = this.transcript.expiry(first);
    if (!this.#believesHole(first - 1)) {
      const reason = this.#questions.asking(expiry, this.#place.seq);
      await this.finish();
      throw reason;
    }
    this.#report(expiry);
    this.transcript.expire(first);
    this.#place.skipped(this.transcript.senders);
    await this.finish();
  }

  async #becomeLive(seq: number): Promise<boolean> {
    if (seq < this.#place.seq || seq < this.#joined.head) {
      return this.#breakOff(`it calls ${seq} the end of the room`);
    }
    if (!this.#reach(seq + 1)) return false;
    const { outbox } = this.#options;
    const { lastN, lastHash } = this.#joined;
    if (outbox.settled < lastN) {
      // They may stand at places that were passed over, now or before.
      if (this.transcript.complete) return this.#breakOff('it keeps back messages of yours that it has');
      await this.#own.settleUnseen(lastN, lastHash, seq);
    }
    this.#place.becomeLive();
    this.#turn.add(['caughtUp', { seq }]);
    if (outbox.size === 0) this.#options.onProgress();
    return true;
  }

  /** Places that the server has and cannot give any more. */
  #damaged(first: number, last: number): boolean {
    const { seq } = this.#place;
    if (last <= seq) return true;
    if (!this.#reach(Math.max(first, seq + 1))) return false;
    const after = this.#place.seq;
    const which = after + 1 === last ? `message ${last}` : `the messages ${after + 1} to ${last}`;
    const text = `What the server has stored of ${which} of the room is damaged. Its owner can see that in its log.`;
    const warning: Warning = { code: 'DAMAGED', text, seq: last, member: undefined };
    return this.#passOver(last + 1, warning);
  }

  async #acknowledged(ack: Extract<Frame, { type: 'ack' }>): Promise<boolean> {
    const { n, seq } = ack;
    // "Had it before": its place was, or will be, where its DELIVER is.
    if (seq === 0) return true;
    if (n <= this.#options.outbox.settled) {
      const text = `The server acknowledged your message ${n} again.`;
      this.#report({ code: 'REPLAY', text, seq, member: undefined });
      return true;
    }
    if (seq <= this.#place.seq) return this.#breakOff(`it gives place ${seq} to two messages`);
    const { lastN, lastHash } = this.#joined;
    if (n === lastN + 1 && this.#options.outbox.settled < lastN) {
      // Those that the server had before may stand at places that are passed over; LIVE may still come.
      if (!this.#reach(seq)) return false;
      if (!this.transcript.complete) await this.#own.settleUnseen(lastN, lastHash, seq - 1);
    }
    const objection = await this.#own.objection(ack);
    if (objection !== undefined) return this.#breakOff(objection);
    if (!this.#reach(seq)) return false;
    await this.#own.acknowledged(ack);
    this.#place.advanced(this.#options.member);
    return true;
  }

  async #delivered(delivery: Delivery, outcome: Outcome): Promise<boolean> {
    const { seq, member } = delivery;
    const own = this.#own.is(member);
    if (seq <= this.#place.seq) return this.#repeated(delivery, outcome);
    if (!this.#reach(seq)) return false;
    const finding = own ? this.#own.judge(delivery, outcome) : undefined;
    if (finding === 'injected') return await this.#passOverInjected(delivery, outcome as MessageError);
    if (outcome instanceof MessageError) return await this.#refused(delivery, outcome);
    const after = seq - 1;
    const disorder = this.transcript.disorder(delivery, outcome.content);
    if (disorder !== undefined && (await this.#questions.askAbout(delivery, disorder, after))) return false;
    const { content, findings } = await this.transcript.take(delivery, outcome);
    const isDropped = disorder !== undefined && disorder.code !== 'MISSING';
    if (outcome.change !== undefined && !isDropped) this.#accept(outcome.change);
    for (const finding of findings) this.#turn.report(finding, after);
    const sent = finding && this.#own.take(delivery, outcome);
    if (content !== undefined) this.#news.tell(delivery, content, sent);
    this.#place.advanced(member);
    return true;
  }

  /** Until it is stored nothing is sealed: what that would store goes beyond what is accepted. */
  #accept(change: StateChangeOfCipher): void {
    this.#options.outbox.holdSealing();
    this.#turn.change({ kind: 'cipher', state: change.state });
    change.applied();
  }

  /** @param outcome if it was opened, since it can be a new one */
  #repeated(delivery: Delivery, outcome?: Outcome): boolean {
    const { seq, member } = delivery;
    const text = `The server delivered message ${seq} of the room again; it was dropped.`;
    this.#report({ code: 'REPLAY', text, seq, member: toHex(member) });
    if (outcome === undefined || outcome instanceof MessageError || this.isKnown(delivery)) return true;
    // One's own place is wrong, or this one.
    return this.#breakOff(`it gives place ${seq} to two messages`);
  }

  async #refused(delivery: Delivery, error: MessageError): Promise<boolean> {
    const finding = this.transcript.refusal(delivery, error);
    const after = delivery.seq - 1;
    const asks = damage.includes(error.code);
    if (asks && (await this.#questions.askAbout(delivery, finding, after))) return false;
    const { findings } = await this.transcript.take(delivery, error);
    for (const found of findings) this.#turn.report(found, after);
    this.#place.advanced(delivery.member);
    return true;
  }

  async #passOverInjected(delivery: Delivery, error: MessageError): Promise<boolean> {
    const warning = this.#own.injection(delivery);
    const after = delivery.seq - 1;
    if (await this.#questions.askAbout(delivery, warning, after)) return false;
    this.#turn.report(warning, after);
    await this.transcript.take(delivery, error);
    await this.#own.passOver(delivery);
    this.#place.advanced(delivery.member);
    return true;
  }

  /** Makes sure that the next place is `seq`. @returns false if the server is asked again instead */
  #reach(seq: number): boolean {
    if (seq === this.#place.seq + 1) return true;
    return this.#passOver(seq, this.transcript.hole(seq));
  }

  /** Goes to the place before `seq`, if it is believed that nothing is there. @returns false if the server is asked again instead */
  #passOver(seq: number, warning: Warning): boolean {
    if (!this.#believesHole(seq - 1)) {
      this.#questions.askAboutHole(warning, this.#place.seq);
      return false;
    }
    this.#report(warning);
    this.transcript.leaveOut(seq);
    this.#place.skipped([]);
    return true;
  }

  #believesHole(last: number): boolean {
    return this.#questions.believesHole(this.#place.seq, last, this.#joined.head);
  }

  #breakOff(what: string): false {
    this.#questions.breakOff(what);
    return false;
  }

  #report(warning: Warning): void {
    this.#turn.report(warning, this.#place.seq);
  }

  #presenceChanged(member: MemberId, present: boolean): void {
    if (member === toHex(this.#options.member)) return;
    const name = this.transcript.sender(fromHex(member, PUBLIC_KEY_BYTES)!)?.name;
    this.#turn.add(['presence', { member, name, present }]);
  }
}
