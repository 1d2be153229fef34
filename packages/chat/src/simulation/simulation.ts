import type { CryptoDevice } from '@skytale/cryptodev';
import { pino } from 'pino';
import { MemoryDisk } from '../client/memory-store.ts';
import type { ChatCrypto } from '../crypto.ts';
import type { ServerAddress } from '../encryption/server-address.ts';
import { encodeFrame, FrameType, LENGTH_BYTES } from '../protocol/frames.ts';
import { ChatServer } from '../server/chat-server.ts';
import { type ClientDiskConditions, fastClientDisk, type Medium } from './client-disk.ts';
import { DurableLog } from './durable-log.ts';
import { Life } from './life.ts';
import type { Place, Someone } from './place.ts';
import { SeededRandom } from './seeded-random.ts';
import { simulatedCrypto } from './simulated-crypto.ts';
import { fastDisk, SimulatedDisk } from './simulated-disk.ts';
import { SimulatedNetwork, type Tamper } from './simulated-network.ts';
import { SimulatedRoom } from './simulated-room.ts';
import { SqliteDisk } from './sqlite-disk.ts';
import { Stranger } from './stranger.ts';
import { VirtualClock } from './virtual-clock.ts';

const ADDRESS = 'server';
/** Where all that was ever said can be read, when it is judged. */
const ARCHIVE = 'archive';
/** Of rooms that strangers make, at once and in an hour. */
const ROOMS_OF_STRANGERS = 2;
const ROOMS_PER_HOUR = 6;
/** One for all servers: each that is made has a file open. */
const logger = pino({ level: 'silent' });
/** Of the rooms of a run: one of people with the client of this package, one of people who speak the bare protocol. */
const kinds = ['clients', 'raw'] as const;
/** In one of so many runs, by the seed, clients keep their states in SQLite, as real ones do. */
const RUNS_PER_SQLITE = 8;
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const DAY = 24 * 60 * MINUTE;
/** What a run has for its operations, and what it may take at most to come to rest when all is well again. */
const OPERATIONS = 60;
const REST_MS = 30 * MINUTE;
/** Longest pause between two operations. */
const PAUSE_MS = 400;

/** Warnings of what is gone from a server. */
const ofGone: readonly string[] = ['DAMAGED', 'EXPIRED', 'LEFT_OUT', 'MISSING'];

/** What happened in a run, to see that runs are not empty. */
export interface Happened {
  said: number;
  clientsKilled: number;
  powerCuts: number;
  serversKilled: number;
  serversStopped: number;
  connectionsCut: number;
  silences: number;
  refusals: number;
  diskFailures: number;
  diskHangs: number;
  catchUps: number;
  resent: number;
  injected: number;
  flipped: number;
  clockShifts: number;
  halfCloses: number;
  clientDisksFailed: number;
  clientDisksHung: number;
  clientDisksSlow: number;
  /** Lives of clients with a state in SQLite. */
  sqliteStates: number;
  /** Losses of power that took something that was stored, but not for good. */
  relaxedLost: number;
  batchesDamaged: number;
  damageTold: number;
  pruned: number;
  roomsMade: number;
  roomsRefused: number;
  roomsDeleted: number;
  evictions: number;
}

export interface Outcome {
  readonly seed: number;
  /** What is wrong; nothing if all is well. */
  readonly wrong: readonly string[];
  /** What was done, in order, with the virtual time in milliseconds. */
  readonly operations: readonly string[];
  readonly happened: Happened;
  /** Tasks that were done, and virtual time that passed. */
  readonly steps: number;
  readonly virtualMs: number;
}

/** What a run is made with and does not change. */
export interface Tools {
  /** Everything in the calling thread, or seeds do not replay. */
  readonly crypto: ChatCrypto;
  readonly device: CryptoDevice;
  /** Called in each run when everybody has gone and the server is still there. */
  readonly atRest?: () => void;
}

/**
 * One run: the real server and clients, over simulated time, network and disks, while a seed decides what they go through.
 * Then all is made well again, and what everybody was told is compared.
 */
export async function simulate(seed: number, tools: Tools): Promise<Outcome> {
  using world = new World(seed, tools);
  try {
    await world.live();
    await world.rest();
  } catch (error) {
    world.wrong.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  return world.outcome;
}

type Operation = keyof typeof weights;

/** How often each thing is done, of all things. */
const weights = {
  say: 40,
  sayMuch: 4,
  sayLong: 2,
  sayMuchAndLong: 4,
  startPerson: 12,
  closePerson: 3,
  killPerson: 4,
  cutPersonsPower: 2,
  cut: 6,
  silence: 2,
  killServer: 3,
  stopServer: 1,
  startServer: 6,
  slowDisk: 2,
  failingDisk: 2,
  fullDisk: 2,
  wellDisk: 4,
  hangDisk: 2,
  inject: 2,
  flip: 2,
  shiftClock: 1,
  halfClose: 2,
  slowClientDisk: 2,
  failingClientDisk: 2,
  hangClientDisk: 2,
  wellClientDisk: 3,
  damage: 1,
  passDays: 1,
  visit: 3,
  deleteRoom: 2,
};

class World implements Disposable {
  readonly wrong: string[] = [];
  readonly #seed: number;
  readonly #random: SeededRandom;
  readonly #clock = new VirtualClock();
  readonly #network: SimulatedNetwork;
  readonly #crypto: ChatCrypto;
  readonly #device: CryptoDevice;
  readonly #atRest: (() => void) | undefined;
  readonly #durable = new DurableLog();
  readonly #rooms: SimulatedRoom[] = [];
  readonly #people: Someone[] = [];
  readonly #strangers: Stranger[] = [];
  readonly #operations: string[] = [];
  readonly #happened: Happened = {
    said: 0,
    clientsKilled: 0,
    powerCuts: 0,
    serversKilled: 0,
    serversStopped: 0,
    connectionsCut: 0,
    silences: 0,
    refusals: 0,
    diskFailures: 0,
    diskHangs: 0,
    catchUps: 0,
    resent: 0,
    injected: 0,
    flipped: 0,
    clockShifts: 0,
    halfCloses: 0,
    clientDisksFailed: 0,
    clientDisksHung: 0,
    clientDisksSlow: 0,
    sqliteStates: 0,
    relaxedLost: 0,
    batchesDamaged: 0,
    damageTold: 0,
    pruned: 0,
    roomsMade: 0,
    roomsRefused: 0,
    roomsDeleted: 0,
    evictions: 0,
  };
  /** What is outside of this process, and goes with the run. */
  readonly #sqliteDisks: SqliteDisk[] = [];
  #disk: SimulatedDisk | undefined;
  #server: ChatServer | undefined;
  #serverLife: Life | undefined;
  #listening: Disposable | undefined;
  #place!: Place;
  /** Whether somebody on the way has changed something: what is dropped and reported then is no fault. */
  #tampered = false;
  /** Whether servers delete what is older than a day. */
  readonly #retaining: boolean;
  /** Whether servers may have a limit for each room. */
  #limited = true;

  constructor(seed: number, { crypto, device, atRest }: Tools) {
    this.#seed = seed;
    this.#random = new SeededRandom(seed);
    const random = this.#random.fork();
    this.#crypto = simulatedCrypto(crypto, random);
    this.#device = device;
    this.#atRest = atRest;
    this.#retaining = this.#random.chance(0.3);
    this.#network = new SimulatedNetwork(this.#clock, this.#random.fork(), {
      latency: this.#random.pick([1, 5, 40]),
      cutting: this.#random.pick([0, 0.3]),
    });
  }

  get outcome(): Outcome {
    return {
      seed: this.#seed,
      wrong: this.wrong,
      operations: this.#operations,
      happened: this.#happened,
      steps: this.#clock.steps,
      virtualMs: this.#clock.monotonic(),
    };
  }

  async live(): Promise<void> {
    const place: Place = {
      clock: this.#clock,
      network: this.#network,
      random: this.#random.fork(),
      crypto: this.#crypto,
      device: this.#device,
      server: addressOf(ADDRESS),
      durable: this.#durable,
      newMedium: () => this.#newMedium(),
    };
    this.#place = place;
    for (const kind of kinds) {
      const room = await SimulatedRoom.open(kind, this.#random.bytes(32), this.#random.between(2, 3), place);
      await this.#durable.createRoom(room.id, 'simulation', this.#clock.now());
      this.#rooms.push(room);
      this.#people.push(...room.people);
    }
    await this.#startServer();
    for (let count = 0; count < OPERATIONS; count += 1) {
      await this.#operate(this.#random.weighted(weights));
      await this.#clock.run(this.#random.fraction() * PAUSE_MS);
    }
  }

  /** Makes all well again, waits until nobody has anything left to do, and compares. */
  async rest(): Promise<void> {
    this.#note('all is well again');
    if (this.#disk !== undefined) this.#disk.conditions = fastDisk;
    for (const { disk } of this.#people) disk?.heal();
    // A server that may go on does: what it has got wrong must show, and not be healed by another.
    if (this.#server !== undefined && this.#server.settings.maxRoomBytes > 0) await this.#stopServer();
    this.#limited = false;
    if (this.#random.chance(0.5)) this.#network.cutAll();
    await this.#startServer();
    for (const person of this.#people) await this.#startPerson(person);
    if (!(await this.#clock.run(REST_MS, () => this.#people.every(isDone)))) this.#complainOfWaiting();
    // Who is on a connection that fell silent finds it out by now, and reads the rest on another.
    await this.#clock.run(10 * MINUTE);
    for (const room of this.#rooms) {
      await using server = await this.#readableServer(room);
      this.wrong.push(...(await room.judge(server.address, this.#clock, this.#tampered)));
    }
    this.#judgeWarnings();
    await this.#judgeStrangers();
    await this.#leave();
  }

  [Symbol.dispose](): void {
    for (const disk of this.#sqliteDisks) disk[Symbol.dispose]();
  }

  #newMedium(): Medium {
    if (this.#seed % RUNS_PER_SQLITE !== 0) return new MemoryDisk();
    const disk = new SqliteDisk();
    this.#sqliteDisks.push(disk);
    return disk;
  }

  // What is done

  async #operate(operation: Operation): Promise<void> {
    const person = this.#random.pick(this.#people);
    switch (operation) {
      case 'say':
        return this.#say(person, 1, 0);
      case 'sayMuch':
        return this.#say(person, this.#random.between(10, 60), 0);
      case 'sayLong':
        return this.#say(person, 1, this.#random.between(1000, 60_000));
      case 'sayMuchAndLong':
        this.#say(person, this.#random.between(2, 5), 0);
        return this.#say(person, 1, this.#random.between(15_000, 60_000));
      case 'startPerson':
        return this.#startPerson(person);
      case 'closePerson':
        return this.#closePerson(person);
      case 'killPerson':
      case 'cutPersonsPower':
        return this.#killPerson(person, operation === 'cutPersonsPower');
      case 'cut':
        return this.#cut(person);
      case 'silence':
        return this.#silence(person);
      case 'killServer':
        return this.#killServer();
      case 'stopServer':
        return this.#stopServer();
      case 'startServer':
        return this.#startServer();
      case 'slowDisk':
        return this.#setDisk('the disk is slow', { ...fastDisk, latency: 3 * SECOND });
      case 'failingDisk':
        return this.#setDisk('the disk fails now and then', { ...fastDisk, failing: 0.3 });
      case 'fullDisk':
        return this.#setDisk('the disk is full', { ...fastDisk, failing: 1, code: 'LOG_FULL' });
      case 'wellDisk':
        return this.#setDisk('the disk is well', fastDisk);
      case 'hangDisk':
        return this.#hangDisk();
      case 'inject':
        return this.#inject(person);
      case 'flip':
        return this.#flip(person);
      case 'halfClose':
        return this.#halfClose(person);
      case 'slowClientDisk':
        return this.#setClientDisk(person, 'slow', { ...fastClientDisk, latency: 3 * SECOND });
      case 'failingClientDisk':
        return this.#setClientDisk(person, 'failing', { ...fastClientDisk, failing: 0.2 });
      case 'hangClientDisk':
        return this.#hangClientDisk(person);
      case 'wellClientDisk':
        return this.#setClientDisk(person, 'well', fastClientDisk);
      case 'damage':
        return this.#damage();
      case 'passDays':
        return this.#passDays();
      case 'visit':
        return this.#visit();
      case 'deleteRoom':
        return this.#deleteRoom();
      case 'shiftClock':
        this.#happened.clockShifts += 1;
        return this.#clock.shift(this.#random.pick([-1, 1]) * this.#random.between(SECOND, 60 * MINUTE));
    }
  }

  #say(person: Someone, count: number, length: number): void {
    if (!person.running) return;
    this.#note(`${person.name} says ${count}, of ${length} characters`);
    this.#happened.said += count;
    for (let index = 0; index < count; index += 1) person.say(length);
  }

  async #startPerson(person: Someone): Promise<void> {
    if (person.running) return;
    this.#note(`${person.name} starts`);
    void person
      .start()
      .catch((error: unknown) => this.wrong.push(`${person.name} could not start: ${error}`));
    await this.#clock.run(1);
  }

  #closePerson(person: Someone): void {
    if (!person.running) return;
    this.#note(`${person.name} closes`);
    void person.close();
  }

  #killPerson(person: Someone, power: boolean): void {
    if (!person.running) return;
    this.#note(`${person.name} ${power ? 'loses its power' : 'is killed'}`);
    this.#happened[power ? 'powerCuts' : 'clientsKilled'] += 1;
    person.kill(power);
  }

  #cut({ name, link }: Someone): void {
    if (link === undefined) return;
    this.#note(`the connection of ${name} is cut`);
    this.#happened.connectionsCut += 1;
    link.cut();
  }

  #silence({ name, link }: Someone): void {
    const direction = this.#random.pick(['up', 'down'] as const);
    if (link === undefined) return;
    this.#note(`the connection of ${name} falls silent (${direction})`);
    this.#happened.silences += 1;
    link.silence(direction);
  }

  #halfClose({ name, link }: Someone): void {
    const direction = this.#random.pick(['up', 'down'] as const);
    if (link === undefined) return;
    this.#note(`the connection of ${name} ends in one direction (${direction})`);
    this.#happened.halfCloses += 1;
    link.halfClose(direction);
  }

  #setClientDisk({ name, disk }: Someone, what: string, conditions: ClientDiskConditions): void {
    if (disk === undefined) return;
    this.#note(`the disk of ${name} is ${what}`);
    if (conditions.latency > fastClientDisk.latency) this.#happened.clientDisksSlow += 1;
    disk.conditions = conditions;
  }

  #hangClientDisk({ name, disk }: Someone): void {
    const ms = this.#random.between(SECOND, MINUTE);
    if (disk === undefined) return;
    this.#note(`the disk of ${name} hangs for ${ms} ms`);
    this.#happened.clientDisksHung += 1;
    disk.hang(ms);
  }

  /** A bit flips in what the servers' disk has. */
  #damage(): void {
    const { id } = this.#random.pick(this.#rooms);
    if (!this.#durable.damage(id, this.#random)) return;
    this.#note(`something is damaged that is stored of room ${id.slice(0, 8)}`);
    this.#happened.batchesDamaged += 1;
  }

  /** What was said until now becomes old; the server deletes it at the next occasion, if it is to. */
  async #passDays(): Promise<void> {
    const watching = this.#random.chance(0.5);
    this.#note('days pass');
    this.#clock.shift(2 * DAY);
    if (watching) await this.#clock.run(MINUTE);
  }

  #visit(): void {
    this.#note('a stranger comes');
    const stranger = new Stranger(this.#place);
    this.#strangers.push(stranger);
    void stranger.visit();
  }

  #deleteRoom(): void {
    const host = this.#strangers.find(({ room, deleted }) => room !== undefined && !deleted);
    if (host === undefined || this.#disk === undefined) return;
    this.#note('the room of a stranger is deleted');
    this.#happened.roomsDeleted += 1;
    host.deleted = true;
    void this.#disk.deleteRoom(host.room!);
  }

  #killServer(): void {
    const server = this.#server;
    if (server === undefined) return;
    this.#note('the server is killed');
    this.#happened.serversKilled += 1;
    this.#count(server);
    this.#serverLife?.end();
    this.#disk?.powerOff();
    this.#listening?.[Symbol.dispose]();
    this.#server = undefined;
    this.#network.cutAll();
  }

  async #stopServer(): Promise<void> {
    const [server, disk] = [this.#server, this.#disk];
    if (server === undefined) return;
    this.#note('the server stops');
    this.#happened.serversStopped += 1;
    this.#server = undefined;
    this.#listening?.[Symbol.dispose]();
    let stopped = false;
    const closing = server.close().then(
      () => {
        stopped = true;
      },
      (error: unknown) => this.wrong.push(`the server did not stop: ${error}`),
    );
    if (!(await this.#clock.run(5 * MINUTE, () => stopped))) this.wrong.push('the server does not stop');
    else await closing;
    // The process ends, whatever its disk still has to do.
    disk?.powerOff();
    this.#count(server);
    if (server.counters.connections !== 0)
      this.wrong.push(`${server.counters.connections} connections outlive their server`);
  }

  async #startServer(): Promise<void> {
    if (this.#server !== undefined) return;
    this.#note('a server starts');
    const life = new Life(this.#clock);
    const disk = new SimulatedDisk(this.#durable, this.#clock, this.#random.fork());
    const random = this.#random.fork();
    const server = await ChatServer.start(
      {
        tcp: [],
        http: [],
        maxRoomBytes: this.#limited ? this.#random.pick([0, 0, 20_000, 100_000]) : 0,
        maxRoomsPerAddress: ROOMS_OF_STRANGERS,
        roomsPerHour: ROOMS_PER_HOUR,
        retentionDays: this.#retaining ? 1 : 0,
        presenceDelayMs: 50,
      },
      {
        log: disk,
        clock: life,
        logger,
        crypto: { ...this.#crypto, randomBytes: (length) => random.bytes(length) },
        onFailure: (error) => this.wrong.push(`the server's log is gone: ${error}`),
      },
    );
    this.#serverLife = life;
    this.#disk = disk;
    this.#server = server;
    this.#listening = this.#network.listen(ADDRESS, (stream, peer) => server.accept(stream, peer));
  }

  #setDisk(what: string, conditions: SimulatedDisk['conditions']): void {
    if (this.#disk === undefined) return;
    this.#note(what);
    if (conditions.failing > 0) this.#happened.diskFailures += 1;
    this.#disk.conditions = conditions;
  }

  /**
   * Everybody says something to a disk that hangs. Some of that time passes at once, often nearly all of it: what is done
   * next is done to rooms that have given up, and to others that have come in their place, when it goes on.
   */
  async #hangDisk(): Promise<void> {
    const ms = this.#random.between(30 * SECOND, 2 * MINUTE);
    const reading = this.#random.chance(0.3);
    const left = this.#random.fraction() * this.#random.pick([SECOND, ms]);
    const cutting = this.#random.chance(0.5);
    if (this.#disk === undefined) return;
    this.#note(`the disk hangs for ${ms} ms, ${reading ? 'reading too' : 'reading does not'}`);
    this.#happened.diskHangs += 1;
    this.#disk.hang(ms, reading);
    for (const someone of this.#people) this.#say(someone, 1, 0);
    await this.#clock.run(ms - left);
    if (cutting) for (const someone of this.#people) this.#cut(someone);
  }

  /** Somebody on the way puts a message of no sense under the next number of a member. */
  #inject({ name, link, sealed }: Someone): void {
    if (link === undefined || !sealed) return;
    this.#note(`somebody will inject a message on the connection of ${name}`);
    this.#tampered = true;
    link.tamper('up', (frame) => {
      if (frame[LENGTH_BYTES] !== FrameType.publish) return [frame];
      link.tamper('up', (next) => [next]);
      this.#happened.injected += 1;
      const n = Number(new DataView(frame.buffer, frame.byteOffset).getBigUint64(LENGTH_BYTES + 1));
      return [encodeFrame({ type: 'publish', n, envelope: Uint8Array.of(1, 2, 3) }), frame];
    });
  }

  /** Somebody on the way, or the line, changes a bit of what follows. */
  #flip({ name, link, sealed }: Someone): void {
    if (link === undefined || !sealed) return;
    const direction = this.#random.pick(['up', 'down'] as const);
    const where = this.#random.fraction();
    this.#note(`a bit will flip on the connection of ${name} (${direction})`);
    this.#tampered = true;
    const flip: Tamper = (frame) => {
      link.tamper(direction, (next) => [next]);
      this.#happened.flipped += 1;
      const bit = Math.floor(where * frame.length * 8);
      return [frame.with(bit >> 3, frame[bit >> 3]! ^ (1 << (bit & 7)))];
    };
    link.tamper(direction, flip);
  }

  // What must hold

  /** A server at which all that was ever said in a room can be read: another where it cannot be at the one that there is. */
  async #readableServer({ id }: SimulatedRoom): Promise<AsyncDisposable & { address: ServerAddress }> {
    if (!this.#durable.hasGone(id)) return { address: addressOf(ADDRESS), async [Symbol.asyncDispose]() {} };
    const { archive } = this.#durable;
    const parts = {
      log: new SimulatedDisk(archive, this.#clock, this.#random.fork()),
      logger,
      clock: this.#clock,
      crypto: this.#crypto,
    };
    const server = await ChatServer.start({ tcp: [], http: [] }, parts);
    const listening = this.#network.listen(ARCHIVE, (stream, peer) => server.accept(stream, peer));
    return {
      address: addressOf(ARCHIVE),
      [Symbol.asyncDispose]: async () => {
        listening[Symbol.dispose]();
        await Promise.all([server.close(), this.#clock.run(MINUTE)]);
      },
    };
  }

  async #judgeStrangers(): Promise<void> {
    for (const stranger of this.#strangers) {
      this.wrong.push(...(await stranger.judge(this.#durable)));
      if (!stranger.over) this.wrong.push('a stranger does not leave');
      if (stranger.room !== undefined) this.#happened.roomsMade += 1;
      if (stranger.refused) this.#happened.roomsRefused += 1;
      if (stranger.evicted) this.#happened.evictions += 1;
    }
    const made = this.#strangers.filter(({ room }) => room !== undefined).length;
    const kept = made - this.#strangers.filter(({ room, deleted }) => room !== undefined && deleted).length;
    if (kept > ROOMS_OF_STRANGERS)
      this.wrong.push(`strangers have ${kept} rooms, and may have ${ROOMS_OF_STRANGERS}`);
    this.#happened.pruned += this.#durable.pruned;
  }

  #complainOfWaiting(): void {
    for (const person of this.#people) {
      if (isDone(person)) continue;
      const waits = person.waiting.join(', ') || 'nothing';
      this.wrong.push(
        `${person.name} does not come to rest: ${person.unacknowledged} unacknowledged, waits for ${waits}`,
      );
    }
  }

  #judgeWarnings(): void {
    for (const room of this.#rooms) {
      const allowed = this.#durable.hasGone(room.id) ? ['REFUSED', ...ofGone] : ['REFUSED'];
      for (const person of room.people) this.#judgePerson(person, allowed);
    }
  }

  /** @param allowed codes of warnings for which there is a cause */
  #judgePerson(
    { name, warnings, fatal, resent, ruin, damageTold }: Someone,
    allowed: readonly string[],
  ): void {
    this.#happened.resent += resent;
    this.#happened.clientDisksFailed += ruin.refused;
    this.#happened.relaxedLost += ruin.lost;
    this.#happened.damageTold += damageTold;
    for (const { code, message } of fatal) this.wrong.push(`${name} ended: ${code}: ${message}`);
    if (this.#tampered) return;
    for (const { code, text } of warnings) {
      if (code === 'REFUSED') this.#happened.refusals += 1;
      if (!allowed.includes(code)) this.wrong.push(`${name} was warned without a cause: ${code}: ${text}`);
    }
  }

  /** Everybody hangs up: nothing may be left of them. */
  async #leave(): Promise<void> {
    const closing = Promise.all(this.#people.map((person) => person.close()));
    let closed = false;
    void closing.then(() => {
      closed = true;
    });
    if (!(await this.#clock.run(5 * MINUTE, () => closed))) this.wrong.push('a client does not close');
    await this.#clock.run(5 * MINUTE);
    const { connections, openRooms } = this.#server!.counters;
    if (connections !== 0) this.wrong.push(`${connections} connections are left when everybody has gone`);
    if (openRooms !== 0) this.wrong.push(`${openRooms} rooms are left when everybody has gone`);
    const { watching } = this.#disk!;
    if (watching !== 0) this.wrong.push(`${watching} rooms are still watched when everybody has gone`);
    for (const [what, amount] of Object.entries(this.#server!.held))
      if (amount !== 0) this.wrong.push(`${what}: ${amount} when everybody has gone`);
    for (const { opened } of this.#sqliteDisks) this.#happened.sqliteStates += opened;
    this.#atRest?.();
    await this.#stopServer();
    if (this.#network.links.length !== 0) this.wrong.push(`${this.#network.links.length} links are left`);
  }

  #count({ counters }: ChatServer): void {
    this.#happened.catchUps += counters.catchUps;
  }

  #note(what: string): void {
    this.#operations.push(`${(this.#clock.monotonic() / SECOND).toFixed(3)} s: ${what}`);
  }
}

function isDone(person: Someone): boolean {
  return person.running && person.unacknowledged === 0 && person.waiting.length === 0;
}

function addressOf(host: string): ServerAddress {
  return { transport: 'tcp', host, port: 1, path: '' };
}
