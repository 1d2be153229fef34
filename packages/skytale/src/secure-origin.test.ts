import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSecureOrigin } from './secure-origin.ts';

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
