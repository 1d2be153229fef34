import assert from 'node:assert/strict';
import { test } from 'node:test';
import { webOriginOf } from './origin.ts';
import { serverSettings } from './settings.ts';

test('what links begin with is scheme, host and port, and nothing else', () => {
  assert.equal(webOriginOf('https://chat.example.org'), 'https://chat.example.org');
  assert.equal(webOriginOf('HTTP://[::1]:8080/'), 'http://[::1]:8080');
  assert.equal(webOriginOf('https://chat.example.org:443'), 'https://chat.example.org');
  for (const text of [
    'chat.example.org',
    'ws://chat.example.org',
    'https://chat.example.org/path',
    'https://chat.example.org/?a',
    'https://chat.example.org/#a',
    'https://a@chat.example.org',
    'https://',
    '',
  ]) {
    assert.equal(webOriginOf(text), undefined, text);
  }
  assert.equal(serverSettings({ publicUrl: 'https://a.example' }).publicUrl, 'https://a.example');
  assert.throws(() => serverSettings({ publicUrl: 'https://a.example/b' }), /publicUrl/);
});
