/**
 * OpenSSL on /dev/crypto, by an engine that others wrote: OpenSSL 3.0 of Debian's source package with `devcrypto`,
 * in a guest with our driver and device. Its ciphers both ways and its digests have to give the answers of the host's
 * OpenSSL, TLS servers that fork serve clients at the same time, and `openssl speed` runs in eight processes. Run it
 * before a release: the first run builds OpenSSL, ten minutes on two cores; later ones take three.
 *
 *   npx node tests/release/openssl-devcrypto.ts
 *
 * It prints what it found as tables, and fails if anything was wrong.
 */
import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { cp, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type Guest, runInTree } from '@skytale/vm';
import { TemporaryDirectory } from '../support/directory.ts';
import { type CryptodevGuest, GuestBuild, launchCryptodevGuest } from '../support/guest-driver.ts';
import { openSsl, openSslTree } from './openssl-build.ts';

/** By the engine's names: OpenSSL's, which are Node's too, and the bytes of key and IV */
const ciphers: Record<string, readonly [name: string, key: number, iv: number]> = {
  'DES-EDE3-CBC': ['des-ede3-cbc', 24, 8],
  'CAMELLIA-128-CBC': ['camellia-128-cbc', 16, 16],
  'CAMELLIA-192-CBC': ['camellia-192-cbc', 24, 16],
  'CAMELLIA-256-CBC': ['camellia-256-cbc', 32, 16],
  'AES-128-CBC': ['aes-128-cbc', 16, 16],
  'AES-192-CBC': ['aes-192-cbc', 24, 16],
  'AES-256-CBC': ['aes-256-cbc', 32, 16],
  'AES-128-CTR': ['aes-128-ctr', 16, 16],
  'AES-192-CTR': ['aes-192-ctr', 24, 16],
  'AES-256-CTR': ['aes-256-ctr', 32, 16],
  'AES-128-ECB': ['aes-128-ecb', 16, 0],
  'AES-192-ECB': ['aes-192-ecb', 24, 0],
  'AES-256-ECB': ['aes-256-ecb', 32, 0],
};
const digests = ['MD5', 'SHA1', 'RIPEMD160', 'SHA224', 'SHA256', 'SHA384', 'SHA512'];
/** Bytes of data: none, around a block, within and over a page, more than is copied, more than one request of any size. */
const sizes = [0, 1, 15, 16, 4096, 100_001, 1 << 20];
/** Suites of TLS 1.2 whose ciphers the engine has; GCM it has not. */
const suites = [
  'ECDHE-ECDSA-AES128-SHA',
  'ECDHE-ECDSA-AES256-SHA',
  'ECDHE-ECDSA-AES128-SHA256',
  'ECDHE-ECDSA-AES256-SHA384',
];
const [workers, connections, speedProcesses] = [4, 12, 8];

const openssl = '/run/openssl';
/** How the engine is asked for, by each of OpenSSL's commands */
const engine = '-engine devcrypto';
const failures: string[] = [];

/** Notes whether something is as it should be; for a table. */
function verdict(ok: boolean, what: string): string {
  if (!ok) failures.push(what);
  return ok ? 'as it should be' : 'WRONG';
}

function table(
  title: string,
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): void {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`;
  console.log([`\n${title}\n`, line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n'));
}

/** Puts a program or data into the guest. */
const put = (guest: Guest, path: string, input: Uint8Array | string) =>
  guest.check(`cat >${path} && chmod +x ${path}`, { input });

/** What prints the hash of a file in the guest. */
const sum = (path: string) => `sha256sum <${path} | cut -d ' ' -f 1`;
const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex');

/** What runs in the guest: built outside of it, and put there, in /run. */
async function launch(directory: string): Promise<CryptodevGuest> {
  using build = await GuestBuild.make('6.1');
  using programs = new TemporaryDirectory();
  await cp(directory, programs.path, { recursive: true });
  await cp(fileURLToPath(new URL('tls-workers.c', import.meta.url)), programs.join('tls-workers.c'));
  const compile =
    'gcc -static -O2 -Wall -Wextra -Werror -Wno-deprecated-declarations -Iinclude -o tls-workers tls-workers.c -L. -lssl -lcrypto 2>&1';
  await runInTree(await openSslTree(), programs.path, ['sh', '-c', compile]);
  const vm = await launchCryptodevGuest(build.kernel, await build.driver(), { hostTree: false });
  for (const program of ['openssl', 'tls-workers'])
    await put(vm.guest, `/run/${program}`, await readFile(programs.join(program)));
  await vm.guest.check(
    'mkdir -p /etc/ssl && printf "[req]\ndistinguished_name=dn\n[dn]\n" >/etc/ssl/openssl.cnf',
  );
  return vm;
}

/** The engine's ciphers, both ways, and its digests, beside the answers of this process. */
async function algorithms({ guest, served }: CryptodevGuest): Promise<void> {
  const data = sizes.map((size) => randomBytes(size));
  for (const bytes of data) await put(guest, `/run/data-${bytes.length}`, bytes);
  const offered =
    /\[(.*)\]/.exec(await guest.check(`${openssl} engine -c devcrypto`))?.[1]?.split(', ') ?? [];
  const known = [...Object.keys(ciphers), ...digests];
  const rows: (string | number)[][] = [];
  const total = sizes.reduce((sum, size) => sum + size);
  /** Runs a script once for each size, as `$n`; counts the bytes that the device was given meanwhile: all of the data,
   *  for every OpenSSL asks it for sessions, even one that then does without them. */
  const each = async (script: string, expected: readonly string[], name: string, what: string) => {
    const before = served.counters().readableBytes;
    const answer = await guest.run(`for n in ${sizes.join(' ')}; do ${script} || echo failed; done`, {
      timeout: 300_000,
    });
    const bytes = served.counters().readableBytes - before;
    const right = answer.stdout.trim() === expected.join('\n') && bytes >= total;
    if (!right) console.error(name, answer.stdout.slice(0, 1000), answer.stderr.slice(-1000), expected);
    rows.push([name, what, bytes, verdict(right, `${name} ${what}`)]);
  };
  for (const [name, [cipher, keySize, ivSize]] of Object.entries(ciphers)) {
    if (!offered.includes(name)) continue;
    const [key, iv] = [randomBytes(keySize), randomBytes(ivSize)];
    const parameters = `-K ${key.toString('hex')}${ivSize > 0 ? ` -iv ${iv.toString('hex')}` : ''}`;
    const enc = `${openssl} enc ${engine} -${cipher} ${parameters} -bufsize 262144`;
    const encrypted = data.map((bytes) => {
      const software = createCipheriv(cipher, key, ivSize > 0 ? iv : null);
      return Buffer.concat([software.update(bytes), software.final()]);
    });
    await each(
      `${enc} -in /run/data-$n -out /run/$n.enc && ${sum('/run/$n.enc')}`,
      encrypted.map(sha256),
      name,
      'encrypts',
    );
    await each(
      `${enc} -d -in /run/$n.enc -out /run/plain && ${sum('/run/plain')}`,
      data.map(sha256),
      name,
      'decrypts',
    );
  }
  for (const name of digests) {
    if (!offered.includes(name)) continue;
    const digest = `${openssl} dgst ${engine} -engine_impl -${name.toLowerCase()} -r /run/data-$n | cut -d ' ' -f 1`;
    const expected = data.map((bytes) => createHash(name.toLowerCase()).update(bytes).digest('hex'));
    await each(digest, expected, name, 'digests');
  }
  table(
    `Of ${sizes.join(', ')} bytes, against this host's OpenSSL ${process.versions.openssl}`,
    ['algorithm', '', 'bytes to the device', ''],
    rows,
  );
  const missing = ['AES-128-CBC', 'AES-256-CTR', 'SHA256'].filter((name) => !offered.includes(name));
  if (missing.length > 0) failures.push(`the engine does not offer ${missing.join(', ')}`);
  const untried = offered.filter((name) => !known.includes(name));
  if (untried.length > 0) failures.push(`the engine offers ${untried.join(', ')}, which are not tried`);
}

/** A server of several processes, all with the engine's one file, and clients of all suites at the same time. */
async function tls({ guest, served }: CryptodevGuest): Promise<void> {
  const [certificate, key, port] = ['/run/certificate', '/run/key', 4433];
  await guest.check(
    `${openssl} req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ${key} -out ${certificate} -subj /CN=guest`,
  );
  const server = await guest.spawn([
    '/run/tls-workers',
    'devcrypto',
    String(port),
    String(workers),
    certificate,
    key,
  ]);
  const errors = server.stderr.toArray();
  const [first] = await once(server.stdout, 'data');
  if (String(first) !== 'listening\n') throw new Error(`the server says ${first}`);
  const data = randomBytes(200_000);
  await put(guest, '/run/letter', data);
  const before = served.counters().readableBytes;
  const clients = Array.from({ length: connections }, (_, index) => {
    const suite = suites[index % suites.length];
    const own = index % 2 === 0 ? '' : engine;
    const options = `-quiet -verify_return_error -CAfile ${certificate} -connect 127.0.0.1:${port}`;
    return `{ echo ${data.length}; cat /run/letter; } |
      ${openssl} s_client ${own} ${options} -tls1_2 -cipher ${suite} 2>/run/errors-${index} | sha256sum >/run/echo-${index} &`;
  });
  await guest.check(`${clients.join('\n')}\nwait`, { timeout: 300_000 });
  const bytes = served.counters().readableBytes - before;
  const answers = await guest.check(clients.map((_, index) => `cat /run/echo-${index}`).join('\n'));
  const good = answers.split('\n').filter((line) => line.split(' ')[0] === sha256(data)).length;
  await server.kill();
  const complaints = Buffer.concat(await errors).toString();
  // The server alone gives the device all the data twice: once to decrypt it, once to encrypt it.
  const right = good === connections && bytes >= 2 * connections * data.length;
  if (!right) console.error(complaints.slice(-2000), await guest.check('cat /run/errors-*'));
  table(
    `A TLS server of ${workers} processes; each client sends ${data.length} bytes and gets them back`,
    ['connections', 'good', 'bytes to the device', ''],
    [[connections, good, bytes, verdict(right, 'TLS')]],
  );
}

/** `openssl speed` in one and in many processes */
async function speed({ guest }: CryptodevGuest): Promise<void> {
  const rows: (string | number)[][] = [];
  for (const algorithm of ['aes-128-cbc', 'sha256'])
    for (const bytes of [64, 1024, 16_384]) {
      const rate = async (processes: number) => {
        const options = `-elapsed -seconds 5 -bytes ${bytes} -evp ${algorithm}`;
        const many = processes > 1 ? `-multi ${processes}` : '';
        const { status, stdout, stderr } = await guest.run(`${openssl} speed ${engine} ${many} ${options}`);
        // The last line, `NAME 1234.56k`; without the k if it is few
        const [, found, unit] = /^\S+ +(\d+\.\d+)(k?) *$/im.exec(stdout) ?? [];
        if (status !== 0 || found === undefined) console.error(stdout.slice(-1000), stderr.slice(-2000));
        return status === 0 ? Number(found ?? 0) / (unit === 'k' ? 1 : 1000) : 0;
      };
      const [one, many] = [await rate(1), await rate(speedProcesses)];
      const ran = verdict(one > 0 && many > 0, `speed of ${algorithm}`);
      rows.push([algorithm, bytes, one, many, (many / one).toFixed(2), ran]);
    }
  table(
    'openssl speed, thousands of bytes a second',
    ['algorithm', 'bytes', '1 process', `${speedProcesses} processes`, 'ratio', ''],
    rows,
  );
}

const { directory, version } = await openSsl();
await using vm = await launch(directory);
console.log(`OpenSSL ${version} in Linux ${vm.guest.kernel.release}, QEMU ${vm.qemu.version}`);
await algorithms(vm);
await tls(vm);
await speed(vm);
vm.guest.assertCleanLog();
if (failures.length > 0) {
  console.error(`\nFAILED: ${failures.join('; ')}`);
  process.exitCode = 1;
} else console.log('\nAll of it as it should be.');
