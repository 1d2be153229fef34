import { createHash } from 'node:crypto';
import { equalBytes, fromHex, toHex, utf8 } from '../../bytes.ts';
import { type Content, decodeContent, encodeContent } from '../../encryption/content.ts';
import type { ChainPosition } from '../../encryption/envelope.ts';
import { MessageError } from '../../encryption/message-error.ts';
import type { OpenedMessage, RoomCipher, SealedMessage } from '../../encryption/room-cipher.ts';
import type { CipherParts, RoomKind } from '../../encryption/room-kind.ts';

/** Of a chain of keys: which is next, and that. */
type Link = { readonly index: number; readonly key: string };
type State = { readonly send: Link; readonly receive: Readonly<Record<string, Link>> };
type Sealed = { index: number; content: string; seq: number; hash: string; tag: string };

/** What was done with ciphers of the kind, in order. */
export type RatchetLog = {
  /** Called when a message that was opened is accepted, and before that is stored. */
  onAccepted?: () => void;
  readonly opened: string[];
  readonly sealed: { readonly id: string | undefined; readonly n: number; readonly envelope: Uint8Array }[];
};

const hash = (...parts: string[]) => createHash('sha256').update(parts.join('|')).digest('hex');
const forward = ({ index, key }: Link, to: number): Link => {
  let link = key;
  for (let at = index; at < to; at += 1) link = hash('next', link);
  return { index: to, key: link };
};

/**
 * A kind of room for tests, whose keys are used once and deleted as those of MLS are. It hides nothing: what it has of encryption is that
 * whoever has deleted a key cannot open what was sealed under it.
 */
export function ratchetKind(log: RatchetLog): RoomKind {
  return { openCipher: (parts, state) => new RatchetCipher(parts, state, log) };
}

class RatchetCipher implements RoomCipher {
  readonly member: Uint8Array;
  readonly opensAgain = false;
  readonly #log: RatchetLog;
  readonly #room: string;
  #state: State;

  constructor({ keys, identity }: CipherParts, state: Uint8Array | undefined, log: RatchetLog) {
    this.member = identity.key.publicKey;
    this.#log = log;
    this.#room = toHex(keys.roomId);
    this.#state =
      state === undefined
        ? { send: this.#first(this.member), receive: {} }
        : (JSON.parse(new TextDecoder().decode(state)) as State);
  }

  async seal(n: number, content: Content, seen: ChainPosition): Promise<SealedMessage> {
    const { send } = this.#state;
    const encoded = toHex(encodeContent(content));
    const position = { seq: seen.seq, hash: toHex(seen.hash) };
    const sealed: Sealed = { index: send.index, content: encoded, ...position, tag: '' };
    sealed.tag = hash(send.key, String(n), encoded);
    const envelope = utf8(JSON.stringify(sealed));
    this.#log.sealed.push({ id: content.id && toHex(content.id), n, envelope });
    const next = { ...this.#state, send: forward(send, send.index + 1) };
    return { envelope, change: this.#change(next) };
  }

  async open(member: Uint8Array, n: number, envelope: Uint8Array): Promise<OpenedMessage> {
    const from = toHex(member);
    const sealed = parse(envelope);
    const link = this.#state.receive[from] ?? this.#first(member);
    if (sealed.index < link.index)
      throw new MessageError('TAMPERED', 'its key was used before, and is deleted');
    const own = forward(link, sealed.index);
    if (hash(own.key, String(n), sealed.content) !== sealed.tag)
      throw new MessageError('FORGED', 'its tag is wrong');
    const receive = { ...this.#state.receive, [from]: forward(own, own.index + 1) };
    const change = this.#change({ ...this.#state, receive });
    const applied = () => {
      this.#log.opened.push(`${from} ${n} ${sealed.tag}`);
      change.applied();
      this.#log.onAccepted?.();
    };
    return {
      content: decodeContent(fromHex(sealed.content, sealed.content.length / 2)!),
      seen: { seq: sealed.seq, hash: fromHex(sealed.hash, 32)! },
      change: { state: change.state, applied },
    };
  }

  async renew(): Promise<void> {}

  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}

  #first(member: Uint8Array): Link {
    return { index: 0, key: hash(this.#room, toHex(member)) };
  }

  /** What is not applied when the next is asked for, was not accepted. */
  #change(next: State) {
    const from = this.#state;
    const applied = () => {
      if (this.#state !== from) throw new Error('another change came between');
      this.#state = next;
    };
    return { state: utf8(JSON.stringify(next)), applied };
  }
}

function parse(envelope: Uint8Array): Sealed {
  try {
    const sealed = JSON.parse(new TextDecoder().decode(envelope)) as Sealed;
    if (!equalBytes(utf8(JSON.stringify(sealed)), envelope)) throw new Error('another form');
    return sealed;
  } catch (cause) {
    throw new MessageError('MALFORMED', 'it is no envelope', { cause });
  }
}
