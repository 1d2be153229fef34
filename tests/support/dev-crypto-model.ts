/**
 * Random operations of /dev/crypto and what a model says to them: sessions with an IV that chains and with the data
 * that were hashed since the state was fresh, on node:crypto.
 */
import { createCipheriv, createDecipheriv, createHash, createHmac } from 'node:crypto';
import fc from 'fast-check';
import {
  AES_CBC,
  CTR,
  DECRYPT,
  digestIn64,
  ECB,
  EDEADLK,
  EFAULT,
  EINVAL,
  ENCRYPT,
  ENOENT,
  FINAL,
  fnv,
  hex,
  NO_ZC,
  pseudoRandom,
  RESET,
  SHA256,
  SHA256_HMAC,
  type Step,
  session,
  UPDATE,
  untouched,
  WRITE_IV,
} from './dev-crypto-steps.ts';

const ciphers = new Map([
  [AES_CBC, { name: 'aes-128-cbc', block: 16, ivLength: 16 }],
  [CTR, { name: 'aes-128-ctr', block: 1, ivLength: 16 }],
  [ECB, { name: 'aes-128-ecb', block: 16, ivLength: 0 }],
]);
const macKey = Buffer.alloc(20, 9);
/** So few that most operations meet a session, and some do not. */
const slots = 6;
const jobs = 256;

interface Create {
  readonly kind: 'create';
  readonly slot: number;
  readonly cipher: number;
  readonly mac: number;
  readonly key: Uint8Array;
}
interface Crypt {
  readonly kind: 'crypt' | 'async';
  readonly slot: number;
  readonly op: number;
  readonly flags: number;
  readonly iv: Uint8Array | null;
  readonly seed: number;
  readonly length: number;
  readonly inPlace: boolean;
  readonly macRoom: boolean;
}
interface CopyHash {
  readonly kind: 'copy';
  readonly slot: number;
  readonly source: number;
}
interface End {
  readonly kind: 'end';
  readonly slot: number;
}
export type Operation = Create | Crypt | CopyHash | End;

const slot = fc.nat(slots - 1);
const bytes16: fc.Arbitrary<Uint8Array> = fc.uint8Array({ minLength: 16, maxLength: 16 });
const length = fc.oneof(
  { weight: 4, arbitrary: fc.nat(40).map((blocks) => blocks * 16) },
  { weight: 2, arbitrary: fc.nat(600) },
  { weight: 1, arbitrary: fc.integer({ min: 250, max: 2500 }).map((blocks) => blocks * 16) },
);
const create: fc.Arbitrary<Operation> = fc.record({
  kind: fc.constant('create'),
  slot,
  cipher: fc.constantFrom(0, ...ciphers.keys()),
  mac: fc.constantFrom(0, SHA256, SHA256_HMAC),
  key: bytes16,
});
const crypt = (kind: Crypt['kind']): fc.Arbitrary<Operation> =>
  fc.record({
    kind: fc.constant(kind),
    slot,
    op: fc.constantFrom(ENCRYPT, DECRYPT),
    flags: fc.oneof(fc.constant(0), fc.nat(0xff)),
    iv: fc.option<Uint8Array>(bytes16),
    seed: fc.integer({ min: 1, max: 2 ** 31 }),
    length,
    inPlace: fc.boolean(),
    macRoom: fc.boolean(),
  });
const copy: fc.Arbitrary<Operation> = fc.record({ kind: fc.constant('copy'), slot, source: slot });
const end: fc.Arbitrary<Operation> = fc.record({ kind: fc.constant('end'), slot });

/** Sequences of operations, 30 long on average, that have sessions to begin with */
export const operations = fc
  .tuple(
    fc.array(create, { minLength: 2, maxLength: 6 }),
    fc.array(
      fc.oneof(
        { weight: 2, arbitrary: create },
        { weight: 8, arbitrary: crypt('crypt') },
        { weight: 3, arbitrary: crypt('async') },
        { weight: 1, arbitrary: copy },
        { weight: 1, arbitrary: end },
      ),
      { maxLength: 52, size: 'max' },
    ),
  )
  .map(([first, others]) => [...first, ...others]);

/** A session, and what it holds between operations */
interface ModelSession {
  readonly cipher: number;
  readonly mac: number;
  readonly key: Uint8Array;
  iv: Uint8Array;
  parts: Uint8Array[];
}

/** What an operation gives: its errno, and the memory of the program after it */
interface Outcome {
  readonly result: number;
  readonly memory: string;
}

class Model {
  readonly #sessions = new Map<number, ModelSession>();
  /** By slot, a number of their own for the sessions that it named, the last of which may have ended */
  readonly #named = new Map<number, symbol>();
  #submitted = 0;

  steps(operation: Operation): Step[] {
    switch (operation.kind) {
      case 'create':
        return this.#create(operation);
      case 'crypt':
        return [[`crypt ${argumentsOf(operation)}`, answerOf(this.#crypt(operation))]];
      case 'async':
        return this.#async(operation);
      case 'copy':
        return [[`cphash 0 ${operation.slot} ${operation.source}`, this.#copy(operation)]];
      case 'end':
        this.#sessions.delete(operation.slot);
        return [[`free 0 ${operation.slot}`, 0]];
    }
  }

  #create({ slot, cipher, mac, key }: Create): Step[] {
    const step = session(slot, cipher, mac, cipher === 0 ? '-' : hex(key), mac === 0 ? '-' : hex(macKey));
    if (cipher === 0 && mac === 0) return [[step, EINVAL]];
    // The slot's number becomes another: the session before would have no name any more.
    const before: Step[] = this.#sessions.has(slot) ? [[`free 0 ${slot}`, 0]] : [];
    this.#sessions.set(slot, { cipher, mac, key, iv: new Uint8Array(16), parts: [] });
    this.#named.set(slot, Symbol());
    return [...before, [step, 0]];
  }

  #async(operation: Crypt): Step[] {
    const submit = `async ${argumentsOf(operation)}`;
    if (!this.#sessions.has(operation.slot) || operation.flags & NO_ZC) return [[submit, EINVAL]];
    const job = this.#submitted++ % jobs;
    const outcome = this.#crypt(operation);
    // Of an operation that failed nothing is given back but its errno.
    const fetched = outcome.result === 0 ? `0 ${job} ${outcome.memory}` : `${outcome.result} -1 - - -`;
    return [
      [submit, 0],
      ['await 0', fetched],
    ];
  }

  #copy({ slot, source }: CopyHash): number {
    if (this.#named.get(slot) === this.#named.get(source)) return EDEADLK;
    const [to, from] = [this.#sessions.get(slot), this.#sessions.get(source)];
    if (to === undefined || from === undefined) return ENOENT;
    if (to.mac === 0 || to.mac !== from.mac) return EINVAL;
    to.parts = [...from.parts];
    return 0;
  }

  #crypt(operation: Crypt): Outcome {
    const held = this.#sessions.get(operation.slot);
    const failed = { result: EINVAL, memory: '' };
    if (held === undefined) return failed;
    const { op, flags, length } = operation;
    const cipher = ciphers.get(held.cipher);
    if (cipher !== undefined && length % cipher.block !== 0) return failed;

    const source = pseudoRandom(operation.seed, length);
    let plaintext = source;
    // A hash leaves the destination alone.
    let destination = operation.inPlace ? source : Buffer.alloc(length, 0xaa);
    if (cipher !== undefined) {
      if (operation.iv !== null && cipher.ivLength > 0) held.iv = operation.iv;
      const result = cipherOf(cipher, op, held, source);
      if (op === DECRYPT) plaintext = result;
      held.iv = nextIv(held, op === DECRYPT ? source : result);
      destination = result;
    }
    const digest = held.mac === 0 ? undefined : digestDue(held, operation, plaintext);
    if (digest !== undefined && !operation.macRoom) return { result: EFAULT, memory: '' };
    const mac = digest === undefined ? untouched(64) : digestIn64(digest);
    const written = (flags & WRITE_IV) !== 0 && cipher !== undefined && cipher.ivLength > 0;
    const iv = operation.iv === null ? '-' : hex(written ? held.iv : operation.iv);
    return { result: 0, memory: `${shown(destination)} ${operation.macRoom ? mac : '-'} ${iv}` };
  }
}

/** Adds to the session's hash. @returns the digest, if it is due */
function digestDue(held: ModelSession, { flags, length }: Crypt, plaintext: Uint8Array): Buffer | undefined {
  if (flags === 0 || flags & RESET) held.parts = [];
  held.parts.push(plaintext);
  const due = (flags & FINAL) !== 0 || (flags & UPDATE) === 0 || length === 0;
  if (!due) return undefined;
  const state = held.mac === SHA256 ? createHash('sha256') : createHmac('sha256', macKey);
  for (const part of held.parts) state.update(part);
  held.parts = [];
  return state.digest();
}

function cipherOf(
  { name, ivLength }: { name: string; ivLength: number },
  op: number,
  { key, iv }: ModelSession,
  data: Uint8Array,
): Buffer {
  const make = op === DECRYPT ? createDecipheriv : createCipheriv;
  const cipher = make(name, key, ivLength > 0 ? iv : null).setAutoPadding(false);
  return Buffer.concat([cipher.update(data), cipher.final()]);
}

function nextIv({ cipher, iv }: ModelSession, ciphertext: Uint8Array): Uint8Array {
  if (cipher === AES_CBC) return ciphertext.length > 0 ? Uint8Array.from(ciphertext.subarray(-16)) : iv;
  if (cipher !== CTR) return iv;
  const counter = BigInt(`0x${hex(iv)}`) + BigInt(Math.ceil(ciphertext.length / 16));
  return Buffer.from(BigInt.asUintN(128, counter).toString(16).padStart(32, '0'), 'hex');
}

/** As the agent prints it */
function shown(data: Uint8Array): string {
  if (data.length === 0) return '-';
  return data.length > 4096 ? fnv(data) : hex(data);
}

function argumentsOf({ slot, op, flags, iv, seed, length, inPlace, macRoom }: Crypt): string {
  const place = inPlace ? 'same' : 'new';
  const mac = macRoom ? 'room' : 'null';
  return `0 ${slot} ${op} ${flags} rand:${seed}:${length} ${place} ${mac} ${iv === null ? 'null' : hex(iv)}`;
}

/** What the program's memory holds is looked at when the operation succeeded. */
function answerOf({ result, memory }: Outcome): string | number {
  return result === 0 ? `0 ${memory}` : result;
}

/** The agent's steps for the operations, with the model's answers */
export function modelSteps(sequence: readonly Operation[]): Step[] {
  const model = new Model();
  return sequence.flatMap((operation) => model.steps(operation));
}
