import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { serverSettings } from '@skytale/chat';
import { settingTable } from '@skytale/chat/setting-table';
import { UsageError } from './command-error.ts';
import { resolveSettings, variableOf } from './resolve-settings.ts';
import { serverFlagNames } from './server-flags.ts';
import { serverSettingsOf } from './server-settings.ts';
import {
  formatAddress,
  formatSize,
  formatTime,
  parseAddress,
  parseAddresses,
  parseSize,
  parseTime,
} from './setting-values.ts';
import { type SettingName, settings } from './settings.ts';

describe('settings', () => {
  let directory = '';
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'skytale-settings-'));
  });
  after(() => rmSync(directory, { recursive: true }));
  const config = (content: string): string => {
    const path = join(directory, 'config.json');
    writeFileSync(path, content);
    return path;
  };

  it('come from the flag, then the environment, then the file, then the default', () => {
    const file = config('{"name": "file", "timeout": 5, "follow": true}');
    const names = ['name', 'timeout', 'follow', 'format'] as const;
    const env = { SKYTALE_NAME: 'variable', SKYTALE_TIMEOUT: '6' };
    assert.deepEqual(resolveSettings(names, { name: 'flag' }, env, file), {
      name: 'flag',
      timeout: 6000,
      follow: true,
      format: 'text',
    });
    assert.equal(resolveSettings(['name'], {}, { USER: 'login' }, undefined).name, 'login');
  });

  it('follow the XDG directories', () => {
    const env = { XDG_DATA_HOME: '/d', XDG_STATE_HOME: 'relative' };
    const values = resolveSettings(['data', 'state'], {}, env, undefined);
    assert.equal(values.data, '/d/skytale');
    assert.match(values.state, /^\/.*\/\.local\/state\/skytale$/);
  });

  it('say where a wrong value stands and what it must be', () => {
    const wrong = (flags: Record<string, unknown>, env: Record<string, string>, file?: string) => () =>
      resolveSettings(['listen', 'timeout', 'crypto'], flags, env, file);
    assert.throws(wrong({ listen: 'nowhere' }, {}), /--listen: "nowhere" is not HOST:PORT/);
    assert.throws(
      wrong({}, { SKYTALE_TIMEOUT: '-1' }),
      /SKYTALE_TIMEOUT: "-1" is not a time from 1ms to 24h, like 500ms or 30s/,
    );
    assert.throws(wrong({}, {}, config('{"crypto": "rot13"}')), /"crypto" in .*: "rot13" is none of auto/);
    for (const content of ['[]', '{"lisen": 1}', '{"listen": null}', '{', '3']) {
      assert.throws(wrong({}, {}, config(content)), UsageError, content);
    }
    assert.throws(wrong({}, {}, join(directory, 'none.json')), /--config: There is no file .*none\.json/);
  });

  it('have addresses of every family', () => {
    for (const text of ['127.0.0.1:7000', '[::1]:0', 'example.org:65535']) {
      assert.equal(formatAddress(parseAddress(text)), text);
    }
    assert.deepEqual(parseAddress(':80'), { host: '127.0.0.1', port: 80 });
    assert.deepEqual(parseAddress('80'), { host: '127.0.0.1', port: 80 });
    for (const text of ['', 'host', 'host:', 'host:65536', '::1:70', 'a b:1', '[::1]', 'http://a:1']) {
      assert.throws(() => parseAddress(text), /HOST:PORT/, text);
    }
  });

  it('have sizes and times with units', () => {
    assert.deepEqual(['10', '64K', '10GiB', '0'].map(parseSize), [10, 65_536, 10 * 2 ** 30, 0]);
    assert.deepEqual(['1', '50ms', '10s', '2h'].map(parseTime), [1000, 50, 10_000, 7_200_000]);
    for (const text of ['', '-1', '1X', 'K', '1.5G']) assert.throws(() => parseSize(text), /size/);
    for (const text of ['', '0', '25h', '1d']) assert.throws(() => parseTime(text), /time/);
    for (const text of ['10', '64K', '1G', '0']) assert.equal(formatSize(parseSize(text)), text);
    for (const text of ['50ms', '10s', '90s']) assert.equal(formatTime(parseTime(text)), text);
    assert.deepEqual(parseAddresses('off'), []);
    assert.deepEqual(parseAddresses('[::1]:1, a:2').map(formatAddress), ['[::1]:1', 'a:2']);
  });

  it('of a server mean the same as flags and to the server itself', () => {
    const names = [...serverFlagNames, 'tls-cert', 'tls-key', 'log-level'] as const;
    const valuesOf = (flags: Record<string, string>) => resolveSettings(names, flags, {}, undefined);
    const own = serverSettings(serverSettingsOf(valuesOf({ data: 'skytale-data' })));
    assert.deepEqual(own, serverSettings({}));
    for (const [name, { flag, kind, least, most }] of Object.entries(settingTable)) {
      if (!['size', 'count', 'time'].includes(kind)) continue;
      const unit = kind === 'time' ? 'ms' : '';
      for (const value of [least, most].filter((bound) => bound < Number.MAX_SAFE_INTEGER)) {
        const given = serverSettingsOf(valuesOf({ [flag]: `${value}${unit}` }));
        assert.equal(serverSettings(given)[name as keyof typeof settingTable], value, name);
      }
      for (const value of [least - 1, most + 1]) {
        assert.throws(() => valuesOf({ [flag]: `${value}${unit}` }), UsageError, name);
        assert.throws(() => serverSettings({ [name]: value }), { code: 'SERVER_INVALID_SETTING' });
      }
    }
    assert.deepEqual(serverSettingsOf(valuesOf({ 'trusted-proxies': '::1, 10.0.0.0/8' })).trustedProxies, [
      '::1',
      '10.0.0.0/8',
    ]);
    assert.throws(() => valuesOf({ 'forwarded-header': 'via' }), /is none of none, forwarded/);
  });

  it('have a help text each, a variable of their own, and a default that they accept', () => {
    const names = Object.keys(settings) as SettingName[];
    assert.deepEqual(Object.keys(resolveSettings(names, {}, {}, undefined)), names);
    const variables = Object.keys(settings).map(variableOf);
    assert.equal(new Set(variables).size, variables.length);
    for (const setting of Object.values(settings)) assert.ok(setting.help.length > 5);
  });
});
