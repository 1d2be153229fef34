import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createInvite, nodeCrypto, parseServerAddress } from '@skytale/chat';
import { isSecureOrigin, webLink, webOrigin } from './web-links.ts';

test('a web link has room and secret of the invite, behind its own beginning', async () => {
  const { invite, keys } = await createInvite(
    nodeCrypto(),
    parseServerAddress('wss://h.example:443/deep/ws'),
  );
  keys[Symbol.dispose]();
  assert.match(
    webLink('https://chat.example.org', invite),
    /^https:\/\/chat\.example\.org\/r\/[\w-]{22}#[\w-]{43}$/,
  );
});

test('where a browser reaches a server', () => {
  const originOf = (text: string) => webOrigin(parseServerAddress(text));
  assert.equal(originOf('ws://127.0.0.1:7080'), 'http://127.0.0.1:7080');
  assert.equal(originOf('wss://chat.example.org:443'), 'https://chat.example.org');
  assert.equal(originOf('ws://[::1]:7080'), 'http://[::1]:7080');
  assert.equal(originOf('wss://chat.example.org:443/below/ws'), undefined);
  assert.equal(originOf('127.0.0.1:7000'), undefined);
});

test('which pages browsers take for safe', () => {
  for (const origin of ['https://a.example', 'http://127.0.0.1:7080', 'http://localhost', 'http://[::1]:1']) {
    assert.ok(isSecureOrigin(origin), origin);
  }
  for (const origin of [
    'http://a.example',
    'http://192.168.1.7:7080',
    'http://127.example',
    'http://localhost.evil',
  ]) {
    assert.ok(!isSecureOrigin(origin), origin);
  }
});
