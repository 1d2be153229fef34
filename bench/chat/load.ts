/**
 * The load generator, a process of its own, the same for both servers: clients that do nothing but count,
 * senders among them. It is asked by messages from its parent, and answers each with one.
 */
import type { Socket } from 'node:net';
import { natsWire } from './nats-wire.ts';
import { isAck, isLive, skytaleWire } from './skytale-wire.ts';
import type { Address, Opened, Sender, Wire } from './wire.ts';

export type LoadRequest =
  | {
      readonly do: 'connect';
      readonly wire: 'nats' | 'skytale';
      readonly address: Address;
      readonly clients: number;
      /** Of ours: names a room; 'bench' unless told. */
      readonly room?: string;
      /** Of ours: the clients take places in so many rooms, in turn. */
      readonly rooms?: number;
    }
  /** One sender publishes so many messages, and waits until all are acknowledged. */
  | { readonly do: 'fill'; readonly messages: number; readonly window: number }
  /** One more client reads the room from its first message. */
  | { readonly do: 'read'; readonly address: Address; readonly room: string }
  /** Somebody who has not read the room yet comes `clients` times, and as many times in a row as there is time for. */
  | { readonly do: 'newcomers'; readonly address: Address; readonly clients: number; readonly room: string }
  /** Senders that publish one message after the other, each when `ms` have passed; how long the acknowledgement takes. */
  | { readonly do: 'acknowledge'; readonly perSecond: number; readonly ms: number }
  /** Clients that stop reading, from the last one on. */
  | { readonly do: 'stall'; readonly clients: number }
  /** Senders that send as fast as the clients take it, with at most `window` messages under way. */
  | {
      readonly do: 'flood';
      readonly senders: number;
      readonly window: number;
      readonly warmMs: number;
      readonly ms: number;
    }
  /** Senders that send `perSecond` messages each. */
  | {
      readonly do: 'pace';
      readonly senders: number;
      readonly perSecond: number;
      readonly warmMs: number;
      readonly ms: number;
    };

export type LoadAnswer =
  | { readonly error: string }
  | {
      readonly perSecond?: number;
      readonly p50?: number;
      readonly p99?: number;
      readonly lost?: number;
      readonly delivered?: number;
    };

const clients: LoadClient[] = [];
/** Deliveries to all clients together. */
let delivered = 0;
let onDelivered: () => void = () => undefined;
let latencies: number[] | undefined;

class LoadClient implements Sender {
  readonly socket: Socket;
  readonly #wire: Wire;
  readonly #self: number;
  sent = 0;
  stalled = false;
  onAck: (() => void) | undefined;
  onLive: (() => void) | undefined;
  /** Bytes of the frame at hand that are still to come. */
  #left = 0;
  /** The begin of a frame, too short to know its length. */
  #cut: Buffer | undefined;

  constructor({ socket, rest, self }: Opened, wire: Wire, onLive?: () => void) {
    this.onLive = onLive;
    this.socket = socket;
    this.#wire = wire;
    this.#self = self;
    this.#received(rest);
    socket.on('data', (piece: Buffer) => this.#received(piece));
    socket.on('close', () => fail(new Error('the server hung up on a client')));
    socket.resume();
  }

  publish(count: number): void {
    this.socket.write(this.#wire.encode(this, count, performance.now()));
  }

  #received(piece: Buffer): void {
    const wire = this.#wire;
    const bytes = this.#cut === undefined ? piece : Buffer.concat([this.#cut, piece]);
    this.#cut = undefined;
    let at = this.#left;
    let messages = 0;
    while (at + wire.lengthBytes <= bytes.length) {
      const size = wire.frameBytes(bytes, at);
      if (at + Math.min(size, wire.headerBytes) > bytes.length) break;
      if (wire.isMessage(bytes, at, this.#self)) {
        messages += 1;
        if (latencies !== undefined) note(bytes, at + wire.payloadAt);
      } else if (this.onAck !== undefined && isAck(bytes, at)) {
        this.onAck();
      } else if (this.onLive !== undefined && isLive(bytes, at)) {
        this.onLive();
      }
      at += size;
    }
    if (at < bytes.length) {
      this.#cut = bytes.subarray(at);
      this.#left = 0;
    } else {
      this.#left = at - bytes.length;
    }
    if (messages > 0) {
      delivered += messages;
      onDelivered();
    }
  }
}

function note(bytes: Buffer, at: number): void {
  if (at + 8 <= bytes.length) latencies!.push(performance.now() - bytes.readDoubleBE(at));
}

/** @param wireOf the wire of each client, by its number */
async function connectAll(wireOf: (client: number) => Wire, address: Address, count: number): Promise<void> {
  for (const client of clients.splice(0)) client.socket.removeAllListeners('close').destroy();
  delivered = 0;
  while (clients.length < count) {
    const group = Math.min(50, count - clients.length);
    const wires = Array.from({ length: group }, (_, index) => wireOf(clients.length + index));
    const opened = await Promise.all(wires.map((wire) => wire.open(address)));
    for (const [index, one] of opened.entries()) clients.push(new LoadClient(one, wires[index]!));
  }
  await sleep(300);
}

function stall(count: number): void {
  for (const client of clients.slice(clients.length - count)) {
    client.stalled = true;
    client.socket.pause();
  }
}

/** Clients that get each message. */
const audience = () => clients.filter(({ stalled }) => !stalled).length - 1;

async function flood(count: number, window: number, warmMs: number, ms: number): Promise<LoadAnswer> {
  const senders = clients.slice(0, count);
  const hearers = audience();
  const deliveredBefore = delivered;
  let sent = 0;
  let scheduled = false;
  const topUp = () => {
    scheduled = false;
    const underWay = sent - (delivered - deliveredBefore) / hearers;
    const share = Math.floor((window - underWay) / senders.length);
    if (share < window / senders.length / 8) return;
    for (const sender of senders) sender.publish(share);
    sent += share * senders.length;
  };
  onDelivered = () => {
    if (!scheduled) setImmediate(topUp);
    scheduled = true;
  };
  topUp();
  await sleep(warmMs);
  const from = { at: performance.now(), delivered };
  await sleep(ms);
  // What is under way now counts, and so does the time that it takes.
  let lastAt = performance.now();
  onDelivered = () => {
    lastAt = performance.now();
  };
  const lost = await missing(() => sent * hearers - (delivered - deliveredBefore));
  onDelivered = () => undefined;
  const perSecond = ((delivered - from.delivered) / (lastAt - from.at)) * 1000;
  return { perSecond, lost, delivered: delivered - deliveredBefore };
}

async function pace(count: number, perSecond: number, warmMs: number, ms: number): Promise<LoadAnswer> {
  const senders = clients.slice(0, count);
  const deliveredBefore = delivered;
  const interval = 1000 / perSecond / senders.length;
  const begin = performance.now();
  let sent = 0;
  while (performance.now() - begin < warmMs + ms) {
    if (performance.now() - begin >= warmMs) latencies ??= [];
    // The senders take turns; a timer that fires late is made up for.
    while (sent * interval <= performance.now() - begin) {
      senders[sent % senders.length]!.publish(1);
      sent += 1;
    }
    await sleep(Math.max(0, sent * interval - (performance.now() - begin)));
  }
  const lost = await missing(() => sent * audience() - (delivered - deliveredBefore));
  const measured = latencies ?? [];
  latencies = undefined;
  return { ...quantiles(measured), lost };
}

/** One sender, one message under way: from its writing to its acknowledgement. */
async function acknowledge(perSecond: number, ms: number): Promise<LoadAnswer> {
  const [sender] = clients;
  const measured: number[] = [];
  const begin = performance.now();
  for (let at = begin; at - begin < ms; at += 1000 / perSecond) {
    await sleep(Math.max(0, at - performance.now()));
    const wrote = performance.now();
    const acknowledged = new Promise<void>((resolve) => {
      sender!.onAck = resolve;
    });
    sender!.publish(1);
    await acknowledged;
    measured.push(performance.now() - wrote);
  }
  return quantiles(measured);
}

async function fill(messages: number, window: number): Promise<LoadAnswer> {
  const [sender] = clients;
  let acknowledged = 0;
  let sent = 0;
  const done = Promise.withResolvers<void>();
  const publish = () => {
    const count = Math.min(messages - sent, window - (sent - acknowledged));
    if (count < Math.min(window / 4, messages - sent) || count === 0) return;
    sender!.publish(count);
    sent += count;
  };
  sender!.onAck = () => {
    acknowledged += 1;
    if (acknowledged === messages) done.resolve();
    else publish();
  };
  publish();
  await done.promise;
  return {};
}

async function read(address: Address, room: string): Promise<LoadAnswer> {
  const wire = skytaleWire(room);
  const begin = performance.now();
  const opened = await wire.open(address, { readAll: false });
  await new Promise<void>((resolve) => new LoadClient(opened, wire, resolve));
  const seconds = (performance.now() - begin) / 1000;
  opened.socket.removeAllListeners('close').destroy();
  return { perSecond: clients[0]!.sent / seconds };
}

/** Clients that read a room from its first message, again and again, until the process ends. */
function newcomers(address: Address, count: number, room: string): void {
  const wire = skytaleWire(room);
  const come = async (): Promise<void> => {
    const { socket } = await wire.open(address, { readAll: false });
    // What it gets is of no interest: only that it takes it.
    await new Promise<void>((resolve) => {
      let quiet = setTimeout(resolve, 2000);
      socket.on('data', () => {
        clearTimeout(quiet);
        quiet = setTimeout(resolve, 2000);
      });
      socket.on('error', resolve).resume();
    });
    socket.destroy();
    return come();
  };
  for (let index = 0; index < count; index += 1) come().catch(fail);
}

function quantiles(values: readonly number[]): { p50: number; p99: number } {
  const sorted = Float64Array.from(values).sort();
  return { p50: sorted[Math.floor(sorted.length / 2)]!, p99: sorted[Math.floor(sorted.length * 0.99)]! };
}

/** What is still missing when nothing has come for a second. */
async function missing(count: () => number): Promise<number> {
  let last = count();
  for (let quiet = 0; last !== 0 && quiet < 10; quiet += 1) {
    await sleep(100);
    if (count() !== last) quiet = -1;
    last = count();
  }
  return last;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function fail(error: unknown): void {
  process.send?.({ error: String(error) } satisfies LoadAnswer);
  process.exit(1);
}

function wiresOf({ wire, room, rooms }: Extract<LoadRequest, { do: 'connect' }>): (client: number) => Wire {
  if (wire === 'nats') return () => natsWire;
  if (rooms === undefined) {
    const one = skytaleWire(room ?? 'bench');
    return () => one;
  }
  const wires = Array.from({ length: rooms }, (_, index) => skytaleWire(`room ${index}`));
  return (client) => wires[client % rooms]!;
}

async function perform(request: LoadRequest): Promise<LoadAnswer> {
  switch (request.do) {
    case 'connect':
      await connectAll(wiresOf(request), request.address, request.clients);
      return {};
    case 'fill':
      return fill(request.messages, request.window);
    case 'read':
      return read(request.address, request.room);
    case 'newcomers':
      newcomers(request.address, request.clients, request.room);
      return {};
    case 'acknowledge':
      return acknowledge(request.perSecond, request.ms);
    case 'stall':
      stall(request.clients);
      return {};
    case 'flood':
      return flood(request.senders, request.window, request.warmMs, request.ms);
    case 'pace':
      return pace(request.senders, request.perSecond, request.warmMs, request.ms);
  }
}

process.on('message', (request: LoadRequest) => {
  perform(request).then((answer) => process.send?.(answer), fail);
});
process.on('disconnect', () => process.exit(0));
