import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { harmless } from '../names/shown-text.ts';
import { nodeCrypto } from '../node-crypto.ts';
import { anyText } from '../testing/any-text.ts';
import { createInvite, formatInvite, formatWebInvite, openInvite, parseInvite } from './invite.ts';
import { InviteError, type InviteErrorCode } from './invite-error.ts';
import { formatServerAddress, parseServerAddress, type ServerAddress } from './server-address.ts';

const crypto = nodeCrypto();
const server = parseServerAddress('chat.example.org:7000');
const PASSPHRASE = 'correct horse caf\u00e9';
const link = formatInvite((await createInvite(crypto, server)).invite);
const made = await createInvite(crypto, server, PASSPHRASE);
const withPassphrase = formatInvite(made.invite);
const webServer = parseServerAddress('wss://chat.example.org:443');
const webInvite = (await createInvite(crypto, webServer)).invite;
const webLink = formatWebInvite(webInvite)!;

async function codeOf(invite: Promise<unknown>): Promise<InviteErrorCode> {
  try {
    await invite;
  } catch (error) {
    if (error instanceof InviteError) return error.code;
    throw error;
  }
  throw new assert.AssertionError({ message: 'no error' });
}

/** Where ROOM#SECRET begins in a link. */
function startOfRoom(text: string): number {
  return text.lastIndexOf('/', text.indexOf('#')) + 1;
}

describe('an invite', () => {
  for (const address of [
    'chat.example.org:7000',
    '127.0.0.1:1',
    '[2001:db8::1]:65535',
    'ws://chat.example.org:80',
    'wss://chat.example.org:443/team/ws',
  ]) {
    it(`is read back with the server ${address}`, async () => {
      const { invite } = await createInvite(crypto, parseServerAddress(address));
      assert.deepEqual(await parseInvite(crypto, formatInvite(invite)), invite);
      assert.equal(formatServerAddress(invite.server), address);
    });
  }

  it('is read back with a TLS server', async () => {
    const { invite } = await createInvite(crypto, parseServerAddress('chat.example.org:7000', 'tls'));
    assert.match(formatInvite(invite), /^skytales:\/\//);
    assert.deepEqual(await parseInvite(crypto, formatInvite(invite)), invite);
  });

  it('may stand between white space', async () => {
    assert.deepEqual(await parseInvite(crypto, `\n  ${link}\n`), await parseInvite(crypto, link));
  });

  it('gives everybody the same keys', async () => {
    using one = await openInvite(crypto, await parseInvite(crypto, link));
    using other = await openInvite(crypto, await parseInvite(crypto, link));
    assert.deepEqual(one.accessKey.publicKey, other.accessKey.publicKey);
    assert.deepEqual(
      await one.senderKey(new Uint8Array(16), new Uint8Array(32)),
      await other.senderKey(new Uint8Array(16), new Uint8Array(32)),
    );
  });

  for (const [kind, text] of [
    ['random', link],
    ['passphrase', withPassphrase],
    ['random, for a browser,', webLink],
  ] as const) {
    const start = startOfRoom(text);
    const place = fc.integer({ min: start, max: text.length - 1 });
    const character = fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code));

    it(`with a ${kind} secret is refused after any change of one character of room or secret`, async () => {
      await fc.assert(
        fc.asyncProperty(place, character, async (at, other) => {
          fc.pre(text[at] !== other);
          await codeOf(parseInvite(crypto, text.slice(0, at) + other + text.slice(at + 1)));
        }),
        { numRuns: 500 },
      );
    });

    it(`with a ${kind} secret is refused after any loss or doubling of one character of room or secret`, async () => {
      for (let at = start; at < text.length; at += 1) {
        await codeOf(parseInvite(crypto, text.slice(0, at) + text.slice(at + 1)));
        await codeOf(parseInvite(crypto, text.slice(0, at) + text[at] + text.slice(at)));
      }
    });

    it(`with a ${kind} secret that was cut short says so, wherever it was cut`, async () => {
      for (let end = start; end < text.length; end += 1) {
        assert.equal(
          await codeOf(parseInvite(crypto, text.slice(0, end))),
          'INVITE_CUT_SHORT',
          text.slice(0, end),
        );
      }
    });
  }

  it('with the room of another is refused', async () => {
    const other = formatInvite((await createInvite(crypto, server)).invite);
    const mixed = other.slice(0, other.indexOf('#')) + link.slice(link.indexOf('#'));
    assert.equal(await codeOf(parseInvite(crypto, mixed)), 'INVITE_CHANGED');
  });

  it('is told apart from other texts, newer versions and bad addresses', async () => {
    assert.equal(await codeOf(parseInvite(crypto, '')), 'INVITE_NOT_AN_INVITE');
    assert.equal(await codeOf(parseInvite(crypto, 'https://example.org/')), 'INVITE_NOT_AN_INVITE');
    assert.equal(await codeOf(parseInvite(crypto, `${link}${'A'.repeat(5000)}`)), 'INVITE_NOT_AN_INVITE');
    assert.equal(await codeOf(parseInvite(crypto, link.replace('#', '#q.'))), 'INVITE_NEWER_VERSION');
    assert.equal(await codeOf(parseInvite(crypto, link.replace(':7000', ''))), 'INVITE_BAD_ADDRESS');
    assert.equal(await codeOf(parseInvite(crypto, link.replace(':7000', ':70000'))), 'INVITE_BAD_ADDRESS');
  });

  it('never shows its secret in an error', async () => {
    const secret = link.slice(link.indexOf('#') + 1);
    for (const text of [link.replace('#', '#x.'), link.replace(':7000', ''), `${link}A`]) {
      await assert.rejects(
        parseInvite(crypto, text),
        (error: Error) => !error.message.includes(secret.slice(0, 8)),
      );
    }
  });

  it('has no path that a terminal or a shell would obey, and shows none', async () => {
    const { invite } = await createInvite(crypto, parseServerAddress('ws://h:1/path'));
    const good = formatInvite(invite);
    for (const path of [
      '\x1b[2J',
      '\x9b2J',
      '\u202e',
      'a\nb',
      "';id;'",
      '$(id)',
      '`id`',
      '\u2800',
      'é',
      '\\',
    ]) {
      for (const parse of [
        () => parseInvite(crypto, good.replace('/path/', `/${path}/`)),
        async () => parseServerAddress(`ws://h:1/${path}`),
        async () => parseServerAddress(path),
      ]) {
        await assert.rejects(parse, (error: InviteError) => {
          assert.equal(error.code, 'INVITE_BAD_ADDRESS');
          assert.equal(harmless(error.message), error.message);
          return true;
        });
      }
    }
    assert.throws(
      () => parseServerAddress('x'.repeat(5000)),
      ({ message }: Error) => message.length < 300,
    );
  });

  it('never breaks on arbitrary text', async () => {
    await fc.assert(
      fc.asyncProperty(anyText(), async (text) => {
        await codeOf(parseInvite(crypto, `skytale://h:1/${text}`));
        await codeOf(parseInvite(crypto, text));
      }),
    );
  });
});

describe('a link for browsers', () => {
  for (const [address, origin] of [
    ['ws://127.0.0.1:8080', 'http://127.0.0.1:8080'],
    ['ws://chat.example.org:80', 'http://chat.example.org'],
    ['ws://chat.example.org:443', 'http://chat.example.org:443'],
    ['wss://chat.example.org:443', 'https://chat.example.org'],
    ['wss://[2001:db8::1]:443', 'https://[2001:db8::1]'],
    ['wss://[2001:db8::1]:8443', 'https://[2001:db8::1]:8443'],
  ] as const) {
    it(`is ${origin}/r/ROOM#SECRET for ${address}, and leads back there`, async () => {
      const invite = { ...webInvite, server: parseServerAddress(address) };
      const web = formatWebInvite(invite)!;
      assert.equal(web.slice(0, startOfRoom(web)), `${origin}/r/`);
      assert.equal(new URL(web).origin, origin);
      assert.deepEqual(await parseInvite(crypto, ` ${web}\n`), invite);
    });
  }

  it('leads back to where it is from, whatever that is, and is what a browser takes it for', async () => {
    const label = fc.stringMatching(/^[a-z]([a-z0-9-]{0,10}[a-z0-9])?$/);
    const address = fc.record({
      transport: fc.constantFrom<ServerAddress['transport']>('ws', 'wss'),
      host: fc.oneof(
        fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.')),
        fc.ipV4(),
        fc.ipV6(),
      ),
      port: fc.integer({ min: 1, max: 65_535 }),
      path: fc.constant(''),
    });
    await fc.assert(
      fc.asyncProperty(address, async (server) => {
        const invite = { ...webInvite, server: { ...server } };
        const web = formatWebInvite(invite)!;
        assert.deepEqual(await parseInvite(crypto, web), invite);
        const { protocol, pathname, username, port } = new URL(web);
        assert.equal(protocol, server.transport === 'ws' ? 'http:' : 'https:');
        assert.deepEqual([pathname.slice(0, 3), username], ['/r/', '']);
        assert.equal(Number(port) || (server.transport === 'ws' ? 80 : 443), server.port);
      }),
    );
  });

  it('is there only where a browser gets', () => {
    for (const address of ['chat.example.org:7000', 'ws://chat.example.org:80/team/ws']) {
      assert.equal(formatWebInvite({ ...webInvite, server: parseServerAddress(address) }), undefined);
    }
    assert.equal(formatWebInvite({ ...webInvite, server: { ...server, transport: 'tls' } }), undefined);
  });

  it('is refused if it hides where it leads, or leads nowhere', async () => {
    const room = webLink.slice(startOfRoom(webLink));
    for (const authority of [
      'chat.example.org@evil.example',
      'user:password@chat.example.org',
      'chat.example.org:',
      'chat.example.org:0',
      'chat.example.org:65536',
      'chat.example.org:443:443',
      'chat.example.org:0443443',
      'chat.example.org\\@evil.example',
      'chat.ex\u0430mple.org',
      'xn--\u00e9.org',
      'chat%2eexample.org',
      'chat.example.org\u3002evil',
      '2001:db8::1',
      '[2001:db8::1',
      '[evil]',
      '[::1]evil',
      '',
      ' ',
      'x'.repeat(254),
    ]) {
      for (const scheme of ['http', 'https']) {
        const code = await codeOf(parseInvite(crypto, `${scheme}://${authority}/r/${room}`));
        assert.equal(code, 'INVITE_BAD_ADDRESS', authority);
      }
    }
    for (const [path, code] of [
      ['', 'INVITE_NOT_AN_INVITE'],
      ['/r/r', 'INVITE_NOT_AN_INVITE'],
      ['/R', 'INVITE_NOT_AN_INVITE'],
      ['/x/../r', 'INVITE_NOT_AN_INVITE'],
      ['//r', 'INVITE_NOT_AN_INVITE'],
      ['/r?x=', 'INVITE_NOT_AN_INVITE'],
    ] as const) {
      assert.equal(await codeOf(parseInvite(crypto, `https://h${path}/${room}`)), code, path);
    }
    for (const scheme of ['ftp', 'javascript', 'ws', 'wss', 'skytale+http']) {
      const code = await codeOf(parseInvite(crypto, `${scheme}://h:1/r/${room}`));
      assert.equal(code, 'INVITE_NOT_AN_INVITE', scheme);
    }
    for (const cut of ['https://h/r', 'https://h/r/', `https://h/r/${room.slice(0, 9)}`]) {
      assert.equal(await codeOf(parseInvite(crypto, cut)), 'INVITE_CUT_SHORT', cut);
    }
  });

  it('never breaks on arbitrary text', async () => {
    await fc.assert(
      fc.asyncProperty(anyText(), async (text) => {
        await codeOf(parseInvite(crypto, `https://${text}`));
        await codeOf(parseInvite(crypto, `https://h/r/${text}`));
        await codeOf(parseInvite(crypto, `https://${text}/r/${webLink.slice(startOfRoom(webLink))}`));
      }),
    );
  });
});

describe('a passphrase', () => {
  it('opens its room, whatever form its accents have', async () => {
    using again = await openInvite(
      crypto,
      await parseInvite(crypto, withPassphrase),
      'correct horse cafe\u0301',
    );
    assert.deepEqual(again.roomId, made.keys.roomId);
  });

  it('that is wrong is found out without a server', async () => {
    const invite = await parseInvite(crypto, withPassphrase);
    await assert.rejects(openInvite(crypto, invite, 'correct horse Caf\u00e9'), {
      code: 'INVITE_WRONG_PASSPHRASE',
    });
    await assert.rejects(openInvite(crypto, invite), { code: 'INVITE_PASSPHRASE_NEEDED' });
  });

  it('that is short is not taken for a new room', async () => {
    await assert.rejects(createInvite(crypto, server, '1234567'), { code: 'INVITE_PASSPHRASE_TOO_SHORT' });
  });

  it('is not in the link', () => {
    assert.doesNotMatch(withPassphrase, /horse/);
  });
});
