/** The packages as others have them: packed, and installed by npm in a folder of their own, on some version of Node. */
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { cached } from '@skytale/vm';
import { TemporaryDirectory } from './directory.ts';
import { cleanEnvironment } from './programs.ts';

const root = join(import.meta.dirname, '../..');

/**
 * The directory of the program `node` of this version, from npm; fetched once for all runs.
 * @param beside packages that are wanted two directories above it
 */
export async function nodeDirectory(version: string, ...beside: string[]): Promise<string> {
  if (process.version === `v${version}`) return dirname(process.execPath);
  const name = `node-${process.platform}-${process.arch}`;
  const installed = await cached([`${name}-${version}`, ...beside].join('-'), async (directory) => {
    await mkdir(directory);
    await writeFile(join(directory, 'package.json'), '{}');
    await npmInstall(directory, process.env.PATH!, `${name}@${version}`, ...beside);
  });
  return join(installed, 'node_modules', name, 'bin');
}

/** With the user's own settings of npm, and of Node for npm: certificates, proxies. */
async function npmInstall(directory: string, path: string, ...packages: string[]): Promise<void> {
  const args = ['install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error', ...packages];
  const { NODE_OPTIONS: _, ...env } = process.env;
  await promisify(execFile)('npm', args, { cwd: directory, env: { ...env, PATH: path }, timeout: 240_000 });
}

/** A folder outside the repository, with packages installed. */
export class InstalledPackages implements Disposable {
  readonly #directory: TemporaryDirectory;
  /** What programs of the folder are run with: the version of Node is first on the path. */
  readonly env: NodeJS.ProcessEnv;

  private constructor(directory: TemporaryDirectory, env: NodeJS.ProcessEnv) {
    this.#directory = directory;
    this.env = env;
  }

  /**
   * @param node the whole version of Node
   * @param tarballs what is installed, by the names of the packages
   */
  static async install(node: string, tarballs: ReadonlyMap<string, string>): Promise<InstalledPackages> {
    const path = `${await nodeDirectory(node)}:${process.env.PATH}`;
    const installed = new InstalledPackages(new TemporaryDirectory(), cleanEnvironment({ PATH: path }));
    try {
      const { devDependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
      const dependencies = Object.fromEntries([...tarballs].map(([name, file]) => [name, `file:${file}`]));
      const manifest = {
        private: true,
        type: 'module',
        dependencies: { ...dependencies, '@types/node': devDependencies['@types/node'] },
        // What they need of each other is in no registry yet.
        overrides: Object.fromEntries([...tarballs.keys()].map((name) => [name, `$${name}`])),
      };
      await installed.write('package.json', JSON.stringify(manifest));
      await npmInstall(installed.path, path);
      return installed;
    } catch (error) {
      installed[Symbol.dispose]();
      throw error;
    }
  }

  get path(): string {
    return this.#directory.path;
  }

  join(...parts: string[]): string {
    return this.#directory.join(...parts);
  }

  async write(name: string, text: string): Promise<void> {
    await writeFile(this.join(name), text);
  }

  /** Runs a program of the path in the folder. @returns what it has printed @throws {Error} with all of it if it fails */
  async run(file: string, ...args: string[]): Promise<string> {
    const options = { cwd: this.path, env: this.env, timeout: 240_000 };
    const { stdout } = await promisify(execFile)(file, args, options).catch(
      (error: Error & { stdout: string; stderr: string }) => {
        throw new Error(`${error.message}\n${error.stdout}\n${error.stderr}`);
      },
    );
    return stdout;
  }

  [Symbol.dispose](): void {
    this.#directory[Symbol.dispose]();
  }
}
