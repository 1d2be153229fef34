import { equalBytes, toHex } from '../bytes.ts';
import type { ChatCrypto } from '../crypto.ts';
import { MessageError } from '../encryption/message-error.ts';
import type { OpenedMessage } from '../encryption/room-cipher.ts';
import type { Delivery } from '../encryption/transcript.ts';
import type { Frame } from '../protocol/frames.ts';
import { ChatError } from './chat-error.ts';
import type { Warning } from './client-events.ts';
import type { Entry } from './draft-book.ts';
import type { LocalHistory } from './local-history.ts';
import type { Outbox } from './outbox.ts';
import type { ReadingPlace } from './reading-place.ts';
import type { Turn } from './turn.ts';

type Ack = Extract<Frame, { type: 'ack' }>;

export type OwnMessagesOptions = {
  /** One's own public key, and name. */
  readonly member: Uint8Array;
  readonly name: string;
  readonly crypto: ChatCrypto;
  readonly outbox: Outbox;
  readonly place: ReadingPlace;
  readonly turn: Turn;
  readonly history: LocalHistory;
  /** Where the state is, for messages to people. */
  readonly statePath: string;
  /** The last message of one's own that was ever sent to the server. */
  readonly published: () => number;
};

/** A draft that has its place, with the key that it has in the history. */
type Sent = { readonly draft: number; readonly key: number };

/** Of a message of one's own that was delivered. */
export type Taken = {
  /** Whether it was written by an earlier process. */
  readonly isEarlier: boolean;
  /** Its key, if it was not known before to be sent: then it is kept. */
  readonly key: number | undefined;
};

/** What stands under one's own number: what one sent, something else, or what an earlier version of one's state sent. */
export type Finding = 'mine' | 'injected' | 'settled';

/**
 * One's own messages as the server tells of them.
 *
 * 1. Nothing MUST be taken for sent but what the server has bit for bit, or what one's own key has signed.
 * 2. Something under one's own number that one's own key did not sign proves nothing: anybody on the way can put it there. It MUST
 *    be passed over, and uses up the number only if that is the next one.
 * 3. Something that one's own key has signed and that one does not know proves that there is another with the same state; one
 *    MUST stop.
 */
export class OwnMessages {
  readonly #options: OwnMessagesOptions;
  /** Drafts up to it are of earlier processes. */
  readonly #earlier: number;
  /** Numbers up to it had their places before this process. */
  readonly #settledEarlier: number;

  constructor(options: OwnMessagesOptions) {
    this.#options = options;
    this.#earlier = options.outbox.lastDraft;
    this.#settledEarlier = options.outbox.settled;
  }

  is(member: Uint8Array): boolean {
    return equalBytes(member, this.#options.member);
  }

  /**
   * What is wrong with an ACK that gives a place to a message; `undefined` if that can be its place.
   * @param ack whose n is not settled
   */
  async objection({ n, hash }: Ack): Promise<string | undefined> {
    const { outbox, published, crypto } = this.#options;
    const envelope = outbox.envelope(n);
    if (envelope === undefined || n !== outbox.settled + 1 || n > published()) {
      return `it acknowledged message ${n}, which you did not send`;
    }
    if (hash === undefined || equalBytes(hash, await crypto.sha256(envelope))) return undefined;
    return `it stored something else as your message ${n}`;
  }

  /** Takes one's own message at the next place, by its ACK. */
  async acknowledged({ n, seq }: Ack): Promise<void> {
    const { outbox, place, member, name } = this.#options;
    const envelope = outbox.envelope(n);
    if (envelope === undefined) throw new RangeError(`message ${n} is not sealed`);
    await place.transcript.takeOwn({ seq, member, n, envelope }, name);
    this.settle(n, seq);
  }

  /**
   * What a message is that is delivered as one's own.
   * @throws {ChatError} CHAT_STATE_OUTDATED if another has sent it with one's own key
   */
  judge({ n, envelope }: Delivery, outcome: OpenedMessage | MessageError): Finding {
    const { outbox } = this.#options;
    if (outbox.isSealedAs(n, envelope)) return 'mine';
    if (outcome instanceof MessageError && !isSigned(outcome)) return 'injected';
    const content = outcome instanceof MessageError ? undefined : outcome.content;
    // A server stores one message under a number: what comes under one that has its place is an old one, or a lie.
    if (n <= outbox.settled) return 'settled';
    if (outbox.draftWithId(content?.id) !== undefined) return 'mine';
    throw this.#outdated();
  }

  /** What to say of something that is injected. */
  injection({ seq, member, n }: Pick<Delivery, 'seq' | 'member' | 'n'>): Warning {
    const sent = this.#options.outbox.envelope(n) !== undefined;
    const what = `Somebody has put something under the number ${n} of your messages, which nobody accepts`;
    const text = sent ? `${what}. Your message is sent again under another number.` : `${what}.`;
    return { code: 'INJECTED', text, seq, member: toHex(member) };
  }

  /** After the transcript passed over something that is injected. */
  async passOver({ n }: Delivery): Promise<void> {
    const { outbox, place, turn, member, name } = this.#options;
    if (n !== outbox.settled + 1) return;
    turn.change(...(await outbox.displace(n)));
    place.transcript.learn({ member, n, name, mayJump: false });
  }

  /** After the transcript took a message that is mine. */
  take({ n, seq }: Delivery, outcome: OpenedMessage | MessageError): Taken {
    const { outbox, turn } = this.#options;
    const id = outcome instanceof MessageError ? undefined : outcome.content.id;
    const draft = outbox.draftWithId(id);
    const sent = n > outbox.settled ? this.settle(n, seq) : [];
    if (draft !== undefined && !sent.some((other) => other.draft === draft)) {
      const found = outbox.sentAfterAll(draft);
      if (found !== undefined) {
        turn.change(...found.changes);
        sent.push(this.#sent(found.entry, seq));
      }
    }
    const last = sent.at(-1);
    const written = last?.draft ?? draft;
    return {
      isEarlier: written === undefined ? n <= this.#settledEarlier : written <= this.#earlier,
      key: last?.key,
    };
  }

  /** Own messages up to `n` have their places, of which one is known. @returns what is sent by that, in order */
  settle(n: number, seq: number): Sent[] {
    return this.#options.outbox.settle(n).map((entry) => this.#sent(entry, seq));
  }

  #sent({ draft, content, hadPlace }: Entry, seq: number): Sent {
    const { history, turn, member } = this.#options;
    const key = history.nextKey(seq);
    if (content.kind === 'text' && !hadPlace) {
      const { name: from, text, at } = content;
      const marks = { own: true, again: false, old: false };
      history.keep({ key, seq, from, member: toHex(member), text, at: new Date(at), ...marks });
    }
    turn.add(['ack', { n: draft, seq, key }]);
    return { draft, key };
  }

  /**
   * The server has messages up to `n`, at places that cannot be read any more.
   * @param hash of what it has as `n`, if it says so: then one knows whether that is what one sent
   */
  async settleUnseen(n: number, hash: Uint8Array | undefined, seq: number): Promise<void> {
    const { outbox, place, member, name, turn } = this.#options;
    const isMine = hash === undefined || (await outbox.isSealedWithHash(n, hash));
    this.settle(isMine ? n : n - 1, seq);
    if (!isMine) {
      turn.add(['warning', this.injection({ seq, member, n })]);
      turn.change(...(await outbox.displace(n)));
    }
    place.transcript.learn({ member, n, name, mayJump: false });
    place.advanced(member);
  }

  #outdated(): ChatError {
    const { statePath, outbox } = this.#options;
    return new ChatError(
      'CHAT_STATE_OUTDATED',
      `The room has a message of yours that ${statePath} does not know: the file is an old copy, or is used elsewhere too. ${unsentText(outbox)}Move it away to enter the room as a new member.`,
    );
  }
}

/** What the user has to know of an outbox that is given up. */
export function unsentText({ size }: Outbox): string {
  if (size === 0) return '';
  return `${size === 1 ? 'One message in it was' : `${size} messages in it were`} not sent. `;
}

/** Whether one's own key must have signed what could not be opened. */
function isSigned({ code }: MessageError): boolean {
  return code !== 'FORGED' && code !== 'MALFORMED';
}
