/**
 * What /dev/crypto must do where programs seldom go: all algorithms, the ends of ranges, memory that is not as it
 * should be.
 */
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { it } from 'node:test';
import {
  AES_CBC,
  CTR,
  DECRYPT,
  digestIn64,
  EBADMSG,
  EFAULT,
  EINVAL,
  ENCRYPT,
  encrypt,
  FINAL,
  fnv,
  GCM,
  hex,
  iv,
  ivHex,
  key,
  keyHex,
  NO_ZC,
  NULL,
  pseudoRandom,
  SHA1,
  SHA1_HMAC,
  type Step,
  sealGcm,
  session,
  TLS,
  UPDATE,
  untouched,
  WRITE_IV,
  XTS,
} from './dev-crypto-steps.ts';

/** Ciphers of the API: number, node's name, length of the key, of the IV, and of a block */
const ciphers: readonly (readonly [number, string, number, number, number])[] = [
  [2, 'des-ede3-cbc', 24, 8, 8],
  ...[16, 24, 32].flatMap((length) =>
    (
      [
        [11, 'cbc', 16, 16],
        [21, 'ctr', 16, 1],
        [23, 'ecb', 0, 16],
        [24, 'cfb', 16, 1],
        [25, 'ofb', 16, 1],
      ] as const
    ).map(
      ([number, mode, ivLength, block]) =>
        [number, `aes-${length * 8}-${mode}`, length, ivLength, block] as const,
    ),
  ),
  [22, 'aes-128-xts', 32, 16, 16],
  [22, 'aes-256-xts', 64, 16, 16],
  ...[16, 24, 32].map((length) => [101, `camellia-${length * 8}-cbc`, length, 16, 16] as const),
];
/** Hashes and MACs: number, node's name of the hash, and whether it is keyed */
const macs: readonly (readonly [number, string, boolean])[] = [
  [6, 'md5', true],
  [7, 'sha1', true],
  [8, 'ripemd160', true],
  [13, 'md5', false],
  [14, 'sha1', false],
  [18, 'sha256', true],
  [19, 'sha384', true],
  [20, 'sha512', true],
  [102, 'ripemd160', false],
  [103, 'sha224', false],
  [104, 'sha256', false],
  [105, 'sha384', false],
  [106, 'sha512', false],
  [107, 'sha224', true],
];
/** GCM, CCM, and ChaCha20-Poly1305, which `cryptodev.h` does not have */
const aeads = [50, 51, 112];
/** Of the API, and of no engine here: single DES, Blowfish */
const absent = [1, 3];

/** Registers the cases. @param play carries out steps, after `open 0`, and compares their answers */
export function devCryptoEdgeCases(play: (steps: readonly Step[]) => Promise<void>): void {
  const text = randomBytes(48);

  it('has every cipher, with each length of key', async () => {
    const known = new Set([...ciphers.map(([number]) => number), NULL, ...aeads]);
    const steps: Step[] = [];
    for (const [number, name, keyLength, ivLength, block] of ciphers) {
      // Both halves of an XTS key must differ; those of random ones do.
      const someKey = randomBytes(keyLength);
      const data = block === 1 ? text.subarray(0, 37) : text;
      const someIv = ivLength > 0 ? iv.subarray(0, ivLength) : null;
      const sealed = hex(encrypt(name, data, someKey, someIv));
      steps.push(
        [session(0, number, 0, hex(someKey)), 0],
        [`crypt 0 0 ${ENCRYPT} 0 ${hex(data)} new null ${ivHex}`, `0 ${sealed} - ${ivHex}`],
        [`crypt 0 0 ${DECRYPT} 0 ${sealed} same null ${ivHex}`, `0 ${hex(data)} - ${ivHex}`],
        ['free 0 0', 0],
        [session(0, number, 0, hex(someKey.subarray(1))), EINVAL],
      );
    }
    for (let number = 1; number < 130; number++) {
      if (!known.has(number)) steps.push([session(0, number), EINVAL]);
    }
    for (const number of absent) {
      for (const length of [8, 16]) steps.push([session(0, number, 0, '12'.repeat(length)), EINVAL]);
    }
    await play(steps);
  });

  it('has every hash and MAC', async () => {
    const known = new Set(macs.map(([number]) => number));
    const steps: Step[] = [];
    for (const [number, name, keyed] of macs) {
      for (const macKey of keyed ? [key, Buffer.alloc(0), randomBytes(512)] : [Buffer.alloc(0)]) {
        const state = keyed ? createHmac(name, macKey) : createHash(name);
        const digest = digestIn64(state.update(text).digest());
        const withKey = macKey.length > 0 ? hex(macKey) : '-';
        steps.push(
          [session(0, 0, number, '-', withKey), 0],
          [`crypt 0 0 0 0 ${hex(text)} null room null`, `0 - ${digest} -`],
          ['free 0 0', 0],
        );
      }
    }
    for (let number = 1; number < 130; number++) {
      if (!known.has(number)) steps.push([session(0, 0, number, '-', keyHex), EINVAL]);
    }
    await play(steps);
  });

  it('takes no notice of a key that has no algorithm', () =>
    play([
      [session(0, 0, SHA1, 'bad', '-'), 0],
      [session(1, AES_CBC, 0, keyHex, 'bad'), 0],
      [session(2, AES_CBC, 0, keyHex, `null:${600}`), 0],
      [session(3, GCM, 0, keyHex, 'bad'), EINVAL],
    ]));

  it('does nothing with NULL, and any length of it', () =>
    play([
      [session(0, NULL, 0, '-'), 0],
      [
        `crypt 0 0 0 ${WRITE_IV} ${hex(text.subarray(0, 13))} new null ${ivHex}`,
        `0 ${hex(text.subarray(0, 13))} - ${ivHex}`,
      ],
      [`crypt 0 0 1 0 ${hex(text)} new null null`, `0 ${hex(text)} - -`],
      [session(1, NULL, 0, keyHex), EINVAL],
    ]));

  it('starts from an IV of zeros; gives none where there is no place for it', () => {
    const zeros = hex(encrypt('aes-128-cbc', text, key, Buffer.alloc(16)));
    return play([
      [session(0, AES_CBC), 0],
      [`crypt 0 0 0 ${WRITE_IV} ${hex(text)} new null null`, `0 ${zeros} - -`],
      [
        `crypt 0 0 0 0 ${hex(text)} new null ro:16`,
        `0 ${hex(encrypt('aes-128-cbc', text, key, Buffer.alloc(16)))} - ${'00'.repeat(16)}`,
      ],
      [`crypt 0 0 0 ${WRITE_IV} ${hex(text)} new null ro:16`, EFAULT],
    ]);
  });

  it('copies in one piece: the tweak of XTS goes on over pages', () => {
    const xtsKey = randomBytes(32);
    const sealed = fnv(encrypt('aes-128-xts', pseudoRandom(5, 20_000), xtsKey));
    return play([
      [session(0, XTS, 0, hex(xtsKey)), 0],
      ...[0, NO_ZC].flatMap((flags) =>
        ['same', 'new'].map(
          (place): Step => [
            `crypt 0 0 0 ${flags} rand:5:20000 ${place} null ${ivHex}`,
            `0 ${sealed} - ${ivHex}`,
          ],
        ),
      ),
    ]);
  });

  it('works in memory of any kind', () => {
    const length = 300 * 4096;
    const sealed = `0 ${fnv(encrypt('aes-128-cbc', pseudoRandom(9, length)))} - ${ivHex}`;
    const digest = digestIn64(createHash('sha1').update(Buffer.alloc(20_000)).digest());
    return play([
      [session(0, AES_CBC), 0],
      [session(1, 0, SHA1, '-'), 0],
      // More places than one request may name
      [`crypt 0 0 0 0 apart:9:${length} same null ${ivHex}`, sealed],
      [`crypt 0 0 0 0 apart:9:${length} apart null ${ivHex}`, sealed],
      [`crypt 0 0 0 0 rand:9:${length} apart null ${ivHex}`, sealed],
      [`crypt 0 0 0 ${NO_ZC} apart:9:${length} apart null ${ivHex}`, sealed],
      [`async 0 0 0 0 apart:9:${length} apart null ${ivHex}`, 0],
      ['await 0', `0 0 ${sealed.slice(2)}`],
      // A hash only reads, also where the destination is the same.
      ['crypt 0 1 0 0 ro:20000 same room null', new RegExp(`^0 fnv:\\w+ ${digest} -$`)],
      ['async 0 1 0 0 ro:20000 same room null', 0],
      ['await 0', new RegExp(`^0 1 fnv:\\w+ ${digest} -$`)],
      // Encryption reads its source only.
      [`crypt 0 0 0 0 ro:20000 new null ${ivHex}`, 0],
      [`crypt 0 0 0 0 ro:20000 same null ${ivHex}`, EFAULT],
    ]);
  });

  it('refuses null pointers where there is a length', () =>
    play([
      [session(0, AES_CBC), 0],
      [session(1, 0, SHA1, '-'), 0],
      [session(2, GCM), 0],
      [`crypt 0 0 0 0 null:48 new null ${ivHex}`, EFAULT],
      ['crypt 0 1 0 0 null:48 null room null', EFAULT],
      [`async 0 0 0 0 null:48 new null ${ivHex}`, EFAULT],
      [`auth 0 2 0 0 null:48 new - 0 ${ivHex}`, EINVAL],
      [`auth 0 2 0 0 null new null 0 ${ivHex}`, EINVAL],
      [`auth 0 2 0 0 ${hex(text)} null - 0 ${ivHex}`, EINVAL],
      [`auth 0 2 0 0 ${hex(text)} new null:16 0 ${ivHex}`, EFAULT],
      // Nothing to encrypt, but something to authenticate
      [
        `auth 0 2 0 0 null new ${hex(text)} 0 ${ivHex}`,
        `0 16 16 0 ${hex(sealGcm(Buffer.alloc(0), text))} ${ivHex}`,
      ],
    ]));

  it('gives the struct back, and nothing where that cannot be', () => {
    const sealed = hex(encrypt('aes-128-cbc', text));
    return play([
      [session(0, AES_CBC), 0],
      [`rocrypt 0 0 0 0 ${hex(text)} new null ${ivHex}`, `${EFAULT} ${sealed} - ${ivHex}`],
      // A failure is said without writing to it.
      [`rocrypt 0 0 2 0 ${hex(text)} new null ${ivHex}`, `${EINVAL} ${untouched(48)} - ${ivHex}`],
    ]);
  });

  it('continues a hash with any flag, and drops what CIOCCPHASH brought without', () => {
    const sha = (...parts: Buffer[]) => digestIn64(createHash('sha1').update(Buffer.concat(parts)).digest());
    const part = (slot: number, flags: number) => `crypt 0 ${slot} 0 ${flags} ${hex(text)} null room null`;
    return play([
      [session(0, 0, SHA1, '-'), 0],
      [session(1, 0, SHA1, '-'), 0],
      [part(0, UPDATE), 0],
      [part(0, WRITE_IV), `0 - ${sha(text, text)} -`],
      [part(0, UPDATE), 0],
      ['cphash 0 1 0', 0],
      [part(1, 0), `0 - ${sha(text)} -`],
      ['cphash 0 1 0', 0],
      [part(1, FINAL), `0 - ${sha(text, text)} -`],
    ]);
  });

  it('takes its own length of IV, whatever iv_len says; gives it back', () => {
    const auth = randomBytes(20);
    return play([
      [session(0, GCM), 0],
      [
        `auth 0 0 0 ${WRITE_IV} ${hex(text)} new ${hex(auth)} 0 ${ivHex}`,
        `0 64 16 48 ${hex(sealGcm(text, auth))} ${ivHex}`,
      ],
    ]);
  });

  it('pads records of TLS without a MAC, and tells none of their faults apart', () => {
    const padded = Buffer.concat([text, Buffer.alloc(16, 15)]);
    const record = encrypt('aes-128-cbc', padded);
    const badPadding = encrypt('aes-128-cbc', Buffer.concat([text, Buffer.alloc(16, 16)]));
    const tls = (slot: number, op: number, data: Buffer, tagLength = 0) =>
      `auth 0 ${slot} ${op} ${TLS} ${hex(data) || '-'} same - ${tagLength} ${ivHex}`;
    return play([
      [session(0, AES_CBC), 0],
      [session(1, AES_CBC, SHA1_HMAC, keyHex, keyHex), 0],
      [session(2, CTR, SHA1_HMAC, keyHex, keyHex), 0],
      [tls(0, ENCRYPT, text), `0 64 0 -1 ${hex(record)} ${ivHex}`],
      [tls(0, DECRYPT, record), `0 48 0 -1 ${hex(text)} ${ivHex}`],
      [tls(0, DECRYPT, badPadding), EBADMSG],
      [tls(0, ENCRYPT, text, 1), EINVAL],
      [tls(0, DECRYPT, Buffer.alloc(0)), EINVAL],
      [tls(1, DECRYPT, record), EBADMSG],
      [tls(1, DECRYPT, record.subarray(0, 16)), EBADMSG],
      [tls(1, ENCRYPT, text, 21), EINVAL],
      [tls(1, ENCRYPT, text, 10), /^0 64 10 -1 /],
      [tls(2, ENCRYPT, text), /^0 68 20 -1 /],
    ]);
  });

  it('keeps packets of SRTP within their bounds', () => {
    const packet = randomBytes(320);
    const sealed = Buffer.concat([packet.subarray(0, 256), encrypt('aes-128-ctr', packet.subarray(256))]);
    const tag = hex(createHmac('sha1', key).update(sealed).digest());
    const changed = Buffer.from(sealed);
    changed[300]! ^= 1;
    const srtp = (
      slot: number,
      op: number,
      position: number,
      length: number,
      data: Buffer,
      withTag: string,
    ) => `srtp 0 ${slot} ${op} 0 ${position} ${length} ${hex(data)} ${withTag} 20 ${ivHex}`;
    return play([
      [session(0, CTR, SHA1_HMAC, keyHex, keyHex), 0],
      [session(1, GCM), 0],
      [session(2, 0, SHA1_HMAC, '-', keyHex), 0],
      [srtp(0, ENCRYPT, 256, 64, packet, 'room'), `0 ${hex(sealed)} ${tag} ${ivHex}`],
      [srtp(0, DECRYPT, 256, 64, sealed, tag), `0 ${hex(packet)} ${tag} ${ivHex}`],
      [srtp(0, DECRYPT, 256, 64, changed, tag), `${EBADMSG} ${hex(changed)} ${tag} ${ivHex}`],
      [srtp(0, ENCRYPT, 257, 63, packet, 'room'), EINVAL],
      [srtp(0, ENCRYPT, -1, 64, packet, 'room'), EINVAL],
      [srtp(0, ENCRYPT, 256, 65, packet, 'room'), EINVAL],
      [srtp(0, ENCRYPT, 0, 0xffffffff, packet, 'room'), EINVAL],
      [srtp(0, DECRYPT, 256, 0, packet, tag), EINVAL],
      [srtp(0, DECRYPT, 256, 64, sealed, 'null'), EFAULT],
      [srtp(1, ENCRYPT, 0, 64, packet, 'room'), EINVAL],
      [srtp(2, ENCRYPT, 0, 64, packet, 'room'), EINVAL],
      [srtp(0, ENCRYPT, 0, 64, packet, 'room').replace('srtp', 'srtpto'), EINVAL],
    ]);
  });

  it('says what is wrong with an asynchronous operation when it is fetched', () => {
    const sealed = hex(encrypt('aes-128-cbc', text));
    const last = hex(encrypt('aes-128-cbc', text).subarray(-16));
    return play([
      [session(0, AES_CBC), 0],
      [session(1, GCM), 0],
      [`async 0 0 2 0 ${hex(text)} new null ${ivHex}`, 0],
      ['await 0', `${EINVAL} -1 - - -`],
      [`async 0 0 0 0 ${hex(text)} new null ${ivHex}`, 0],
      ['pollin 0', '0x145'],
      ['await 0', `0 1 ${sealed} - ${ivHex}`],
      [`async 0 0 0 ${WRITE_IV} ${hex(text)} same null ${ivHex}`, 0],
      ['await 0', `0 2 ${sealed} - ${last}`],
      [`async 0 1 0 0 ${hex(text)} new null ${ivHex}`, EINVAL],
    ]);
  });

  it('lets one process fetch what another submitted: its data stay where they were asked for', () => {
    const length = 300 * 4096;
    const sealed = fnv(encrypt('aes-128-cbc', pseudoRandom(4, length)));
    return play([
      [session(0, AES_CBC), 0],
      // Its memory is in more places than one request may name; its IV is written where it is fetched.
      [`async 0 0 0 ${WRITE_IV} apart:4:${length} apart null ${ivHex}`, 0],
      ...Array.from({ length: 63 }, (): Step => [`async 0 0 0 0 ${hex(text)} new null ${ivHex}`, 0]),
      ['handover 0 0', `0 0x4 ${sealed} - ${ivHex}`],
    ]);
  });
}
