import { NamesInUse } from '../names/look-alikes.ts';
import { toHex } from './bytes.ts';
import { Chain } from './chain.ts';
import type { Content } from './content.ts';
import type { ChainPosition } from './envelope.ts';
import { countMessages, describeMember, type Finding, type FindingCode } from './finding.ts';
import { MessageError } from './message-error.ts';
import type { OpenedMessage } from './room-cipher.ts';

/** What is known of a member. */
export type Sender = {
  readonly member: Uint8Array;
  /** The number of its last verified message. */
  readonly n: number;
  /** The name in it. */
  readonly name: string;
  /** Old messages of its may have been deleted since: the next number may be more than `n` + 1. */
  readonly mayJump: boolean;
};

/** A transcript as it is kept on disk. */
export type SavedTranscript = {
  readonly seq: number;
  /** The chain's hash at `seq`; `undefined` if it is not known. */
  readonly hash: Uint8Array | undefined;
  /** Whether every message from the first on was seen, so that new members must begin at number 1. */
  readonly complete: boolean;
  readonly senders: readonly Sender[];
};

/** A message at its place, as the server delivered it. */
export type Delivery = {
  readonly seq: number;
  readonly member: Uint8Array;
  readonly n: number;
  readonly envelope: Uint8Array;
};

/** What became of a delivery: its content, unless it was dropped, and what was noticed. */
export type Verdict = { readonly content: Content | undefined; readonly findings: readonly Finding[] };

/** Of numbers that are missing, for each sender; to tell a late message from a repeated one. */
const REMEMBERED_GAPS = 16;

type SenderState = Sender & {
  /** Ranges of numbers that never came, oldest first. */
  readonly gaps: readonly { readonly from: number; readonly to: number }[];
  /** Its view of the history differed when it last spoke. */
  readonly diverged: boolean;
};

/**
 * What a client knows of a room's order, and checks all that comes against: places without holes, numbers
 * of each sender without holes, one history for all. It trusts nobody: the server chooses what is delivered where.
 */
export class Transcript {
  readonly #chain: Chain;
  #complete: boolean;
  readonly #senders = new Map<string, SenderState>();
  readonly #names = new NamesInUse<string>();

  constructor(roomId: Uint8Array, saved: SavedTranscript = Transcript.startingAt(0)) {
    this.#chain = new Chain(roomId, saved.seq, saved.hash);
    this.#complete = saved.complete;
    for (const sender of saved.senders) this.learn(sender);
  }

  /** One that knows nothing of the messages up to `seq`. */
  static startingAt(seq: number): SavedTranscript {
    return { seq, hash: undefined, complete: seq === 0, senders: [] };
  }

  /** The place of the last message. */
  get seq(): number {
    return this.#chain.seq;
  }

  get hash(): Uint8Array | undefined {
    return this.#chain.hash;
  }

  get complete(): boolean {
    return this.#complete;
  }

  /** To be told to others in one's next message. */
  get position(): ChainPosition {
    return this.#chain.position;
  }

  get senders(): Iterable<Sender> {
    return this.#senders.values();
  }

  sender(member: Uint8Array): Sender | undefined {
    return this.#senders.get(toHex(member));
  }

  /** Knows a sender from elsewhere than this transcript. */
  learn(sender: Sender): void {
    this.#know({ ...sender, gaps: [], diverged: false });
  }

  /**
   * Takes the message at the next place.
   * @param outcome what `RoomCipher.open` gave for it
   * @throws {RangeError} if its place is not the next
   */
  take(delivery: Delivery, outcome: OpenedMessage | MessageError): Verdict {
    const { seq, member, n, envelope } = delivery;
    if (seq !== this.seq + 1) throw new RangeError(`place ${seq} does not follow ${this.seq}`);
    const verdict =
      outcome instanceof MessageError
        ? { content: undefined, findings: [this.refusal(delivery, outcome)] }
        : this.#judge(delivery, outcome);
    this.#chain.append(member, n, envelope);
    return verdict;
  }

  /**
   * Takes one's own message at the next place, of whose content one is sure.
   * @throws {RangeError} as `take`
   */
  takeOwn(delivery: Delivery, name: string): void {
    const { seq, member, n, envelope } = delivery;
    if (seq !== this.seq + 1) throw new RangeError(`place ${seq} does not follow ${this.seq}`);
    this.learn({ member, n, name, mayJump: false });
    this.#chain.append(member, n, envelope);
  }

  /** Accepts that the server does not hand out what is before `seq`. */
  leaveOut(seq: number): Finding {
    const finding = this.hole(seq);
    this.#chain.skipTo(seq - 1);
    this.#complete = false;
    return finding;
  }

  /** What to say of a message at `seq` that is not the next. */
  hole(seq: number): Finding {
    const from = this.seq + 1;
    const which = from === seq - 1 ? `message ${from}` : `the messages ${from} to ${seq - 1}`;
    return { code: 'LEFT_OUT', text: `The server left out ${which} of the room.`, seq, member: undefined };
  }

  /** Accepts that the server keeps nothing before `first` any more. */
  expire(first: number): Finding {
    const finding = this.expiry(first);
    this.#chain.skipTo(first - 1);
    this.#complete = false;
    for (const [id, state] of this.#senders) this.#senders.set(id, { ...state, mayJump: true });
    return finding;
  }

  /** What to say of a server that keeps nothing before `first`, which is not the next. */
  expiry(first: number): Finding {
    const text = `The server has already deleted the messages ${this.seq + 1} to ${first - 1} of the room.`;
    return { code: 'EXPIRED', text, seq: first, member: undefined };
  }

  /** What to say of a message that could not be opened. */
  refusal(delivery: Delivery, error: MessageError): Finding {
    const who = describeMember(delivery.member, this.sender(delivery.member)?.name);
    return finding(
      delivery,
      error.code,
      `A message that claims to be from ${who} was dropped: ${error.message}.`,
    );
  }

  /** What to say of the number of a verified message, if it is not the sender's next one. */
  disorder(delivery: Delivery, name: string): Finding | undefined {
    const known = this.#senders.get(toHex(delivery.member));
    const who = describeMember(delivery.member, name);
    if (known !== undefined && delivery.n <= known.n) {
      const late = known.gaps.some(({ from, to }) => from <= delivery.n && delivery.n <= to);
      return late
        ? finding(
            delivery,
            'REORDERED',
            `A message from ${who} came after later ones of theirs, and was dropped.`,
          )
        : finding(delivery, 'REPLAY', `An old message from ${who} was played again, and was dropped.`);
    }
    const count = this.#skipped(delivery.n, known);
    if (count === 0) return undefined;
    const verb = count === 1 ? 'is' : 'are';
    return finding(
      delivery,
      'MISSING',
      `${countMessages(count)} from ${who} ${verb} missing before this one.`,
    );
  }

  #judge(delivery: Delivery, { content, seen }: OpenedMessage): Verdict {
    const known = this.#senders.get(toHex(delivery.member));
    const disorder = this.disorder(delivery, content.name);
    const findings = disorder === undefined ? [] : [disorder];
    if (known !== undefined && delivery.n <= known.n) return { content: undefined, findings };
    const differs = this.#chain.compare(seen) === 'differs';
    if (differs && known?.diverged !== true) {
      const who = describeMember(delivery.member, content.name);
      const text = `The server shows ${who} another history of this room than you. Do not trust this server.`;
      findings.push(finding(delivery, 'HISTORY_DIFFERS', text));
    }
    this.#know({
      member: delivery.member.slice(),
      n: delivery.n,
      name: content.name,
      mayJump: false,
      gaps: this.#gapsAfter(delivery, known),
      diverged: differs,
    });
    if (known?.name !== content.name) findings.push(...this.#sharedName(delivery, content.name));
    return { content, findings };
  }

  /** How many numbers of the sender are left out that should have come. */
  #skipped(n: number, known: SenderState | undefined): number {
    if (known === undefined) return this.#complete ? n - 1 : 0;
    return known.mayJump ? 0 : n - known.n - 1;
  }

  #gapsAfter({ n }: Delivery, known: SenderState | undefined): SenderState['gaps'] {
    const gaps = known?.gaps ?? [];
    if (this.#skipped(n, known) === 0) return gaps;
    return [...gaps, { from: (known?.n ?? 0) + 1, to: n - 1 }].slice(-REMEMBERED_GAPS);
  }

  #know(state: SenderState): void {
    const id = toHex(state.member);
    if (this.#senders.get(id)?.name !== state.name) this.#names.set(id, state.name);
    this.#senders.set(id, state);
  }

  /** What to say of a name that somebody has just taken; in a time that does not depend on how many there are. */
  #sharedName(delivery: Delivery, name: string): Finding[] {
    const otherId = this.#names.other(toHex(delivery.member));
    const other = otherId === undefined ? undefined : this.#senders.get(otherId);
    if (other === undefined) return [];
    const text = `${describeMember(delivery.member, name)} uses a name that looks like that of ${describeMember(other.member, other.name)}: the one need not be the other.`;
    return [finding(delivery, 'NAME_SHARED', text)];
  }
}

function finding({ seq, member }: Delivery, code: FindingCode, text: string): Finding {
  return { code, text, seq, member: toHex(member) };
}
