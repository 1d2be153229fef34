/**
 * What the device costs by itself: requests of a driver wait in shared memory, 64 at a time, and the clock
 * runs only while the device takes, carries out and returns them.
 */
import { createEngine, type EngineName, VirtioCryptodevDevice } from '@skytale/cryptodev';
import { DeviceState, DriverQueue, GuestMemory, indirectTablesSize, ringSizes } from '@skytale/virtio';
import { encodeRequest, type Work } from './device-requests.ts';

const queueSize = 256;
const base = 0x10000;
export const inFlight = 64;

/** One thread with both sides of a queue, and requests for `work` on `bytes` of data each. */
export class DeviceSide {
  readonly #state: DeviceState;
  readonly #queue: DriverQueue<number>;
  readonly #chains: Chain[];

  private constructor(state: DeviceState, queue: DriverQueue<number>, chains: Chain[]) {
    this.#state = state;
    this.#queue = queue;
    this.#chains = chains;
  }

  static async create(work: Work, bytes: number, engine: EngineName): Promise<DeviceSide> {
    const device = new VirtioCryptodevDevice(await createEngine(engine));
    const slot = 4096 + Math.ceil((bytes + 16) / 4096) * 4096;
    const rings = 128 * 1024;
    const memory = { base, bytes: new Uint8Array(new SharedArrayBuffer(rings + (inFlight + 1) * slot)) };
    const state = new DeviceState(device, new GuestMemory([memory]), {
      usedBuffers: () => {},
      configChanged: () => {
        throw new Error(`the device broke: ${state.brokenReason?.message}`);
      },
    });
    state.writeStatus(1);
    state.writeStatus(3);
    state.writeDriverFeatures(state.offeredFeatures);
    state.writeStatus(11);
    const layout = layoutAt(base);
    state.enableQueue(0, layout);
    state.writeStatus(15);
    const queue = new DriverQueue<number>(memory, layout, {
      eventIdx: true,
      indirectTables: layout.descriptorTable + ringSizes(queueSize).descriptorTable,
    });

    const roundTrip = (request: Uint8Array, room: number): DataView => {
      const chain = place(memory, rings, request, room);
      queue.add(chain.readable, chain.writable, 0);
      state.run(0);
      queue.reap(() => {});
      return new DataView(memory.bytes.buffer, rings + chain.responseOffset, 32);
    };
    const handle = roundTrip(encodeRequest.open(), 0).getUint32(4, true);
    const session = roundTrip(encodeRequest.session(work, handle), 0).getUint32(4, true);
    const request = encodeRequest.operation(work, handle, session, bytes);
    const room = work.result(bytes);
    const chains = Array.from({ length: inFlight }, (_, i) =>
      place(memory, rings + (i + 1) * slot, request, room, bytes),
    );
    return new DeviceSide(state, queue, chains);
  }

  /** Carries out batches until the device has worked for `seconds`. @returns requests per second of its CPU time */
  run(seconds: number): number {
    let requests = 0;
    let microseconds = 0;
    while (microseconds < seconds * 1e6) {
      // Some batches between two looks at the clock, whose resolution is coarse.
      const before = process.threadCpuUsage();
      let driving = 0;
      for (let i = 0; i < 16; i++) {
        const start = process.hrtime.bigint();
        for (const chain of this.#chains) this.#queue.add(chain.readable, chain.writable, 0);
        driving += Number(process.hrtime.bigint() - start);
        this.#state.run(0);
        const reaping = process.hrtime.bigint();
        this.#queue.reap(check);
        this.#queue.enableInterrupts();
        driving += Number(process.hrtime.bigint() - reaping);
        requests += inFlight;
      }
      const { user, system } = process.threadCpuUsage(before);
      microseconds += user + system - driving / 1000;
    }
    return (requests / microseconds) * 1e6;
  }
}

type Range = { readonly address: number; readonly length: number };
type Chain = { readonly readable: Range[]; readonly writable: Range[]; readonly responseOffset: number };
type Memory = { readonly base: number; readonly bytes: Uint8Array };

function layoutAt(address: number) {
  const sizes = ringSizes(queueSize);
  const tables = address + sizes.descriptorTable;
  const usedRing = tables + indirectTablesSize(queueSize);
  return {
    size: queueSize,
    descriptorTable: address,
    usedRing,
    availableRing: usedRing + sizes.usedRing,
  };
}

/** Lays a request out at `offset`: header and parameters, response header, and the data, in place, on pages of its own. */
function place(memory: Memory, offset: number, request: Uint8Array, room: number, data = 0): Chain {
  const address = memory.base + offset;
  const responseOffset = 1024;
  const dataAddress = address + 4096;
  const head = request.length - data;
  memory.bytes.set(request.subarray(0, head), offset);
  memory.bytes.set(request.subarray(head), offset + 4096);
  const readable = [{ address, length: head }];
  const writable = [{ address: address + responseOffset, length: 32 }];
  if (data > 0) readable.push({ address: dataAddress, length: data });
  if (room > 0) writable.push({ address: dataAddress, length: room });
  return { readable, writable, responseOffset };
}

function check(_token: number, written: number): void {
  if (written <= 32) throw new Error('the device refused a request');
}
