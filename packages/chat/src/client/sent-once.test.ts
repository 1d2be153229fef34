/** Texts that are given to a client again, because whoever gave them does not know whether it took them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { once } from './testing/room-fixture.ts';
import { Town } from './testing/town.ts';

const id = (n: number) => new Uint8Array(16).fill(n);

describe('a text that is sent again with its id', () => {
  it('is taken once: while it is taken, while it waits, in a later run, and when it was sent', async () => {
    await using town = await Town.open();
    const { client } = await town.room.client(town.address);
    const bytes = id(1);
    const [first, second] = [client.send('one', bytes), client.send('one', id(1))];
    bytes.fill(9);
    assert.deepEqual(await second, await first);
    assert.deepEqual(await client.send('one', id(1)), await first);
    assert.notDeepEqual(await client.send('one', id(2)), await first);
    const { n } = await first;
    assert.deepEqual(
      client.waiting.map(({ n: number, text }) => [number, text]),
      [
        [n, 'one'],
        [n + 1, 'one'],
      ],
    );
    await client.close();

    const again = await town.room.client(town.address);
    assert.equal((await again.client.send('one', id(1))).n, n);
    again.client.start();
    await again.client.flush();
    assert.deepEqual(again.client.waiting, []);
    assert.equal((await again.client.send('one', id(1))).n, n);
    await again.client.flush();
    const reader = await town.room.client(town.address, { name: 'alice' });
    reader.client.start();
    await reader.until(() => reader.texts.length === 2);
    assert.deepEqual(reader.texts, ['one', 'one']);
  });

  it('is refused with an id of another length', async () => {
    await using town = await Town.open();
    const { client } = await town.room.client(town.address);
    await assert.rejects(client.send('one', new Uint8Array(15)), RangeError);
  });
});

describe('the history of a client', () => {
  it('is read after a fatal error, until the client is closed', async () => {
    await using town = await Town.open();
    const first = await town.room.client(town.address);
    first.client.start();
    await first.client.send('one');
    await first.client.flush();
    await first.client.close();
    await town.server.close();
    const elsewhere = await Town.open();
    await using _ = elsewhere;
    // A server that does not know the room.
    const { client } = await town.room.client(elsewhere.address);
    const fatal = once(client, 'fatal');
    client.start();
    assert.equal((await fatal)[0].code, 'CHAT_NO_SUCH_ROOM');
    assert.deepEqual(
      (await client.history(Number.MAX_SAFE_INTEGER, 9)).map(({ text }) => text),
      ['one'],
    );
    await client.close();
    await assert.rejects(client.history(9, 9), { code: 'CHAT_CLOSED' });
  });
});
