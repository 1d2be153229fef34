/** What tests of a hostile server have in common. */
import { equalBytes } from '../../bytes.ts';
import { nodeCrypto } from '../../node-crypto.ts';
import type { Frame } from '../../protocol/frames.ts';
import { type Deliver, RoomFixture } from './room-fixture.ts';
import { ScriptedServer } from './scripted-server.ts';

/** A room, a server that does as it is told, bob's client, and alice, who writes what is to be delivered. */
export async function openArena() {
  const stack = new AsyncDisposableStack();
  const server = stack.use(await ScriptedServer.listen());
  const room = stack.use(await RoomFixture.open());
  const bob = await room.client(server.address);
  const alice = await room.member();
  return { server, room, bob, alice, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

export type Arena = Awaited<ReturnType<typeof openArena>>;

type Welcome = Partial<Extract<Frame, { type: 'welcome' }>>;
type Told = {
  readonly head?: number;
  readonly first?: number;
  readonly lastN?: number;
  readonly lastHash?: Uint8Array;
};

/** Of a server that speaks the second version too. */
export const version2: Welcome = { highest: 2 };

/** What a JOIN is answered with, in the version that it names. */
export function joinedFrame(
  { room }: Pick<Arena, 'room'>,
  { version }: { readonly version: number },
  { head = 0, first = 1, lastN = 0, lastHash = new Uint8Array(32) }: Told,
): Frame {
  const added = version >= 2 ? { lastHash, capabilities: [] } : {};
  return { type: 'joined', room: room.roomId, head, first, lastN, ...added };
}

/** Lets the client in, and sends it what is in the room after its place. */
export async function serve(all: Arena, log: readonly Deliver[], told: Told = {}, welcome: Welcome = {}) {
  const connection = await all.server.acceptJoin(welcome);
  const head = told.head ?? log.length;
  connection.send(joinedFrame(all, connection.join, { ...told, head }));
  connection.send(...log.filter(({ seq }) => seq > connection.join.since), { type: 'live', seq: head });
  return connection;
}

/** Serves the same to every connection, however often the client asks, until it is closed. */
export function serveAlways(all: Arena, log: readonly Deliver[]): void {
  const next = (): Promise<void> => serve(all, log).then((connection) => connection.closed.then(next));
  next().catch(() => {});
}

/** The messages that alice says, in order. */
export async function sayAll({ alice }: Arena, ...texts: string[]): Promise<Deliver[]> {
  const log: Deliver[] = [];
  for (const text of texts) log.push(await alice.say(text));
  return log;
}

/** One bit of the envelope is wrong. */
export function flip(deliver: Deliver, at: number): Deliver {
  return { ...deliver, envelope: deliver.envelope.with(at, deliver.envelope[at]! ^ 1) };
}

/** The answer to a PUBLISH, in the second version. */
export async function ackOf(
  { n, envelope }: { readonly n: number; readonly envelope: Uint8Array },
  seq: number,
): Promise<Frame> {
  return { type: 'ack', n, seq, time: 0, hash: await nodeCrypto().sha256(envelope) };
}

/** An honest server of the room with this log, to which it adds what it is sent. */
export function serveHonestly(all: Arena, log: Deliver[], welcome: Welcome = {}): void {
  const { server, bob } = all;
  const member = Buffer.from(bob.client.member, 'hex');
  const stored = (n: number) => log.find((deliver) => deliver.n === n && equalBytes(deliver.member, member));
  const serveOne = async (): Promise<void> => {
    const connection = await server.acceptJoin(welcome);
    const { join } = connection;
    const last = log.findLast((deliver) => equalBytes(deliver.member, member));
    const lastN = () => log.findLast((deliver) => equalBytes(deliver.member, member))?.n ?? 0;
    const lastHash = last && (await nodeCrypto().sha256(last.envelope));
    connection.send(
      joinedFrame(all, join, { head: log.length, lastN: lastN(), ...(lastHash && { lastHash }) }),
    );
    connection.send(...log.slice(join.since), { type: 'live', seq: log.length });
    for (;;) {
      const { n, envelope } = await connection.next('publish');
      const had = n <= lastN();
      if (!had) log.push({ type: 'deliver', seq: log.length + 1, time: 0, member, n, envelope });
      const ack = await ackOf({ n, envelope: stored(n)?.envelope ?? envelope }, had ? 0 : log.length);
      connection.send(join.version >= 2 ? ack : { type: 'ack', n, seq: had ? 0 : log.length, time: 0 });
    }
  };
  const serveNext = (): Promise<void> => serveOne().catch(serveNext);
  void serveNext();
}

/** The same room at another scripted server. */
export async function openArenaOf(all: Arena): Promise<Arena> {
  const server = await ScriptedServer.listen();
  return { ...all, server, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}
