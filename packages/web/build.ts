/**
 * Builds the page into `dist/`: `node packages/web/build.ts`. The same sources give the same bytes, wherever they lie: names of
 * directories, times and random numbers are in nothing that is written.
 *
 * `assets.json` comes last, with the hash of every other file, so that its age tells whether a build was completed.
 */
import { createHash } from 'node:crypto';
import { globSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { build, type InlineConfig, transformWithOxc } from 'vite';
import type { AssetEntry } from './src/assets.ts';

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.webmanifest': 'application/manifest+json',
  '.wasm': 'application/wasm',
};

/** The first browsers that have all that the page needs; Ed25519 in Web Crypto is the youngest of it. */
const browsers = ['chrome137', 'firefox129', 'safari17.4'];

function pageConfig(root: string, entry: string, outDir: string): InlineConfig {
  const names = {
    entryFileNames: 'assets/[name]-[hash].js',
    chunkFileNames: 'assets/[name]-[hash].js',
    assetFileNames: 'assets/[name]-[hash][extname]',
  };
  return {
    root,
    configFile: false,
    logLevel: 'warn',
    clearScreen: false,
    mode: 'production',
    plugins: [
      svelte({
        configFile: false,
        // Elements are made one by one, not of markup: so the page does without a policy for markup, and nothing can make it parse any.
        compilerOptions: { runes: true, fragments: 'tree', cssHash: ({ hash, css }) => `s${hash(css)}` },
      }),
    ],
    build: {
      outDir,
      emptyOutDir: true,
      target: browsers,
      assetsInlineLimit: 0,
      cssCodeSplit: false,
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
      rolldownOptions: { input: join(root, entry), output: names, checks: { pluginTimings: false } },
    },
    worker: { format: 'es', rolldownOptions: { output: names, checks: { pluginTimings: false } } },
  };
}

/**
 * @param root the directory of this package, or a copy of it
 * @param entry the page, below `root`: tests have others over the same sources
 */
export async function buildPage(
  root: string,
  outDir: string,
  entry = 'index.html',
): Promise<readonly AssetEntry[]> {
  await build(pageConfig(root, entry, outDir));
  const shell = assetsIn(outDir, entry);
  writeFileSync(join(outDir, 'service-worker.js'), await serviceWorker(root, shell));
  const assets = assetsIn(outDir, entry);
  for (const { file, type } of assets) {
    if (!type.startsWith('image/png')) pack(join(outDir, file));
  }
  writeFileSync(join(outDir, 'assets.json'), `${JSON.stringify(assets, undefined, 2)}\n`);
  return assets;
}

function assetsIn(directory: string, entry: string): AssetEntry[] {
  return globSync('**/*', { cwd: directory })
    .filter((file) => file !== 'assets.json' && statSync(join(directory, file)).isFile())
    .sort()
    .map((file) => {
      const type = types[extname(file)];
      if (type === undefined) throw new Error(`${file}: no content type is known for it.`);
      const bytes = readFileSync(join(directory, file));
      const path = file === entry ? '/' : `/${file}`;
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      return { path, file, sha256, size: bytes.length, type };
    });
}

/** Writes it once more, compressed. The best quality takes ten times as long for a tenth less. */
function pack(file: string): void {
  const bytes = readFileSync(file);
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: 9,
    [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
  };
  writeFileSync(`${file}.br`, brotliCompressSync(bytes, { params }));
}

/** The service worker's script. Any change of a file makes another, which is what browsers look for. */
async function serviceWorker(root: string, shell: readonly AssetEntry[]): Promise<string> {
  const source = readFileSync(join(root, 'src/service-worker/service-worker.ts'), 'utf8');
  const { code } = await transformWithOxc(source, 'service-worker.ts');
  const paths = shell.map(({ path }) => path).sort();
  const build = createHash('sha256').update(JSON.stringify(shell)).digest('hex').slice(0, 16);
  return `const SHELL = ${JSON.stringify(paths)};\nconst BUILD = '${build}';\n${code}`;
}

if (import.meta.main) await buildPage(import.meta.dirname, join(import.meta.dirname, 'dist'));
