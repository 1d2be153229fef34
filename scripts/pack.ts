/**
 * Makes the packages that npm installs: `npm run pack [DIRECTORY]` writes one `NAME-VERSION.tgz` for each into DIRECTORY (`dist/`).
 *
 * A clone runs TypeScript as it stands; what is installed cannot, because Node strips no types below `node_modules`. So each package is
 * built to plain modules in its `lib/`, beside the place of its `src/`, with the same names and depth: paths that a module finds by
 * `import.meta.url` are the same in both. Nothing is bundled: what a package depends on is installed along with it.
 */
import { execFile } from 'node:child_process';
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { promisify } from 'node:util';
import { importsOf } from './import-graph.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');

/** A package.json, as far as it is looked at here. */
type Manifest = {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly exports?: Readonly<Record<string, string>>;
  readonly bin?: Readonly<Record<string, string>>;
  readonly files?: readonly string[];
  readonly [field: string]: unknown;
};

/** A package of the workspace, where it lies, and what of its sources is built. */
type Source = {
  readonly directory: string;
  readonly manifest: Manifest;
  /** Modules, by their absolute paths. */
  readonly modules: readonly string[];
};

/** The address of a module that is started, not imported: a worker's. */
const started = /new URL\('(\.[^']*)\.ts', import\.meta\.url\)/g;

/** Exports for this workspace's own tests alone. */
const isInternal = (name: string) => name.startsWith('./testing/');

/** The modules of its package that these need, themselves included. */
function closure(entries: readonly string[]): string[] {
  const found = new Set(entries);
  for (const file of found) {
    const source = readFileSync(file, 'utf8');
    const names = importsOf(source).filter((name) => name.startsWith('.') && name.endsWith('.ts'));
    for (const [, name] of source.matchAll(started)) names.push(`${name}.ts`);
    for (const name of names) found.add(resolve(dirname(file), name));
  }
  return [...found];
}

/** The workspace's packages, in the order of their names. */
function sources(): Source[] {
  return globSync(['packages/*/package.json', 'guest/package.json'], { cwd: root })
    .map((file): Source => {
      const directory = join(root, dirname(file));
      const manifest = JSON.parse(readFileSync(join(root, file), 'utf8')) as Manifest;
      const entries = Object.entries(manifest.exports ?? {})
        .filter(([name, target]) => !isInternal(name) && target.endsWith('.ts'))
        .map(([, target]) => join(directory, target));
      if (manifest.bin !== undefined) entries.push(join(directory, 'src/main.ts'));
      return { directory, manifest, modules: closure(entries) };
    })
    .sort((a, b) => (a.manifest.name < b.manifest.name ? -1 : 1));
}

/** Builds the modules of all packages below `directory`, each where it lies in the clone. */
async function compile(packages: readonly Source[], directory: string): Promise<void> {
  const config = join(directory, 'tsconfig.json');
  const compilerOptions = {
    noEmit: false,
    declaration: true,
    sourceMap: true,
    inlineSources: true,
    rewriteRelativeImportExtensions: true,
    rootDir: root,
    outDir: directory,
    typeRoots: [join(root, 'node_modules/@types')],
  };
  const files = packages.flatMap(({ modules }) => modules);
  writeFileSync(
    config,
    JSON.stringify({ extends: join(root, 'tsconfig.json'), compilerOptions, files, include: [] }),
  );
  await run(join(root, 'node_modules/.bin/tsc'), ['-p', config]).catch((error: { stdout: string }) => {
    throw new Error(error.stdout);
  });
}

/** What is installed: the modules' places, and nothing of the workspace's own. */
function published(manifest: Manifest): Manifest {
  const { private: _, devDependencies: __, files: ___, exports, ...rest } = manifest;
  const places = Object.entries(exports ?? {})
    .filter(([name]) => !isInternal(name))
    .map(([name, target]) => {
      if (!target.endsWith('.ts')) return [name, target];
      const stem = target.replace(/^\.\/src\//, './lib/').replace(/\.ts$/, '');
      return [name, { types: `${stem}.d.ts`, default: `${stem}.js` }];
    });
  return {
    ...rest,
    ...(exports !== undefined && { exports: Object.fromEntries(places) }),
    publishConfig: { access: 'public' },
  };
}

/** Puts together in `staging` what one package installs. */
function stage(source: Source, built: string, staging: string): void {
  const { directory, manifest, modules } = source;
  mkdirSync(staging, { recursive: true });
  for (const module of modules) {
    const stem = relative(join(directory, 'src'), module).replace(/\.ts$/, '');
    const from = join(built, relative(root, directory), 'src', stem);
    const to = join(staging, 'lib', stem);
    mkdirSync(dirname(to), { recursive: true });
    // The compiler rewrites what is imported, and this what is started. As many characters, so that source maps stay true.
    const code = readFileSync(`${from}.js`, 'utf8').replace(started, "new URL('$1.js', import.meta.url)");
    if (/\.ts['"`],?\s*import\.meta\.url/.test(code))
      throw new Error(
        `${module} names a module to start in another way than new URL('./NAME.ts', import.meta.url).`,
      );
    writeFileSync(`${to}.js`, code);
    // A command is imported by nobody, and has no types to tell.
    for (const end of manifest.bin === undefined ? ['.d.ts', '.js.map'] : ['.js.map'])
      cpSync(`${from}${end}`, `${to}${end}`);
  }
  // With modules go the files beside them that they read, the launcher, and the page for browsers; without, what the manifest names.
  const files = modules.length > 0 ? ['src/**/*.{sh,json}', 'bin/*', 'dist/**/*.*'] : manifest.files!;
  for (const file of globSync(['README.md', ...files], { cwd: directory }))
    cpSync(join(directory, file), join(staging, file.replace(/^src\b/, 'lib')));
  if (manifest.license === 'Apache-2.0') cpSync(join(root, 'LICENSE'), join(staging, 'LICENSE'));
  writeFileSync(join(staging, 'package.json'), `${JSON.stringify(published(manifest), undefined, 2)}\n`);
}

/**
 * Makes all packages, and needs the page for browsers to be built.
 * @param directory absolute; what it holds is not touched, but for files of the same names
 * @returns the absolute path of each, by the name of its package
 */
export async function packAll(directory: string): Promise<ReadonlyMap<string, string>> {
  if (!existsSync(join(root, 'packages/web/dist/assets.json')))
    throw new Error('There is no page for browsers to pack. Build it first: node packages/web/build.ts');
  const packages = sources();
  const work = await mkdtemp(join(tmpdir(), 'skytale-pack-'));
  try {
    await compile(packages, work);
    const stagings = packages.map((source) => join(work, 'staged', basename(source.directory)));
    packages.forEach((source, at) => {
      stage(source, work, stagings[at]!);
    });
    mkdirSync(directory, { recursive: true });
    await run('npm', ['pack', '--silent', '--pack-destination', directory, ...stagings]);
    const fileOf = ({ name, version }: Manifest) =>
      `${name.replace('@', '').replace('/', '-')}-${version}.tgz`;
    return new Map(packages.map(({ manifest }) => [manifest.name, join(directory, fileOf(manifest))]));
  } finally {
    rmSync(work, { recursive: true });
  }
}

if (import.meta.main) {
  const files = await packAll(resolve(process.argv[2] ?? join(root, 'dist')));
  for (const file of files.values()) console.log(file);
}
