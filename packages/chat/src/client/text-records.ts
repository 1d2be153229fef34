/** Texts as they are kept on disk: drafts, and messages. */
import { decode, encode } from 'cborg';
import * as v from 'valibot';
import { type Content, decodeContent, encodeContent } from '../encryption/content.ts';
import { ChatError } from './chat-error.ts';
import type { ChatMessage } from './client-events.ts';
import type { LocalSeal } from './local-seal.ts';
import type { SavedMessage } from './state-store.ts';

/** Of the form of a kept message; the first, in which none was named, lacked `seq`, which was the key. */
const RECORD_VERSION = 2;

const keptMessage = v.object({
  v: v.optional(v.literal(RECORD_VERSION)),
  seq: v.optional(v.number()),
  from: v.string(),
  member: v.string(),
  text: v.string(),
  at: v.number(),
  own: v.boolean(),
});

export class TextRecords {
  readonly #seal: LocalSeal;

  constructor(seal: LocalSeal) {
    this.#seal = seal;
  }

  async ofDraft(draft: number, content: Content): Promise<Uint8Array> {
    return await this.#sealed('draft', draft, encodeContent(content));
  }

  /** @throws {ChatError} CHAT_STATE_CORRUPT */
  async draft(draft: number, record: Uint8Array): Promise<Content> {
    const plaintext = await this.#seal.open('draft', draft, record);
    const content = decodeContent(plaintext);
    plaintext.fill(0);
    if (content.kind !== 'unknown') return content;
    throw newer(`Draft ${draft}`);
  }

  async ofMessage({ key, seq, from, member, text, at, own }: ChatMessage): Promise<Uint8Array> {
    const kept = { v: RECORD_VERSION, seq, from, member, text, at: at.getTime(), own };
    return await this.#sealed('message', key, encode(kept));
  }

  /** @returns the message, as one that was read before. @throws {ChatError} CHAT_STATE_CORRUPT, CHAT_STATE_NEWER */
  async message({ key, record }: SavedMessage): Promise<ChatMessage> {
    const plaintext = await this.#seal.open('message', key, record);
    const parsed = v.safeParse(keptMessage, decode(plaintext));
    plaintext.fill(0);
    if (!parsed.success) throw newer(`Message ${key}`);
    const { seq = key, from, member, text, at, own } = parsed.output;
    return { key, seq, from, member, text, at: new Date(at), own, again: false, old: true };
  }

  async #sealed(kind: 'draft' | 'message', number: number, plaintext: Uint8Array): Promise<Uint8Array> {
    try {
      return await this.#seal.seal(kind, number, plaintext);
    } finally {
      plaintext.fill(0);
    }
  }
}

/** The seal is right, so it is one's own; but the form is not. */
function newer(what: string): ChatError {
  const text = `${what} in the state directory was written by a newer version of skytale. Update skytale.`;
  return new ChatError('CHAT_STATE_NEWER', text);
}
