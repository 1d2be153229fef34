import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { cacheDirectory, cached } from './cache.ts';

describe('the cache', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'skytale-cache-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('stands where the environment says', () => {
    assert.equal(cacheDirectory({ SKYTALE_CACHE: '/a/b', XDG_CACHE_HOME: '/c' }), '/a/b');
    assert.equal(cacheDirectory({ XDG_CACHE_HOME: '/c' }), '/c/skytale');
    assert.match(cacheDirectory({}), /\/\.cache\/skytale$/);
  });

  it('makes an entry once', async () => {
    let made = 0;
    const make = async (path: string) => {
      made += 1;
      await writeFile(path, 'content');
    };
    const both = await Promise.all([cached('a/b', make, directory), cached('a/b', make, directory)]);
    const again = await cached('a/b', make, directory);
    assert.deepEqual(new Set([...both, again]), new Set([join(directory, 'a/b')]));
    assert.equal(made, 1);
    assert.equal(await readFile(again, 'utf8'), 'content');
  });

  it('has nothing of an entry that failed, and tries again', async () => {
    const failing = async (path: string) => {
      await mkdir(path);
      await writeFile(join(path, 'half'), '');
      throw new Error('no network');
    };
    await assert.rejects(cached('tree', failing, directory), /no network/);
    assert.deepEqual(await readdir(directory), []);
    await cached('tree', async (path) => void (await mkdir(path)), directory);
    assert.deepEqual(await readdir(directory), ['tree']);
  });

  it('keeps the directory that another process put there meanwhile', async () => {
    const make = async (path: string, final: string) => {
      for (const [place, owner] of [
        [path, 'ours'],
        [final, 'theirs'],
      ] as const) {
        await mkdir(place);
        await writeFile(join(place, 'owner'), owner);
      }
    };
    const tree = await cached('tree', make, directory);
    assert.equal(await readFile(join(tree, 'owner'), 'utf8'), 'theirs');
    assert.deepEqual(await readdir(directory), ['tree']);
  });
});
