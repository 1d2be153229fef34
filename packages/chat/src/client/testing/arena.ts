/** What tests of a hostile server have in common. */
import { equalBytes } from '../../bytes.ts';
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

/** Lets the client in, and sends it what is in the room after its place. */
export async function serve(
  { server, room }: Arena,
  log: readonly Deliver[],
  joined: { head?: number; lastN?: number } = {},
) {
  const connection = await server.acceptJoin();
  const head = joined.head ?? log.length;
  connection.send({ type: 'joined', room: room.roomId, head, first: 1, lastN: joined.lastN ?? 0 });
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

/** An honest server of the room with this log, to which it adds what it is sent. */
export function serveHonestly({ server, room, bob }: Arena, log: Deliver[]): void {
  const member = Buffer.from(bob.client.member, 'hex');
  const serveOne = async (): Promise<void> => {
    const connection = await server.acceptJoin();
    const lastN = () => log.findLast((deliver) => equalBytes(deliver.member, member))?.n ?? 0;
    connection.send({ type: 'joined', room: room.roomId, head: log.length, first: 1, lastN: lastN() });
    connection.send(...log.slice(connection.join.since), { type: 'live', seq: log.length });
    for (;;) {
      const { n, envelope } = await connection.next('publish');
      const had = n <= lastN();
      if (!had) log.push({ type: 'deliver', seq: log.length + 1, time: 0, member, n, envelope });
      connection.send({ type: 'ack', n, seq: had ? 0 : log.length, time: 0 });
    }
  };
  const serveNext = (): Promise<void> => serveOne().catch(serveNext);
  void serveNext();
}
