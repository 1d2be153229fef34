/** What the build of the page promises: the same bytes anywhere, little script, and headers that forbid what it does not need. */
import assert from 'node:assert/strict';
import { cpSync, globSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { buildPage } from '../packages/web/build.ts';
import { readEntries, type WebAssets, webAssets } from '../packages/web/src/assets.ts';
import { TemporaryDirectory } from './support/directory.ts';

const repository = join(import.meta.dirname, '..');
/** Script that the room needs, compressed, in bytes. */
const MOST_SCRIPT = 150_000;

/** Builds a copy of the sources that lies in a directory of its own. */
async function buildCopy(directory: string): Promise<string> {
  const copy = join(directory, 'packages/web');
  cpSync(join(repository, 'packages/web'), copy, {
    recursive: true,
    filter: (path) => !/\/(node_modules|dist)$/.test(path),
  });
  cpSync(join(repository, 'tsconfig.json'), join(directory, 'tsconfig.json'));
  symlinkSync(join(repository, 'node_modules'), join(directory, 'node_modules'));
  const out = join(directory, 'out');
  await buildPage(copy, out);
  return out;
}

describe('the build of the page', { timeout: 240_000 }, () => {
  const one = new TemporaryDirectory();
  let built: string;
  let assets: WebAssets;
  before(async () => {
    built = await buildCopy(one.path);
    assets = webAssets(built)!;
  });
  after(() => one[Symbol.dispose]());

  it('gives the same bytes in another directory', async () => {
    using other = new TemporaryDirectory();
    const again = await buildCopy(other.path);
    const files = (directory: string) =>
      globSync('**/*', { cwd: directory })
        .filter((file) => statSync(join(directory, file)).isFile())
        .sort();
    assert.deepEqual(files(again), files(built));
    for (const file of files(built)) {
      assert.ok(readFileSync(join(again, file)).equals(readFileSync(join(built, file))), file);
    }
    for (const file of files(built)) {
      if (/\.(js|css|html)$/.test(file))
        assert.ok(!readFileSync(join(built, file), 'utf8').includes(one.path), file);
    }
  });

  it('needs little script for a room: the page and its engine', () => {
    const scripts = readEntries(built).filter(({ path }) =>
      /^\/assets\/(index|engine\.worker)-[\w-]+\.js$/.test(path),
    );
    assert.equal(scripts.length, 2);
    const sum = scripts.reduce((bytes, { path }) => bytes + assets.get(path)!.brotli!.length, 0);
    assert.ok(sum < MOST_SCRIPT, `${sum} bytes`);
  });

  it('has a page without inline script or style, and nothing from elsewhere', () => {
    const html = Buffer.from(assets.get('/')!.body).toString();
    assert.doesNotMatch(html, /<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc="\/assets\/)/);
    for (const [, url = ''] of html.matchAll(/(?:src|href)="([^"]*)"/g)) assert.match(url, /^\/(?!\/)/);
  });

  it('is served with policies that forbid what it does not need', () => {
    const policyOf = (path: string) => assets.get(path)!.headers['Content-Security-Policy']!;
    const entry = (pattern: RegExp) => readEntries(built).find(({ path }) => pattern.test(path))!.path;
    for (const path of ['/', '/r/MgLziu8HXf7uIAlZMh9Smg']) {
      assert.match(policyOf(path), /default-src 'none'; script-src 'self';/);
      assert.match(policyOf(path), /require-trusted-types-for 'script'; trusted-types skytale$/);
      assert.doesNotMatch(policyOf(path), /unsafe|https?:|\*|data:/);
      assert.equal(assets.get(path)!.headers['Cache-Control'], 'no-cache');
    }
    assert.match(policyOf(entry(/engine\.worker/)), /script-src 'self' 'wasm-unsafe-eval'/);
    assert.doesNotMatch(policyOf(entry(/\.css$/)), /self/);
    assert.match(assets.get(entry(/index-.*\.js$/))!.headers['Cache-Control']!, /immutable/);
    for (const { path } of readEntries(built)) {
      const { headers } = assets.get(path)!;
      assert.equal(headers['Referrer-Policy'], 'no-referrer');
      assert.equal(headers['X-Content-Type-Options'], 'nosniff');
      assert.equal(headers['Cross-Origin-Resource-Policy'], 'same-origin');
    }
    for (const path of [
      '/r/short',
      '/r/MgLziu8HXf7uIAlZMh9Smg/more',
      '/assets.json',
      '/../package.json',
      '/index.html',
      '',
    ]) {
      assert.equal(assets.get(path), undefined, path);
    }
  });

  it('is not served where a file is not what was built, or where nothing was', () => {
    using damaged = new TemporaryDirectory();
    assert.equal(webAssets(damaged.path), undefined);
    cpSync(built, damaged.path, { recursive: true });
    const script = readEntries(built).find(({ path }) => path.endsWith('.js'))!.file;
    writeFileSync(damaged.join(script), `${readFileSync(damaged.join(script), 'utf8')} `);
    assert.throws(() => webAssets(damaged.path), /is not what the build wrote/);
  });
});
