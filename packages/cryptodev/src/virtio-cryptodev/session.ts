/** A session (6.5): keyed objects of the engine, and the state that lives here between operations. */
import { aeads, ciphers } from '../algorithms.ts';
import { andThen, attempt, type Completion } from '../completion.ts';
import { type AeadEntry, type CipherEntry, longestTag, type MacEntry } from '../cryptodev-numbers.ts';
import type { Engine, EngineAead, EngineCipher, EngineDigest } from '../engine.ts';
import { copyOfKey } from '../engines/keys.ts';
import { OrderedSession } from '../ordered-session.ts';
import { type Chaining, chainingOf } from './chained-iv.ts';
import { errno } from './errno.ts';
import { nullCipher } from './null-cipher.ts';
import { RunningDigest } from './running-digest.ts';
import type { SessionProperties } from './wire.ts';

/** An operation on a session: `Job` and `Limits` are handed on to it, and mean nothing here. */
export type Operation<Job, Limits> = (session: Session, job: Job, limits: Limits) => Completion<number>;

/** What a session is made of; the algorithms have been looked up and the key lengths checked. */
export type SessionPlan = {
  readonly cipher: CipherEntry | undefined;
  readonly mac: MacEntry | undefined;
  readonly key: Uint8Array;
  readonly macKey: Uint8Array;
};

export class Session extends OrderedSession {
  readonly cipherEntry: CipherEntry | undefined;
  readonly macEntry: MacEntry | undefined;
  readonly properties: SessionProperties;
  /** The stored IV (6.7). */
  readonly iv: Uint8Array<ArrayBuffer>;
  /** How operations change it. */
  readonly chaining: Chaining;
  /** Room for what an operation in place overwrites and the next IV needs. */
  readonly lastBlock: Uint8Array<ArrayBuffer>;
  readonly cipher: EngineCipher | undefined;
  readonly aead: SessionAead | undefined;
  readonly digest: RunningDigest | undefined;

  private constructor(plan: SessionPlan, parts: Parts) {
    super();
    this.cipherEntry = plan.cipher;
    this.macEntry = plan.mac;
    this.properties = propertiesOf(plan);
    this.iv = new Uint8Array(plan.cipher?.kind === 'cipher' ? this.properties.ivSize : 0);
    this.chaining = plan.cipher?.kind === 'cipher' ? chainingOf(plan.cipher.name) : 'none';
    this.lastBlock = new Uint8Array(this.iv.length);
    this.cipher = parts.cipher;
    this.aead = parts.aead;
    this.digest = parts.digest && new RunningDigest(parts.digest, this.properties.digestSize);
  }

  /** @throws {CryptoError} what the engine has against the key or the algorithm */
  static create(engine: Engine, plan: SessionPlan): Completion<Session> {
    return andThen(createCipher(engine, plan), (cipher) => {
      const fail = (error: unknown): never => {
        cipher.cipher?.close();
        cipher.aead?.close();
        throw error;
      };
      const make = (digest: EngineDigest | undefined) => new Session(plan, { ...cipher, digest });
      return attempt(() => andThen(createDigest(engine, plan), make), fail);
    });
  }

  /**
   * Carries out an operation after those before it on this session (6.11): at once, unless the engine is one
   * that answers later.
   */
  run<Job, Limits>(operation: Operation<Job, Limits>, job: Job, limits: Limits): Completion<number> {
    const { pending } = this;
    if (pending === undefined) {
      const outcome = operation(this, job, limits);
      return typeof outcome === 'number' ? outcome : this.hold(outcome);
    }
    return this.hold(pending.then(() => (this.isEnded ? errno.EBADF : operation(this, job, limits))));
  }

  protected override release(): void {
    this.cipher?.close();
    this.aead?.close();
    this.digest?.close();
    this.iv.fill(0);
    this.lastBlock.fill(0);
  }
}

type Parts = {
  readonly cipher?: EngineCipher;
  readonly aead?: SessionAead;
  readonly digest?: EngineDigest | undefined;
};

function createCipher(engine: Engine, { cipher, key }: SessionPlan): Completion<Parts> {
  if (cipher === undefined) return {};
  if (cipher.kind === 'aead') {
    const tagLength = longestTag(cipher.name);
    return andThen(engine.createAead(cipher.name, key, tagLength), (aead) => ({
      aead: new SessionAead(engine, cipher, key, aead, tagLength),
    }));
  }
  if (cipher.name === 'null') return { cipher: nullCipher };
  return andThen(engine.createCipher(cipher.name, key), (made) => ({ cipher: made }));
}

function createDigest(engine: Engine, { mac, macKey }: SessionPlan): Completion<EngineDigest | undefined> {
  if (mac === undefined) return undefined;
  return mac.mac === undefined ? engine.createHash(mac.hash) : engine.createMac(mac.mac, macKey);
}

/** 6.2: what the driver must know to lay out requests. */
export function propertiesOf({ cipher, mac }: Pick<SessionPlan, 'cipher' | 'mac'>): SessionProperties {
  const digestSize = mac?.digestLength ?? 0;
  if (cipher === undefined) return { blockSize: 0, ivSize: 0, digestSize, tagSize: 0 };
  if (cipher.kind === 'cipher') {
    const { blockSize, ivLength } = cipher.properties;
    return { blockSize, ivSize: ivLength, digestSize, tagSize: 0 };
  }
  // CCM's IV also says how long the nonce is: 4.1.
  const ivSize = cipher.name === 'aes-ccm' ? ciphers['aes-cbc'].ivLength : aeads[cipher.name].nonceLengths[1];
  return { blockSize: 1, ivSize, digestSize, tagSize: longestTag(cipher.name) };
}

/** An AEAD cipher whose tag length sticks (6.9.1). The engine fixes it with the key, so the key is kept. */
export class SessionAead {
  readonly entry: AeadEntry;
  readonly #engine: Engine;
  readonly #key: Uint8Array;
  #cipher: EngineAead;
  #tagLength: number;

  constructor(engine: Engine, entry: AeadEntry, key: Uint8Array, cipher: EngineAead, tagLength: number) {
    this.#engine = engine;
    this.entry = entry;
    this.#key = copyOfKey(key);
    this.#cipher = cipher;
    this.#tagLength = tagLength;
  }

  get tagLength(): number {
    return this.#tagLength;
  }

  /** Whether an operation may ask for this length; 0 asks for the session's. */
  accepts(tagLength: number): boolean {
    if (tagLength === 0) return true;
    const { tagLengths }: { tagLengths: readonly number[] } = aeads[this.entry.name];
    return tagLength <= this.#tagLength && tagLengths.includes(tagLength);
  }

  /** The cipher for tags of that length, which becomes the session's. */
  withTag(tagLength: number): Completion<EngineAead> {
    if (tagLength === 0 || tagLength === this.#tagLength) return this.#cipher;
    return andThen(this.#engine.createAead(this.entry.name, this.#key, tagLength), (cipher) => {
      this.#cipher.close();
      this.#cipher = cipher;
      this.#tagLength = tagLength;
      return cipher;
    });
  }

  close(): void {
    this.#cipher.close();
    this.#key.fill(0);
  }
}
