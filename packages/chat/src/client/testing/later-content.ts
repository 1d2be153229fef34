import { encode } from 'cborg';
import { concat, u64 } from '../../bytes.ts';
import { bind, encodeHeader, TAG_BYTES } from '../../encryption/envelope.ts';
import { Identity } from '../../encryption/identity.ts';
import { EPOCH_BYTES } from '../../encryption/key-schedule.ts';
import { pad } from '../../encryption/padding.ts';
import type { Deliver, RoomFixture } from './room-fixture.ts';

/** The first message of a new member whose client is of a later version, and puts into it what this one does not know. */
export async function sealLater(room: RoomFixture, content: Record<string, unknown>): Promise<Deliver> {
  const { crypto, device, roomId } = room;
  using keys = await room.keys();
  using identity = await Identity.open(crypto, Identity.newSeed(crypto));
  const member = identity.key.publicKey;
  const epoch = crypto.randomBytes(EPOCH_BYTES);
  const header = encodeHeader({ epoch, seen: room.transcript().position });
  const bound = bind(roomId, member, 1, header);
  const key = await keys.senderKey(epoch, member);
  await using session = await device.createSession({ aead: 'aes-gcm', key, tagLength: TAG_BYTES });
  const ciphertext = await session.encrypt(pad(encode(content)), concat(new Uint8Array(4), u64(1)), bound);
  const envelope = concat(header, ciphertext, await identity.key.sign(concat(bound, ciphertext)));
  return { type: 'deliver', seq: 1, time: 0, member, n: 1, envelope };
}
