/** For tests: puts requests together byte by byte and hands them to a device without any transport. */
import { Segments, type VirtioRequest } from '@skytale/virtio';
import type { Completion } from '../../completion.ts';
import type { Engine, EngineAead, EngineCipher, EngineDigest } from '../../engine.ts';
import { OpensslEngine } from '../../engines/openssl.ts';
import { VirtioCryptodevDevice, type VirtioCryptodevOptions } from '../device.ts';
import {
  COP_DECRYPT,
  decodeResponseHeader,
  decodeSessionProperties,
  emptyRequestHeader,
  emptyResponseHeader,
  encodeRequestHeader,
  flag,
  ioctl,
  type RequestHeader,
  requestHeaderLength,
  requestType,
  responseHeaderLength,
  responseIvOffset,
  type SessionProperties,
} from '../wire.ts';

const none = new Uint8Array(0);

/** The parts of a request; lengths that are not given follow from them. */
export type RawRequest = Partial<RequestHeader> & {
  readonly key?: Uint8Array;
  readonly macKey?: Uint8Array;
  readonly iv?: Uint8Array;
  readonly tag?: Uint8Array;
  readonly auth?: Uint8Array;
  readonly data?: Uint8Array;
  /** Room for destination data; as much as is sensible unless told. */
  readonly room?: number;
};

export type RawResponse = {
  /** -1 if the chain came back without a response header. */
  readonly status: number;
  readonly id: number;
  readonly written: number;
  readonly iv: Uint8Array;
  /** As long as the response's mac_len. */
  readonly mac: Uint8Array;
  readonly macLength: number;
  /** As long as the response's data_len. */
  readonly data: Uint8Array;
  /** The whole destination, whatever was written. */
  readonly destination: Uint8Array;
  readonly properties: SessionProperties;
};

/** Cuts bytes into a list of segments of the lengths of `cuts`, in turn; one segment without. */
export function segmentsOf(bytes: Uint8Array, cuts: readonly number[] = []): Segments {
  const segments = new Segments();
  for (let start = 0, i = 0; start < bytes.length; i++) {
    const length = Math.min(cuts.length === 0 ? bytes.length : cuts[i % cuts.length]!, bytes.length - start);
    // Views of their own: neighbours in one memory would be merged.
    segments.push(bytes.subarray(start, start + length), 0, length);
    start += length;
  }
  return segments;
}

export class RawDriver {
  readonly device: VirtioCryptodevDevice;
  handle = 0;
  /** How the parts of every chain are cut. */
  cuts: readonly number[] = [];

  constructor(options: VirtioCryptodevOptions = {}, engine: Engine = new OpensslEngine()) {
    this.device = new VirtioCryptodevDevice(engine, options);
    this.device.activate(this.device.features);
  }

  /** With a handle open. */
  static async open(options?: VirtioCryptodevOptions, engine?: Engine): Promise<RawDriver> {
    const driver = new RawDriver(options, engine);
    driver.handle = (await driver.request({ type: requestType.open })).id;
    return driver;
  }

  /** Sends `readable` as it is. @returns what was written, and the writable part afterwards */
  send(readable: Segments, writable: Segments): Promise<number> {
    return new Promise((resolve, reject) => {
      let completed = false;
      const request: VirtioRequest = {
        readable,
        writable,
        complete: (written) => {
          if (completed) reject(new Error('completed twice'));
          completed = true;
          resolve(written);
        },
        giveBack: () => reject(new Error('given back')),
      };
      Promise.resolve(this.device.handle(0, request)).catch(reject);
      // As at the end of a run of the queue, in which all came that is sent in one turn.
      queueMicrotask(() => this.device.flush());
    });
  }

  async request(request: RawRequest): Promise<RawResponse> {
    const { key = none, macKey = none, iv = none, tag = none, auth = none, data = none } = request;
    const header: RequestHeader = {
      ...emptyRequestHeader(),
      type: requestType.ioctl,
      handle: this.handle,
      keyLength: key.length,
      macKeyLength: macKey.length,
      ivLength: iv.length,
      authLength: auth.length,
      dataLength: data.length,
    };
    for (const name of Object.keys(header) as (keyof RequestHeader)[])
      header[name] = request[name] ?? header[name];
    const head = new Uint8Array(requestHeaderLength);
    encodeRequestHeader(new Uint32Array(head.buffer), header);
    const readable = Buffer.concat([head, key, macKey, iv, tag, auth, data]);

    const srtp = (header.flags & flag.srtp) !== 0 && header.ioctl === ioctl.CIOCAUTHCRYPT;
    const macRoom = srtp && header.op === COP_DECRYPT ? 0 : header.macLength;
    const room = request.room ?? data.length + auth.length + 512;
    const writable = new Uint8Array(responseHeaderLength + macRoom + room).fill(0xee);
    const written = await this.send(segmentsOf(readable, this.cuts), segmentsOf(writable, this.cuts));
    return readResponse(writable, written, macRoom);
  }

  /** CIOCGSESSION. @returns the session */
  async session(request: RawRequest): Promise<number> {
    const { status, id } = await this.request({ ioctl: ioctl.CIOCGSESSION, ...request });
    if (status !== 0) throw new Error(`no session: status ${status}`);
    return id;
  }

  crypt(session: number, request: RawRequest): Promise<RawResponse> {
    return this.request({ ioctl: ioctl.CIOCCRYPT, session, ...request });
  }

  authcrypt(session: number, request: RawRequest): Promise<RawResponse> {
    return this.request({ ioctl: ioctl.CIOCAUTHCRYPT, session, ...request });
  }
}

function readResponse(writable: Uint8Array<ArrayBuffer>, written: number, macRoom: number): RawResponse {
  const start = responseHeaderLength + macRoom;
  const destination = writable.subarray(start);
  if (written < responseHeaderLength) {
    const properties = { blockSize: 0, ivSize: 0, digestSize: 0, tagSize: 0 };
    return {
      status: -1,
      id: 0,
      written,
      iv: none,
      mac: none,
      macLength: 0,
      data: none,
      destination,
      properties,
    };
  }
  const view = new DataView(writable.buffer);
  const header = emptyResponseHeader();
  decodeResponseHeader(new Uint32Array(writable.buffer, 0, responseHeaderLength / 4), header);
  const { status, id, dataLength, ivLength, macLength } = header;
  return {
    status,
    id,
    written,
    iv: writable.subarray(responseIvOffset, responseIvOffset + ivLength),
    mac: writable.subarray(responseHeaderLength, responseHeaderLength + Math.min(macRoom, macLength)),
    macLength,
    data: writable.subarray(start, start + dataLength),
    destination,
    properties: decodeSessionProperties(view),
  };
}

/** An engine whose every answer comes later, as webcrypto's do. `delay` says when. */
export function lateEngine(engine: Engine, delay: () => Promise<void> = () => Promise.resolve()): Engine {
  const late = async <T>(work: () => Completion<T>): Promise<T> => {
    await delay();
    return work();
  };
  const cipher = (inner: EngineCipher): EngineCipher => ({
    crypt: (...values) => late(() => inner.crypt(...values)),
    close: () => inner.close(),
  });
  const aead = (inner: EngineAead): EngineAead => ({
    seal: (...values) => late(() => inner.seal(...values)),
    open: (...values) => late(() => inner.open(...values)),
    close: () => inner.close(),
  });
  const digest = (inner: EngineDigest): EngineDigest => ({
    update: (data) => late(() => inner.update(data)),
    digest: (output) => late(() => inner.digest(output)),
    reset: () => late(() => inner.reset()),
    copy: () => late(async () => digest(await inner.copy())),
    close: () => inner.close(),
  });
  return {
    name: engine.name,
    supports: (algorithm) => engine.supports(algorithm),
    createCipher: (...values) => late(async () => cipher(await engine.createCipher(...values))),
    createAead: (...values) => late(async () => aead(await engine.createAead(...values))),
    createHash: (...values) => late(async () => digest(await engine.createHash(...values))),
    createMac: (...values) => late(async () => digest(await engine.createMac(...values))),
  };
}
