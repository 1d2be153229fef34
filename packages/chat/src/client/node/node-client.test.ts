import assert from 'node:assert/strict';
import { renameSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { Identity } from '../../encryption/identity.ts';
import { SharedKeyCipher } from '../../encryption/shared-key-cipher.ts';
import { firstVersion } from '../testing/earlier-schemas.ts';
import { once } from '../testing/room-fixture.ts';
import { Town } from '../testing/town.ts';

describe('a client whose state is of the first version', () => {
  it('sends what that had not sent, and goes on', async () => {
    await using town = await Town.open();
    const { room } = town;
    const { client } = await room.client(town.address);
    const path = client.statePath;
    await client.close();
    rmSync(path);
    const seed = Identity.newSeed(room.crypto);
    using identity = await Identity.open(room.crypto, seed);
    await using cipher = new SharedKeyCipher(await room.keys(), identity, room.device);
    {
      const database = new DatabaseSync(`${path}.old`);
      database.exec(firstVersion);
      database.prepare('INSERT INTO member VALUES (?, ?, 0, NULL, 1, 0)').run(room.roomId, seed);
      for (const n of [1, 2]) {
        const content = { kind: 'text', name: 'bob', text: `old ${n}`, at: 0 } as const;
        const { envelope } = await cipher.seal(n, content, room.transcript().position);
        database.prepare('INSERT INTO outbox VALUES (?, ?)').run(n, envelope);
      }
      database.close();
    }
    renameSync(`${path}.old`, path);

    const bob = await room.client(town.address);
    assert.equal(bob.client.member, identity.id);
    assert.deepEqual(
      [bob.client.unacknowledged, bob.client.lastSent, bob.client.unsent],
      [2, 2, ['old 1', 'old 2']],
    );
    assert.deepEqual(await bob.client.send('new'), { n: 3 });
    bob.client.start();
    await bob.client.flush();
    const alice = await room.client(town.address, { name: 'alice' });
    alice.client.start();
    await once(alice.client, 'caughtUp');
    assert.deepEqual(alice.texts, ['old 1', 'old 2', 'new']);
    assert.deepEqual([...alice.codes, ...bob.codes], []);
  });
});
