import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ProxyHeaderError, proxyRestLength, proxySource, readProxyHeader } from './proxy-protocol.ts';

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

function header(command: number, family: number, rest: Uint8Array): Buffer {
  const head = Buffer.from([0x20 | command, family, rest.length >> 8, rest.length & 0xff]);
  return Buffer.concat([signature, head, rest]);
}

const value = fc
  .tuple(fc.nat(255), fc.uint8Array({ maxLength: 40 }))
  .map(([type, bytes]) => Buffer.from([type, bytes.length >> 8, bytes.length & 0xff, ...bytes]));
const values = fc.array(value, { maxLength: 5 }).map((all) => Buffer.concat(all));
const ipv4 = fc.ipV4();
const bytesOf = (address: string) => Buffer.from(address.split('.').map(Number));
const parse = (bytes: Buffer) => proxySource(bytes.subarray(0, 16), bytes.subarray(16));

/** What `readProxyHeader` says of these pieces, and what is left behind the header. */
async function read(pieces: readonly Uint8Array[]): Promise<[string | undefined, string] | 'refused'> {
  const stream = new PassThrough();
  const outcome = Promise.withResolvers<[string | undefined, string] | 'refused'>();
  stream.on('close', () => outcome.resolve('refused'));
  readProxyHeader(stream, (source) => {
    let rest = '';
    stream.on('data', (piece: Buffer) => {
      rest += piece.toString('latin1');
    });
    stream.on('end', () => outcome.resolve([source, rest]));
  });
  for (const piece of pieces) {
    stream.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  stream.end();
  return outcome.promise;
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [0, ...places.map((place) => place % bytes.length).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
}

describe('PROXY protocol, version 2', () => {
  test('names the source of a connection over IPv4 and IPv6', () => {
    fc.assert(
      fc.property(ipv4, ipv4, values, (source, destination, more) => {
        const rest = Buffer.concat([bytesOf(source), bytesOf(destination), Buffer.from([1, 2, 3, 4]), more]);
        assert.equal(parse(header(1, 0x11, rest)), source);
      }),
    );
    const rest = Buffer.alloc(36);
    Buffer.from('20010db8000000000000000000000007', 'hex').copy(rest);
    assert.equal(parse(header(1, 0x21, rest)), '2001:db8::7');
  });

  test('leaves open who it is where the proxy asks for itself or does not know', () => {
    assert.equal(parse(header(0, 0x00, Buffer.alloc(0))), undefined);
    assert.equal(parse(header(0, 0x99, Buffer.from([1, 2, 3]))), undefined);
    assert.equal(parse(header(1, 0x00, Buffer.alloc(0))), undefined);
    assert.equal(parse(header(1, 0x31, Buffer.alloc(216))), undefined);
  });

  test('is read in whatever pieces it comes, and nothing behind it', async () => {
    await fc.assert(
      fc.asyncProperty(
        ipv4,
        values,
        fc.string(),
        fc.array(fc.nat(), { maxLength: 6 }),
        async (source, more, said, at) => {
          const behind = Buffer.from(said, 'latin1');
          const rest = Buffer.concat([bytesOf(source), Buffer.alloc(8), more]);
          const pieces = cut(Buffer.concat([header(1, 0x11, rest), behind]), at);
          assert.deepEqual(await read(pieces), [source, behind.toString('latin1')]);
        },
      ),
      { numRuns: 50 },
    );
  });

  test('is refused if anything about it is wrong', () => {
    const good = header(1, 0x11, Buffer.concat([Buffer.alloc(12), Buffer.from([4, 0, 1, 9])]));
    assert.equal(parse(good), '0.0.0.0');
    const wrong: [string, (bytes: Buffer) => Buffer][] = [
      ['signature', (bytes) => bytes.fill(0, 3, 4).fill(1, 3, 4)],
      ['version 1', (bytes) => bytes.fill(0x11, 12, 13)],
      ['command', (bytes) => bytes.fill(0x22, 12, 13)],
      ['datagrams', (bytes) => bytes.fill(0x12, 13, 14)],
      ['family', (bytes) => bytes.fill(0x41, 13, 14)],
      ['too short for its addresses', (bytes) => bytes.fill(0x21, 13, 14)],
      ['length', (bytes) => bytes.fill(0, 15, 16)],
      ['value beyond the end', (bytes) => bytes.fill(2, 30, 31)],
      ['value cut', (bytes) => Buffer.concat([bytes.fill(18, 15, 16), Buffer.from([1, 0])])],
    ];
    for (const [what, change] of wrong) {
      assert.throws(() => parse(change(Buffer.from(good))), ProxyHeaderError, what);
    }
    const long = header(1, 0x11, Buffer.alloc(2049));
    assert.throws(() => proxyRestLength(long.subarray(0, 16)), ProxyHeaderError);
  });

  test('never makes more of random bytes than an error or an address', async () => {
    const anyBytes = fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes));
    const nearly = fc
      .tuple(fc.nat(255), fc.nat(255), anyBytes)
      .map(([command, family, rest]) => header(command & 0x0f, family, rest));
    fc.assert(
      fc.property(fc.oneof(anyBytes, nearly), (bytes) => {
        try {
          const source = parse(bytes);
          assert(source === undefined || /^[\d.]+$|^[\da-f:.]+$/.test(source));
        } catch (error) {
          assert(error instanceof ProxyHeaderError);
        }
      }),
    );
    assert.equal(await read([Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n')]), 'refused');
    assert.equal(await read([header(1, 0x11, Buffer.alloc(12)).subarray(0, 20)]), 'refused');
    assert.equal(await read([Buffer.from('GET')]), 'refused');
  });
});
