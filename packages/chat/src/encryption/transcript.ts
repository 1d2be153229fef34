import { copyOf, toHex } from '../bytes.ts';
import type { ChatCrypto } from '../crypto.ts';
import { NamesInUse } from '../names/look-alikes.ts';
import { Chain } from './chain.ts';
import type { ReceivedContent, Signed } from './content.ts';
import { addMark, hasMark, markOf, noDrafts } from './draft-marks.ts';
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
  /** What its last messages are known by, to tell one that comes again under another number; see `DraftMarks`. */
  readonly drafts: Uint8Array;
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
export type Taken = { readonly content: ReceivedContent | undefined; readonly findings: readonly Finding[] };

/** A verified message's name, and the numbers that it says were given up for it. */
type Claims = Pick<Signed, 'name' | 'instead'>;

/** Of numbers that are missing, for each sender; to tell a late message from a repeated one. */
const REMEMBERED_GAPS = 16;

type Range = { readonly from: number; readonly to: number };

type SenderState = Sender & {
  /** Ranges of numbers that never came, oldest first. */
  readonly gaps: readonly Range[];
  /** Its view of the history differed when it last spoke. */
  readonly diverged: boolean;
};

/**
 * What a client knows of a room's order, and checks all that comes against: places without holes, numbers
 * of each sender without holes, one history for all. It trusts nobody: the server chooses what is delivered where.
 *
 * 1. What changes it (`take`, `takeOwn`, `learn`, `leaveOut`, `expire`) MUST NOT be called before an earlier call has ended: messages
 *    are taken one after the other. A call that overlaps throws, and changes nothing.
 * 2. A place and the senders that changed MUST be stored together, or neither.
 * 3. Until `take` or `takeOwn` ends, and if it fails, all is as it was before.
 *
 * Taking a message costs a few hashes, whatever the number of senders; names are kept by what they look like. A sender takes 5 KiB at
 * most.
 */
export class Transcript {
  readonly #crypto: ChatCrypto;
  readonly #chain: Chain;
  #complete: boolean;
  #busy = false;
  readonly #senders = new Map<string, SenderState>();
  readonly #names = new NamesInUse<string>();

  /** @param genesis of the room, by `genesisOf` */
  constructor(crypto: ChatCrypto, genesis: Uint8Array, saved: SavedTranscript = Transcript.startingAt(0)) {
    this.#crypto = crypto;
    this.#chain = new Chain(crypto, genesis, saved.seq, saved.hash);
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

  /** Knows a sender from elsewhere than this transcript; of its drafts what was known before, unless told. */
  learn({ member, n, name, mayJump, drafts }: Omit<Sender, 'drafts'> & Partial<Sender>): void {
    this.#assertIdle();
    const known = drafts ?? this.sender(member)?.drafts ?? noDrafts;
    this.#know({ member: copyOf(member), n, name, mayJump, drafts: known, gaps: [], diverged: false });
  }

  /**
   * Takes the message at the next place.
   * @param outcome what `RoomCipher.open` gave for it
   * @throws {RangeError} if its place is not the next
   * @throws {Error} if another is being taken
   */
  async take(delivery: Delivery, outcome: OpenedMessage | MessageError): Promise<Taken> {
    this.#begin(delivery);
    try {
      return await (outcome instanceof MessageError
        ? this.#takeRefused(delivery, outcome)
        : this.#takeOpened(delivery, outcome));
    } finally {
      this.#busy = false;
    }
  }

  /**
   * Takes one's own message at the next place, of whose content one is sure.
   * @throws as `take`
   */
  async takeOwn(delivery: Delivery, name: string): Promise<void> {
    this.#begin(delivery);
    try {
      await this.#chain.append(delivery);
    } finally {
      this.#busy = false;
    }
    const { member, n } = delivery;
    this.learn({ member, n, name, mayJump: false });
  }

  /** Accepts that the server does not hand out what is before `seq`. */
  leaveOut(seq: number): Finding {
    this.#assertIdle();
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
    this.#assertIdle();
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
    const text = error.isAuthentic
      ? `A message from ${who} cannot be shown: ${error.message}.`
      : `A message that claims to be from ${who} was dropped: ${error.message}.`;
    return finding(delivery, error.code, text);
  }

  /** What to say of the number of a verified message, if it is not the sender's next one. */
  disorder(delivery: Delivery, { name, instead }: Claims): Finding | undefined {
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
    const missing = without(this.#skipped(delivery.n, known), instead);
    if (missing.length === 0) return undefined;
    const count = missing.reduce((sum, { from, to }) => sum + to - from + 1, 0);
    const verb = count === 1 ? 'is' : 'are';
    return finding(
      delivery,
      'MISSING',
      `${countMessages(count)} from ${who} ${verb} missing before this one.`,
    );
  }

  async #takeOpened(delivery: Delivery, { content, seen }: OpenedMessage): Promise<Taken> {
    const known = this.#senders.get(toHex(delivery.member));
    const disorder = this.disorder(delivery, content);
    const findings = disorder === undefined ? [] : [disorder];
    if (known !== undefined && delivery.n <= known.n) {
      await this.#chain.append(delivery);
      return { content: undefined, findings };
    }
    const mark = await markOf(this.#crypto, content);
    const differs = (await this.#chain.append(delivery, seen)) === 'differs';
    if (differs && known?.diverged !== true) {
      const who = describeMember(delivery.member, content.name);
      const text = `The server shows ${who} another history of this room than you. Do not trust this server.`;
      findings.push(finding(delivery, 'HISTORY_DIFFERS', text));
    }
    const drafts = known?.drafts ?? noDrafts;
    const repeated = mark !== undefined && hasMark(drafts, mark);
    this.#advance(delivery, known, content, {
      drafts: mark === undefined || repeated ? drafts : addMark(drafts, mark),
      diverged: differs,
    });
    if (known?.name !== content.name) findings.push(...this.#sharedName(delivery, content.name));
    return { content: repeated ? undefined : content, findings };
  }

  /**
   * What its sender did say counts as said. A sender who is not known stays so: for a signature alone anybody can make a
   * key, and one for each message.
   */
  async #takeRefused(delivery: Delivery, error: MessageError): Promise<Taken> {
    await this.#chain.append(delivery);
    const refusal = this.refusal(delivery, error);
    const known = this.#senders.get(toHex(delivery.member));
    if (!error.isAuthentic || known === undefined) return { content: undefined, findings: [refusal] };
    const disorder = this.disorder(delivery, known);
    if (delivery.n > known.n) this.#advance(delivery, known, known, known);
    const findings = disorder === undefined ? [refusal] : [disorder];
    if (disorder?.code === 'MISSING') findings.push(refusal);
    return { content: undefined, findings };
  }

  #advance(
    { member, n }: Delivery,
    known: SenderState | undefined,
    { name, instead }: Claims,
    { drafts, diverged }: Pick<SenderState, 'drafts' | 'diverged'>,
  ): void {
    const gaps = [...(known?.gaps ?? []), ...this.#skipped(n, known)];
    this.#know({
      member: copyOf(member),
      n,
      name,
      mayJump: false,
      drafts,
      gaps: without(gaps, instead).slice(-REMEMBERED_GAPS),
      diverged,
    });
  }

  /** The numbers of the sender that are left out and should have come. */
  #skipped(n: number, known: SenderState | undefined): Range[] {
    const from = known === undefined ? 1 : known.n + 1;
    const mayMiss = known === undefined ? this.#complete : !known.mayJump;
    return mayMiss && from < n ? [{ from, to: n - 1 }] : [];
  }

  #begin({ seq }: Delivery): void {
    this.#assertIdle();
    if (seq !== this.seq + 1) throw new RangeError(`place ${seq} does not follow ${this.seq}`);
    this.#busy = true;
  }

  #assertIdle(): void {
    if (this.#busy) throw new Error('a message is being taken: the next must wait for it');
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

/** What remains of ranges without some numbers, in order. */
function without(ranges: readonly Range[], numbers: readonly number[] = []): readonly Range[] {
  let left = ranges;
  for (const number of numbers) {
    left = left.flatMap(({ from, to }) => {
      if (number < from || number > to) return [{ from, to }];
      const parts = [
        { from, to: number - 1 },
        { from: number + 1, to },
      ];
      return parts.filter((part) => part.from <= part.to);
    });
  }
  return left;
}
