import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { algorithmNames } from './algorithms.ts';
import { probe } from './probe.ts';

describe('probe', () => {
  let root: string;
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'skytale-probe-'));
  });
  after(() => rm(root, { recursive: true }));

  /** A machine with this in its /proc/cpuinfo. */
  async function machine(
    name: string,
    cpuinfo: string,
    protocols?: string,
  ): Promise<{ proc: string; dev: string }> {
    const folder = join(root, name);
    await mkdir(join(folder, 'net'), { recursive: true });
    await writeFile(join(folder, 'cpuinfo'), cpuinfo);
    if (protocols !== undefined) await writeFile(join(folder, 'net', 'protocols'), protocols);
    return { proc: folder, dev: folder };
  }

  it('describes this machine in plain data', async () => {
    const report = await probe();
    assert.deepEqual(JSON.parse(JSON.stringify(report)), report);
    assert.deepEqual(
      report.engines.slice(0, 3).map(({ name, available }) => [name, available]),
      [
        ['openssl', true],
        ['node', true],
        ['webcrypto', true],
      ],
    );
    const [openssl, , webcrypto] = report.engines;
    assert.deepEqual(openssl!.algorithms, algorithmNames);
    assert.equal(openssl!.missing, '');
    assert.match(openssl!.version, /^OpenSSL 3\./);
    assert.match(webcrypto!.missing, /aes-xts/);
    assert.deepEqual(
      report.devices.map(({ name }) => name),
      ['/dev/crypto', 'AF_ALG'],
    );
    assert.deepEqual(
      report.engines.slice(3).map(({ name }) => name),
      ['ipsec-mb', 'cryptodev', 'af-alg'],
    );
    for (const { available, algorithms, missing } of report.engines) {
      assert.equal(available, algorithms.length > 0);
      assert.ok(available || missing !== '', 'it is said why not');
    }
  });

  it('reads the flags of an x86 processor', async () => {
    const roots = await machine(
      'x86',
      'model name\t: A Processor\nflags\t\t: fpu aes pclmulqdq vaes sha_ni avx512f\n',
    );
    const report = await probe({ ...roots, architecture: 'x64', environment: { OPENSSL_ia32cap: '~0x20' } });
    assert.equal(report.processor.model, 'A Processor');
    assert.equal(report.processor.opensslMask, '~0x20');
    const present = report.processor.accelerators.filter((a) => a.present).map((a) => a.name);
    assert.deepEqual(
      present,
      ['AES-NI', 'PCLMULQDQ', 'SHA-NI'],
      'VAES takes vpclmulqdq too, AVX-512 more than F',
    );
  });

  it('leaves out what OPENSSL_ia32cap hides from OpenSSL', async () => {
    const roots = await machine('masked', 'flags\t\t: aes pclmulqdq avx2 sha_ni\n');
    const usedWith = async (mask: string): Promise<readonly string[]> => {
      const report = await probe({ ...roots, architecture: 'x64', environment: { OPENSSL_ia32cap: mask } });
      return report.engines[0]!.acceleratedBy;
    };
    assert.deepEqual(await usedWith(''), ['AES-NI', 'PCLMULQDQ', 'AVX2', 'SHA-NI']);
    assert.deepEqual(await usedWith('~0x200000200000000'), ['AVX2', 'SHA-NI']);
    assert.deepEqual(await usedWith(':~0x20000020'), ['AES-NI', 'PCLMULQDQ']);
    assert.deepEqual(await usedWith('0x200000000:0'), ['PCLMULQDQ']);
    assert.deepEqual(await usedWith('nonsense'), ['AES-NI', 'PCLMULQDQ', 'AVX2', 'SHA-NI']);
  });

  it('reads the features of an ARM processor', async () => {
    const roots = await machine('arm', 'processor\t: 0\nFeatures\t: fp asimd aes pmull sha1 sha2\n');
    const report = await probe({
      ...roots,
      architecture: 'arm64',
      environment: { OPENSSL_ia32cap: '~0x20' },
    });
    assert.equal(report.processor.model, '');
    assert.equal(report.processor.opensslMask, undefined);
    const absent = report.processor.accelerators.filter((a) => !a.present).map((a) => a.name);
    assert.deepEqual(absent, ['ARMv8 SHA-512']);
  });

  it('says of each device whether it is there, and what is missing', async () => {
    const protocols = 'protocol  size sockets\nALG        896      0      -1   NI       0   no   kernel\n';
    const [nothing, alg] = await Promise.all([machine('bare', ''), machine('alg', '', protocols)]);
    await writeFile(join(alg.dev, 'crypto'), '');
    const bare = (await probe(nothing)).devices;
    assert.deepEqual(
      bare.map(({ present }) => present),
      [false, false],
    );
    assert.match(bare[0]!.missing, /load the module/);
    const [fake, loaded] = (await probe(alg)).devices;
    assert.deepEqual([fake!.present, loaded!.present], [false, true]);
    assert.match(fake!.missing, /no character device/);
    assert.equal(loaded!.missing, '');
    const without = await machine('no-alg', '', 'protocol  size sockets\n');
    // No advice to load modules that many systems forbid on purpose.
    assert.match((await probe(without)).devices[1]!.missing, /^not loaded, and nothing needs it/);
  });

  it('knows nothing of a processor it has no table for, and does not mind', async () => {
    const report = await probe({ proc: join(root, 'nowhere'), architecture: 's390x' });
    assert.deepEqual(report.processor.accelerators, []);
    assert.equal(report.processor.model, '');
  });
});
