import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Browser, startChatServer, type TestEngine } from '../testing/engine-fixture.ts';

/** A server, and the browsers of Alice and Bob. */
async function openScene() {
  const stack = new AsyncDisposableStack();
  const server = stack.use(await startChatServer());
  const origin = `http://127.0.0.1:${server.addresses.http[0]!.port}`;
  const [alices, bobs] = [stack.use(new Browser(origin)), stack.use(new Browser(origin))];
  return {
    ...{ server, origin, alices, bobs, alice: await alices.start(), bob: await bobs.start() },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const id = (n: number) => new Uint8Array(16).fill(n);

/** Both are in a room of Alice's, and online. */
async function meet({ alice, bob }: { alice: TestEngine; bob: TestEngine }): Promise<string> {
  const room = await alice.service.create('alice', 'A room', undefined);
  await alice.service.open(room);
  const { web } = await alice.service.invite(room);
  assert.equal(await bob.service.join(web, 'bob', 'Another', undefined), room);
  await bob.service.open(room);
  return room;
}

describe('an engine', () => {
  it('makes a room, and lets in who has its link; what one says the other hears', async () => {
    await using scene = await openScene();
    const { alice, bob } = scene;
    const room = await meet(scene);
    const sent = await alice.service.send(room, 'hello', id(1));
    assert.deepEqual(
      [sent.own, sent.seq, sent.text, sent.from, sent.n],
      [true, undefined, 'hello', 'alice', 1],
    );
    await bob.until(() => bob.texts(room).includes('hello'));
    await bob.service.send(room, 'and you', id(2));
    await alice.until(() => alice.texts(room).includes('and you'));
    await alice.until(() => alice.of(room).some((event) => event.kind === 'sent'));
    const view = await alice.service.open(room);
    assert.deepEqual(
      view.items.filter((item) => item.kind === 'message').map(({ text, seq, own }) => [text, seq, own]),
      [
        ['hello', 1, true],
        ['and you', 2, false],
      ],
    );
    assert.equal(view.summary.unread, 1);
    assert.equal(view.summary.label, 'A room');
    await alice.service.read(room, 2);
    assert.equal((await alice.service.open(room)).summary.unread, 0);
  });
});
