/**
 * What /dev/crypto must do: every ioctl, flag and error that programs count on, by programs written to cryptodev.h
 * alone; and random operations beside a model.
 */
import assert from 'node:assert/strict';
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { it } from 'node:test';
import fc from 'fast-check';
import type { AgentGuest } from './agent.ts';
import { devCryptoEdgeCases } from './dev-crypto-edges.cases.ts';
import { modelSteps, operations } from './dev-crypto-model.ts';
import {
  AES_CBC,
  CCM,
  CTR,
  DECRYPT,
  DES_EDE3,
  digestIn64,
  EBADMSG,
  EBUSY,
  ECB,
  EDEADLK,
  EFAULT,
  EINVAL,
  ENCRYPT,
  ENODEV,
  ENOENT,
  encrypt,
  FINAL,
  fnv,
  GCM,
  hex,
  iv,
  ivHex,
  key,
  keyHex,
  MD5,
  NO_ZC,
  NULL,
  playSteps,
  pseudoRandom,
  RESET,
  SHA1,
  SHA1_HMAC,
  SHA256,
  SHA256_HMAC,
  type Step,
  sealGcm,
  session,
  TLS,
  UPDATE,
  untouched,
  WRITE_IV,
  XTS,
} from './dev-crypto-steps.ts';

/** A guest with /dev/crypto, and where in it the programs are that the cases run */
export interface DevCryptoMachine {
  readonly guest: AgentGuest & {
    run(command: readonly string[]): Promise<{ readonly status: number }>;
  };
  readonly agent: string;
  readonly tool: string;
}

/**
 * Registers the cases. They leave no file open.
 * @param machine asked for when cases run
 * @param rounds random operations
 */
export function devCryptoCases(machine: () => DevCryptoMachine, rounds = 1500): void {
  const play = (steps: readonly Step[]) => playSteps(machine().guest, machine().agent, steps);
  const text = randomBytes(48);

  it('makes sessions of what there is, and of nothing else', async () => {
    await play([
      [session(0, AES_CBC), 0],
      [session(1, 0, SHA1_HMAC, '-', '-'), 0],
      [session(2, NULL, 0, '-'), 0],
      [session(3, 0), EINVAL],
      [session(3, 99), EINVAL],
      [session(3, 0, 99), EINVAL],
      [session(3, AES_CBC, 0, '00'), EINVAL],
      [session(3, AES_CBC, 0, '00'.repeat(65)), EINVAL],
      [session(3, 0, SHA1_HMAC, '-', '00'.repeat(513)), EINVAL],
      [session(3, AES_CBC, 0, 'bad'), EFAULT],
      [session(3, 0, SHA1_HMAC, '-', 'bad'), EFAULT],
      [session(3, GCM, SHA1_HMAC, keyHex, '00'), EINVAL],
      [session(3, GCM, 0, keyHex, '00'), EINVAL],
      ['free 0 0', 0],
      ['free 0 0', 0],
      ['number 9 123456', 0],
      ['free 0 9', 0],
      [`crypt 0 0 0 0 ${hex(text)} new null ${ivHex}`, EINVAL],
    ]);
  });

  it('refuses what is not its own', async () => {
    await play([
      ['ioctl 0 0x6300 0', `${EINVAL} 0`],
      ['ioctl 0 0xc0906369 0', `${EINVAL} 0`], // CIOCKEY
      ['ioctl 0 0x8004636a 7', '0 0'], // CIOCASYMFEAT
      ['read 0', EINVAL],
      ['write 0', EINVAL],
      ['mmap 0', ENODEV],
    ]);
  });

  it('keeps the sessions of a file to it and to its duplicates', async () => {
    const operation = (file: number) => `crypt ${file} 0 0 0 ${hex(text)} new null ${ivHex}`;
    await play([
      [session(0, AES_CBC), 0],
      ['open 1', 0],
      [operation(1), EINVAL],
      ['free 1 0', 0],
      [operation(0), 0],
      ['get 0 2', 0],
      ['close 0', 0],
      [operation(2), 0],
      ['openro 3', 0],
      [`session 3 1 ${AES_CBC} 0 ${keyHex} -`, 0],
    ]);
  });

  it('encrypts and decrypts, in place and not, copied and not, on any alignment', async () => {
    const names = { [AES_CBC]: 'aes-128-cbc', [CTR]: 'aes-128-ctr', [ECB]: 'aes-128-ecb' };
    for (const [cipher, name] of Object.entries(names)) {
      const withIv = Number(cipher) === ECB ? null : iv;
      const sealed = encrypt(name, text, key, withIv);
      const steps: Step[] = [[session(0, Number(cipher)), 0]];
      for (const place of ['new', 'same']) {
        for (const flags of [0, NO_ZC]) {
          steps.push([
            `crypt 0 0 ${ENCRYPT} ${flags} ${hex(text)} ${place} null ${ivHex}`,
            `0 ${hex(sealed)} - ${ivHex}`,
          ]);
          steps.push([
            `crypt 0 0 ${DECRYPT} ${flags} ${hex(sealed)} ${place} null ${ivHex}`,
            `0 ${hex(text)} - ${ivHex}`,
          ]);
          for (const length of [4096, 4112, 65_536, 300_000, 1_048_576]) {
            const result = fnv(encrypt(name, pseudoRandom(7, length), key, withIv));
            const command = `crypt 0 0 ${ENCRYPT} ${flags} rand:7:${length} ${place} null ${ivHex}`;
            if (length > 4096) steps.push([command, `0 ${result} - ${ivHex}`]);
          }
        }
      }
      await play(steps);
    }
  });

  it('checks operations', async () => {
    await play([
      [session(0, AES_CBC), 0],
      [session(1, CTR), 0],
      [session(2, XTS, 0, hex(randomBytes(32))), 0],
      [session(3, GCM), 0],
      [session(4, 0, SHA1), 0],
      [`crypt 0 0 2 0 ${hex(text)} new null ${ivHex}`, EINVAL],
      [`crypt 0 0 0 0 ${hex(text.subarray(1))} new null ${ivHex}`, EINVAL],
      [`crypt 0 0 0 0 - new null ${ivHex}`, 0],
      [`crypt 0 1 0 0 ${hex(text.subarray(1))} new null ${ivHex}`, 0],
      [`crypt 0 2 0 0 ${hex(text.subarray(1))} new null ${ivHex}`, EINVAL],
      [`crypt 0 0 0 0x8000 ${hex(text)} new null ${ivHex}`, 0],
      // What crashes others
      [`crypt 0 3 0 0 ${hex(text)} new null ${ivHex}`, EINVAL],
      [`crypt 0 0 0 0 bad new null ${ivHex}`, EFAULT],
      [`crypt 0 0 0 0 ${hex(text)} bad null ${ivHex}`, EFAULT],
      [`crypt 0 0 0 0 ${hex(text)} ro null ${ivHex}`, EFAULT],
      [`crypt 0 0 0 0 ${hex(text)} null null ${ivHex}`, EFAULT],
      [`crypt 0 0 0 0 rand:1:65536 bad null ${ivHex}`, EFAULT],
      [`crypt 0 0 0 0 rand:1:65536 ro null ${ivHex}`, EFAULT],
      [`crypt 0 0 0 0 ${hex(text)} new null bad`, EFAULT],
      // A hash has no direction, but only the two there are may be named.
      [`crypt 0 4 ${DECRYPT} 0 ${hex(text)} null room null`, 0],
      [`crypt 0 4 2 0 ${hex(text)} null room null`, EINVAL],
      [`crypt 0 4 0 0 bad null room null`, EFAULT],
      [`crypt 0 4 0 0 ${hex(text)} null null null`, EFAULT],
      [`crypt 0 4 0 0 ${hex(text)} null bad null`, EFAULT],
    ]);
  });

  it('gives back the IV when told to, and goes on from the stored one', async () => {
    const sealed = encrypt('aes-128-cbc', Buffer.concat([text, text]));
    const last = sealed.subarray(32, 48).toString('hex');
    const counter = Buffer.from(iv);
    counter.writeUInt32BE(iv.readUInt32BE(12) + 3, 12);
    await play([
      [session(0, AES_CBC), 0],
      [session(1, CTR), 0],
      [session(2, ECB), 0],
      [session(3, DES_EDE3, 0, hex(randomBytes(24))), 0],
      [
        `crypt 0 0 0 ${WRITE_IV} ${hex(text)} new null ${ivHex}`,
        `0 ${hex(sealed.subarray(0, 48))} - ${last}`,
      ],
      [`crypt 0 0 0 0 ${hex(text)} new null null`, `0 ${hex(sealed.subarray(48))} - -`],
      [
        `crypt 0 0 ${DECRYPT} ${WRITE_IV} ${hex(sealed.subarray(0, 48))} same null ${ivHex}`,
        `0 ${hex(text)} - ${last}`,
      ],
      [
        `crypt 0 1 0 ${WRITE_IV} ${hex(text.subarray(0, 40))} new null ${ivHex}`,
        new RegExp(`^0 .* - ${hex(counter)}$`),
      ],
      [`crypt 0 2 0 ${WRITE_IV} ${hex(text)} new null ${ivHex}`, new RegExp(`^0 .* - ${ivHex}$`)],
      [
        `crypt 0 3 0 ${WRITE_IV} ${hex(text)} new null ${ivHex}`,
        new RegExp(`^0 .* - .{16}${ivHex.slice(16)}$`),
      ],
    ]);
  });

  it('hashes in one part and in many', async () => {
    const sha = (...parts: Buffer[]) => digestIn64(createHash('sha1').update(Buffer.concat(parts)).digest());
    const mac = digestIn64(createHmac('sha256', key).update(text).digest());
    const long = digestIn64(createHash('sha256').update(pseudoRandom(3, 300_000)).digest());
    const part = (flags: number, data = hex(text)) => `crypt 0 0 0 ${flags} ${data} null room null`;
    const digest = (value: string) => `0 - ${value} -`;
    await play([
      [session(0, 0, SHA1, '-'), 0],
      [session(1, 0, SHA256_HMAC, '-', keyHex), 0],
      [session(2, 0, SHA256, '-'), 0],
      [part(0), digest(sha(text))],
      [part(0, '-'), digest(sha())],
      [part(UPDATE), digest(untouched(64))],
      [part(UPDATE), digest(untouched(64))],
      [part(FINAL), digest(sha(text, text, text))],
      [part(UPDATE), digest(untouched(64))],
      [part(0), digest(sha(text))],
      [part(UPDATE), digest(untouched(64))],
      [part(UPDATE, '-'), digest(sha(text))],
      [part(UPDATE), digest(untouched(64))],
      [part(NO_ZC), digest(sha(text, text))],
      [part(UPDATE), digest(untouched(64))],
      [part(UPDATE | RESET), digest(untouched(64))],
      [part(FINAL, '-'), digest(sha(text))],
      [`crypt 0 1 0 0 ${hex(text)} null room null`, digest(mac)],
      ['crypt 0 2 0 0 rand:3:300000 null room null', digest(long)],
    ]);
  });

  it('covers the plaintext by the MAC of a session that has both', async () => {
    const sealed = hex(encrypt('aes-128-cbc', text));
    const mac = digestIn64(createHmac('sha1', 'k').update(text).digest());
    await play([
      [session(0, AES_CBC, SHA1_HMAC, keyHex, hex('k')), 0],
      [`crypt 0 0 ${ENCRYPT} 0 ${hex(text)} new room ${ivHex}`, `0 ${sealed} ${mac} ${ivHex}`],
      [`crypt 0 0 ${DECRYPT} 0 ${sealed} same room ${ivHex}`, `0 ${hex(text)} ${mac} ${ivHex}`],
      // No room for the digest: the cipher's work is done all the same.
      [`crypt 0 0 ${ENCRYPT} 0 ${hex(text)} new null ${ivHex}`, `${EFAULT} ${sealed} - ${ivHex}`],
    ]);
  });

  it('copies the state of a hash', async () => {
    const both = digestIn64(createHmac('sha1', 'k').update(text).update('more').digest());
    await play([
      [session(0, 0, SHA1_HMAC, '-', hex('k')), 0],
      [session(1, 0, SHA1_HMAC, '-', hex('k')), 0],
      [session(2, AES_CBC), 0],
      [session(3, 0, MD5, '-'), 0],
      [`crypt 0 0 0 ${UPDATE} ${hex(text)} null null null`, 0],
      ['cphash 0 1 0', 0],
      [`crypt 0 1 0 ${FINAL} ${hex('more')} null room null`, `0 - ${both} -`],
      [`crypt 0 0 0 ${FINAL} ${hex('more')} null room null`, `0 - ${both} -`],
      ['cphash 0 0 0', EDEADLK],
      ['number 9 123456', 0],
      ['cphash 0 9 0', ENOENT],
      ['cphash 0 0 9', ENOENT],
      ['cphash 0 2 0', EINVAL],
      ['cphash 0 3 0', EINVAL],
    ]);
  });

  it('says what carries a session out, and leaves the rest as it was', async () => {
    await play([
      [session(0, AES_CBC), 0],
      [session(1, 0, SHA256_HMAC, '-', '-'), 0],
      ['info 0 0', /^0 cbc\(aes\) \S+ untouched {2}\d+ 1$/],
      ['info 0 1', /^0 untouched {2}hmac\(sha256\) \S+ \d+ 1$/],
      ['number 9 123456', 0],
      ['info 0 9', EINVAL],
    ]);
  });

  it('authenticates: AEAD', async () => {
    const auth = randomBytes(20);
    const sealed = sealGcm(text, auth);
    const short = sealGcm(text, auth, 12);
    const nonce = iv.subarray(0, 12).toString('hex');
    const seal = (place: string, tagLength = 0, flags = 0) =>
      `auth 0 0 ${ENCRYPT} ${flags} ${hex(text)} ${place} ${hex(auth)} ${tagLength} ${nonce}`;
    const open = (data: Buffer, place: string, tagLength = 0) =>
      `auth 0 0 ${DECRYPT} 0 ${hex(data)} ${place} ${hex(auth)} ${tagLength} ${nonce}`;
    const changed = Buffer.from(sealed);
    changed[3]! ^= 1;
    await play([
      [session(0, GCM), 0],
      [session(1, CCM), 0],
      [session(2, AES_CBC), 0],
      [seal('new'), `0 64 16 48 ${hex(sealed)} ${nonce}`],
      [seal('same'), `0 64 16 48 ${hex(sealed)} ${nonce}`],
      [seal('new', 0, NO_ZC), `0 64 16 48 ${hex(sealed)} ${nonce}`],
      // Records of TLS are no other to it.
      [seal('new', 0, TLS), `0 64 16 48 ${hex(sealed)} ${nonce}`],
      [open(sealed, 'new'), `0 48 16 48 ${hex(text)} ${nonce}`],
      [open(sealed, 'same'), `0 48 16 48 ${hex(text)} ${nonce}`],
      // Nothing of what was decrypted is given out.
      [open(changed, 'new'), new RegExp(`^${EBADMSG} 64 0 -1 (aa|00){64} ${nonce}$`)],
      [open(changed, 'same'), new RegExp(`^${EBADMSG} 64 0 -1 (${hex(changed)}|(00){48}.*) ${nonce}$`)],
      [open(sealed.subarray(0, 15), 'new'), EINVAL],
      [seal('new', 17), EINVAL],
      [seal('new', 3), EINVAL],
      [seal('bad'), EINVAL],
      [seal('ro'), EINVAL],
      [`auth 0 0 0 0 bad new ${hex(auth)} 0 ${nonce}`, EINVAL],
      [`auth 0 0 0 0 ${hex(text)} new bad 0 ${nonce}`, EFAULT],
      [`auth 0 0 0 0 ${hex(text)} new ${'00'.repeat(4097)} 0 ${nonce}`, EINVAL],
      [`auth 0 0 0 0 ${hex(text)} new ${'00'.repeat(4096)} 0 ${nonce}`, 0],
      [`auth 0 0 0 0 ${hex(text)} new ${hex(auth)} 0 null`, EINVAL],
      [`auth 0 2 0 0 ${hex(text)} new ${hex(auth)} 0 ${ivHex}`, EINVAL],
      // A tag's length sticks.
      [seal('new', 12), `0 60 12 48 ${hex(short)} ${nonce}`],
      [seal('new', 16), EINVAL],
      [seal('new'), `0 60 12 48 ${hex(short)} ${nonce}`],
      [open(short, 'same'), `0 48 12 48 ${hex(text)} ${nonce}`],
      [`auth 0 1 0 0 ${hex(text)} new ${hex(auth)} 0 03${'00'.repeat(15)}`, /^0 64 16 48 /],
      [`auth 0 1 0 0 ${hex(text)} new ${hex(auth)} 0 00${'00'.repeat(15)}`, EINVAL],
      [`auth 0 0 0 0 rand:1:65536 new ${hex(auth)} 0 ${nonce}`, /^0 65548 12 65536 fnv/],
    ]);
  });

  it('authenticates: records of TLS, packets of SRTP', async () => {
    const auth = randomBytes(13);
    const tag = createHmac('sha1', 'k').update(auth).update(text).digest();
    const padded = Buffer.concat([text, tag, Buffer.alloc(12, 11)]);
    const record = encrypt('aes-128-cbc', padded);
    const changed = Buffer.from(record);
    changed[20]! ^= 1;
    const packet = Buffer.concat([auth, text]);
    const sealedPacket = Buffer.concat([auth, encrypt('aes-128-ctr', text)]);
    const packetTag = createHmac('sha1', 'k').update(sealedPacket).digest().subarray(0, 10);
    const srtp = (op: number, data: Buffer, withTag: string) =>
      `srtp 0 1 ${op} 0 ${auth.length} ${text.length} ${hex(data)} ${withTag} 10 ${ivHex}`;
    await play([
      [session(0, AES_CBC, SHA1_HMAC, keyHex, hex('k')), 0],
      [session(1, CTR, SHA1_HMAC, keyHex, hex('k')), 0],
      [session(2, 0, SHA1_HMAC, '-', hex('k')), 0],
      [
        `auth 0 0 ${ENCRYPT} ${TLS} ${hex(text)} same ${hex(auth)} 0 ${ivHex}`,
        `0 80 20 -1 ${hex(record)} ${ivHex}`,
      ],
      [
        `auth 0 0 ${DECRYPT} ${TLS} ${hex(record)} same ${hex(auth)} 0 ${ivHex}`,
        `0 48 20 -1 ${hex(text)} ${ivHex}`,
      ],
      [`auth 0 0 ${DECRYPT} ${TLS} ${hex(changed)} same ${hex(auth)} 0 ${ivHex}`, EBADMSG],
      [`auth 0 0 ${ENCRYPT} ${TLS} ${hex(text)} new ${hex(auth)} 0 ${ivHex}`, EINVAL],
      [`auth 0 2 ${ENCRYPT} ${TLS} ${hex(text)} same ${hex(auth)} 0 null`, EINVAL],
      [srtp(ENCRYPT, packet, 'room'), `0 ${hex(sealedPacket)} ${hex(packetTag)} ${ivHex}`],
      [srtp(DECRYPT, sealedPacket, hex(packetTag)), `0 ${hex(packet)} ${hex(packetTag)} ${ivHex}`],
      [
        srtp(DECRYPT, sealedPacket, '00'.repeat(10)),
        `${EBADMSG} ${hex(sealedPacket)} ${'00'.repeat(10)} ${ivHex}`,
      ],
      [srtp(ENCRYPT, packet, 'null'), EFAULT],
      [`srtp 0 1 0 0 13 48 ${hex(packet)} room 64 ${ivHex}`, EINVAL],
      [`srtp 0 1 0 0 14 48 ${hex(packet)} room 10 ${ivHex}`, EINVAL],
      [`srtp 0 0 0 0 13 48 ${hex(packet)} room 10 ${ivHex}`, EINVAL],
    ]);
  });

  it('works asynchronously: many at once, in order, with poll', async () => {
    const submit = (slot: number, flags = 0, data = hex(text)) =>
      `async 0 ${slot} 0 ${flags} ${data} new null ${ivHex}`;
    const sealed = hex(encrypt('aes-128-cbc', text));
    const [idle, full] = ['0x104', '0x41'];
    await play([
      [session(0, AES_CBC), 0],
      ['poll 0', idle],
      ['fetch 0', EBUSY],
      [submit(0), 0],
      ['await 0', `0 0 ${sealed} - ${ivHex}`],
      ['poll 0', idle],
      ['number 9 123456', 0],
      [submit(9), EINVAL],
      [submit(0, NO_ZC), EINVAL],
      [`async 0 0 0 0 ${hex(text)} bad null ${ivHex}`, EFAULT],
      [submit(0, 0, hex(text.subarray(1))), 0],
      ['await 0', EINVAL],
      ...Array.from({ length: 64 }, (): Step => [submit(0), 0]),
      [submit(0), EBUSY],
      ['free 0 0', 0], // done after all of them
      ['poll 0', full],
      ...Array.from({ length: 64 }, (_, index): Step => ['await 0', `0 ${index + 2} ${sealed} - ${ivHex}`]),
      ['poll 0', idle],
      [session(1, 0, SHA1, '-'), 0],
      [`async 0 1 0 0 ${hex(text)} null room null`, 0],
      ['await 0', `0 66 - ${digestIn64(createHash('sha1').update(text).digest())} -`],
      [session(0, AES_CBC), 0],
      [submit(0), 0],
      [submit(0, 0, 'rand:1:1048576'), 0],
      ['close 0', 0],
    ]);
  });

  it('does what a model does, with random operations', async () => {
    // An average sequence has 30 operations.
    const numRuns = Math.ceil(rounds / 30);
    await fc.assert(
      fc.asyncProperty(operations, (sequence) => play(modelSteps(sequence))),
      { numRuns },
    );
  });

  devCryptoEdgeCases(play);

  it('is used from the command line', async () => {
    const { guest, tool } = machine();
    assert.match(await guest.check([tool, 'list']), /^aes-cbc +cbc\(aes\) +\S+$/m);
    const input = randomBytes(600_000);
    const sealed = encrypt('aes-128-cbc', input);
    // A guest's output is text, so the cipher's goes back through it.
    const script = `${tool} encrypt aes-cbc ${keyHex} ${ivHex} | tee /tmp/sealed | ${tool} digest sha256
      ${tool} decrypt aes-cbc ${keyHex} ${ivHex} </tmp/sealed | ${tool} digest hmac-sha1 ${hex('k')}`;
    const expected = [createHash('sha256').update(sealed), createHmac('sha1', 'k').update(input)];
    const digests = expected.map((hash) => `${hash.digest('hex')}\n`).join('');
    assert.equal(await guest.check(script, { input }), digests);
    const gcm = `${tool} encrypt aes-gcm ${keyHex} | ${tool} decrypt aes-gcm ${keyHex}`;
    assert.equal(await guest.check(gcm, { input: 'a message' }), 'a message');
    // Each message has an IV of its own, before it, and a tag behind it.
    for (const [cipher, added, keyBytes] of [
      ['aes-gcm', 12 + 16, 16],
      ['aes-ccm', 16 + 16, 16],
      ['chacha20-poly1305', 12 + 16, 32],
      ['aes-cbc', 16, 16],
    ] as const) {
      const seal = `${tool} encrypt ${cipher} ${'07'.repeat(keyBytes)}`;
      const sizes = await guest.check(
        `cat >/tmp/m; ${seal} </tmp/m >/tmp/a; ${seal} </tmp/m >/tmp/b; wc -c </tmp/a; ! cmp -s /tmp/a /tmp/b`,
        { input: 'x'.repeat(64) },
      );
      assert.equal(Number(sizes), 64 + added, cipher);
    }
    const speed = await guest.check([tool, 'speed', '-s', '0.05', '-j', '16', 'aes-cbc', '4096', '16']);
    assert.match(
      speed,
      /^aes-cbc +4096 bytes +16 in flight +\d+ op\/s.*\naes-cbc +16 bytes +16 in flight +\d+ op\/s/,
    );
    for (const cipher of ['aes-gcm', 'aes-ccm', 'chacha20-poly1305']) {
      const sealing = await guest.check([tool, 'speed', '-s', '0.05', cipher, '4096']);
      assert.match(sealing, new RegExp(`^${cipher} +4096 bytes +1 in flight +\\d+ op/s`));
    }
    const kept = `echo ${keyHex} >/tmp/key; ${tool} encrypt aes-cbc @/tmp/key ${ivHex} | ${tool} digest sha256`;
    assert.equal(
      await guest.check(kept, { input }),
      `${createHash('sha256').update(sealed).digest('hex')}\n`,
    );
    assert.equal((await guest.run([tool, 'encrypt', 'rot13', '00'])).status, 1);
  });
}
