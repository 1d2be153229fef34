import type { SigningKey } from '../crypto.ts';
import { createStatement, joinStatement } from '../protocol/signed.ts';

/**
 * How one makes and enters a room: what its kind has to show the server, which takes no other part in it. A kind of another sort of
 * proof has a number of its own in CREATE and JOIN, and its own fields behind that (docs/protocol.md, "Who may enter").
 */
export interface RoomAccess {
  /** The room's public name; it commits to what the proof is of. */
  readonly roomId: Uint8Array;

  /** What a CREATE shows on the connection that this is the challenge of. */
  create(challenge: Uint8Array): Promise<AccessProof>;

  /** What a JOIN shows; and the statement, which the member is to sign with its own key too. */
  join(
    challenge: Uint8Array,
    member: Uint8Array,
  ): Promise<{ readonly proof: AccessProof; readonly statement: Uint8Array }>;
}

/** The fields of the shared-key kind. */
export type AccessProof = { readonly accessKey: Uint8Array; readonly accessSignature: Uint8Array };

/** Whoever holds the room's secret may enter: a key that is derived from it signs. */
export class SharedKeyAccess implements RoomAccess {
  readonly roomId: Uint8Array;
  readonly #key: SigningKey;

  /** The key remains the caller's. */
  constructor(roomId: Uint8Array, key: SigningKey) {
    this.roomId = roomId;
    this.#key = key;
  }

  async create(challenge: Uint8Array): Promise<AccessProof> {
    return await this.#sign(createStatement(challenge, this.roomId));
  }

  async join(challenge: Uint8Array, member: Uint8Array) {
    const statement = joinStatement(challenge, this.roomId, member);
    return { proof: await this.#sign(statement), statement };
  }

  async #sign(statement: Uint8Array): Promise<AccessProof> {
    return { accessKey: this.#key.publicKey, accessSignature: await this.#key.sign(statement) };
  }
}
