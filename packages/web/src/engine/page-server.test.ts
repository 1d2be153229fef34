import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createInvite, formatServerAddress, parseInvite } from '@skytale/chat/client';
import { PageServer } from './page-server.ts';
import { webCrypto } from './web-crypto.ts';

const crypto = webCrypto();
const at = (transport: 'tcp' | 'tls' | 'ws' | 'wss', host: string, port: number) => ({
  ...{ transport, host, port, path: '' },
});

describe('the page’s server', () => {
  it('is where the page came from', () => {
    for (const [origin, address] of [
      ['https://chat.example.org', 'wss://chat.example.org:443'],
      ['https://chat.example.org:8443', 'wss://chat.example.org:8443'],
      ['http://127.0.0.1:7080', 'ws://127.0.0.1:7080'],
      ['http://[::1]:7080', 'ws://[::1]:7080'],
      ['http://localhost', 'ws://localhost:80'],
    ] as const)
      assert.equal(formatServerAddress(new PageServer(origin).address), address);
  });

  it('is meant by links to its host, and by none to another', () => {
    const server = new PageServer('https://chat.example.org');
    for (const same of [at('tcp', 'chat.example.org', 7000), at('tls', 'Chat.Example.ORG', 7001)])
      assert.equal(server.isAt(same), true);
    assert.equal(server.isAt(at('wss', 'chat.example.org', 443)), true);
    for (const other of [
      at('wss', 'chat.example.org', 444),
      at('tcp', 'example.org', 7000),
      at('tcp', 'chat.example.org.evil.example', 7000),
      at('tcp', '127.0.0.1', 7000),
    ])
      assert.equal(server.isAt(other), false);
    const local = new PageServer('http://localhost:7080');
    for (const host of ['127.0.0.1', '::1', 'localhost'])
      assert.equal(local.isAt(at('tcp', host, 7000)), true);
    assert.equal(local.isAt(at('tcp', '127.0.0.2', 7000)), false);
  });

  it('is in the links to its rooms, which are read as what they were made of', async () => {
    const server = new PageServer('https://chat.example.org');
    const elsewhere = at('tcp', 'chat.example.org', 7000);
    for (const passphrase of [undefined, 'correct horse']) {
      const { invite, keys } = await createInvite(crypto, elsewhere, passphrase);
      keys[Symbol.dispose]();
      const { web, terminal } = server.links(invite);
      assert.equal(web.startsWith('https://chat.example.org/r/'), true, web);
      assert.equal(terminal.startsWith('skytale+wss://chat.example.org:443/'), true, terminal);
      for (const link of [web, terminal])
        assert.deepEqual(await parseInvite(crypto, link), { ...invite, server: server.address });
    }
  });
});
