import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  configLength,
  decodeConfig,
  decodeRequestHeader,
  decodeResponseHeader,
  decodeSessionInfo,
  decodeSessionProperties,
  emptyRequestHeader,
  emptyResponseHeader,
  encodeConfig,
  encodeRequestHeader,
  encodeResponseHeader,
  encodeSessionInfo,
  encodeSessionProperties,
  type RequestHeader,
  type ResponseHeader,
} from './wire.ts';

const u16 = fc.nat(0xffff);
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const header: fc.Arbitrary<RequestHeader> = fc.record({
  type: u16,
  ioctl: u16,
  handle: u32,
  session: u32,
  op: u16,
  flags: u16,
  dataLength: u32,
  authLength: u32,
  ivLength: u16,
  macLength: u16,
  tagLength: u16,
  keyLength: u16,
  macKeyLength: u16,
  cipher: u32,
  mac: u32,
  argument: u32,
});
const response: fc.Arbitrary<ResponseHeader> = fc.record({
  status: u32,
  id: u32,
  dataLength: u32,
  ivLength: u16,
  macLength: u16,
});
const name = fc.stringMatching(/^[a-z0-9(),-]{0,63}$/);

describe('virtio-cryptodev wire layouts', () => {
  it('a request header survives the way there', () => {
    fc.assert(
      fc.property(header, fc.nat(12), (value, first) => {
        const words = new Uint32Array(24);
        encodeRequestHeader(words, value, first);
        const decoded = emptyRequestHeader();
        decodeRequestHeader(words, decoded, first);
        assert.deepEqual(decoded, { ...value });
      }),
    );
  });

  it('a response header survives the way back', () => {
    fc.assert(
      fc.property(response, fc.nat(4), (value, first) => {
        const words = new Uint32Array(12);
        encodeResponseHeader(words, value, first);
        const decoded = emptyResponseHeader();
        decodeResponseHeader(words, decoded, first);
        assert.deepEqual(decoded, { ...value });
      }),
    );
  });

  it('so do the properties of a session', () => {
    const properties = { blockSize: 16, ivSize: 12, digestSize: 64, tagSize: 16 };
    const bytes = new Uint8Array(32).fill(0xee);
    encodeSessionProperties(properties, bytes.subarray(16));
    assert.deepEqual(decodeSessionProperties(new DataView(bytes.buffer)), properties);
    assert.ok(bytes.subarray(24).every((byte) => byte === 0));
  });

  it('and the configuration space', () => {
    const numbers = fc.uniqueArray(fc.nat(127)).map((list) => list.sort((a, b) => a - b));
    const config = fc.record({
      version: u16,
      queues: u16,
      maxHandles: u32,
      maxSessions: u32,
      maxDataLength: u32,
      maxAuthLength: u32,
      maxKeyLength: u16,
      maxMacKeyLength: u16,
      ciphers: numbers,
      macs: numbers,
      engine: fc.stringMatching(/^[a-z-]{0,16}$/),
    });
    fc.assert(
      fc.property(config, (value) => assert.deepEqual(decodeConfig(encodeConfig(value)), { ...value })),
    );
    assert.throws(() => decodeConfig(new Uint8Array(configLength - 1)), RangeError);
  });

  it('and the names of algorithms, cut to 63 bytes', () => {
    const info = fc.record({
      cipherName: name,
      cipherDriverName: name,
      hashName: name,
      hashDriverName: name,
      alignMask: u16,
      flags: u32,
    });
    fc.assert(
      fc.property(info, (value) =>
        assert.deepEqual(decodeSessionInfo(encodeSessionInfo(value)), { ...value }),
      ),
    );
    const long = {
      cipherName: 'x'.repeat(64),
      cipherDriverName: '',
      hashName: '',
      hashDriverName: '',
      alignMask: 0,
      flags: 0,
    };
    assert.equal(decodeSessionInfo(encodeSessionInfo(long)).cipherName.length, 63);
  });

  it('the example of the document', () => {
    const words = new Uint32Array(12);
    encodeRequestHeader(words, {
      ...emptyRequestHeader(),
      type: 3,
      ioctl: 104,
      handle: 0x10001,
      session: 0x10001,
      flags: 4,
      dataLength: 32,
      ivLength: 16,
    });
    const hex = Buffer.from(words.buffer).toString('hex');
    assert.equal(
      hex,
      ['03006800010001000100010000000400', '20000000000000001000000000000000', '0'.repeat(32)].join(''),
    );
  });
});
