/** What a browser gets of the client: one file in which nothing is Node's, nor native, and which begins without either. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createContext, runInContext } from 'node:vm';
import { rolldown } from 'rolldown';

const packages = join(import.meta.dirname, '../../..');

/** Bundles a module for browsers. What the bundler finds nowhere remains an import. */
async function bundle(entry: string): Promise<{ code: string; imports: string[]; modules: string[] }> {
  await using build = await rolldown({
    input: join(packages, entry),
    platform: 'browser',
    onLog: () => {},
  });
  const { output } = await build.generate({ format: 'iife', name: 'client', codeSplitting: false });
  const [chunk, ...others] = output;
  assert.deepEqual(others, []);
  return {
    code: chunk.code,
    imports: [...chunk.imports, ...chunk.dynamicImports],
    modules: chunk.moduleIds.filter((id) => id.startsWith('/')),
  };
}

describe('the client, bundled for a browser', () => {
  it('imports nothing, has nothing of the server’s or Node’s in it, and begins where there is neither', async () => {
    const { code, imports, modules } = await bundle('chat/src/client/index.ts');
    assert.deepEqual(imports, []);
    const foreign = modules.filter((id) =>
      /\.node$|\/src\/(server|log)\/|\/client\/(node|testing)\/|node-crypto/.test(id),
    );
    assert.deepEqual(foreign, []);
    assert.doesNotMatch(code, /["'`]node:|\brequire\(/);
    const context = createContext({ TextEncoder, TextDecoder });
    runInContext(`${code}\nglobalThis.client = client;`, context);
    const types = runInContext(
      '[typeof client.ChatClient.open, typeof client.parseInvite, typeof client.openInvite, typeof client.RoomKeys.derive]',
      context,
    );
    assert.deepEqual([...types], Array(4).fill('function'));
  });

  it('would be noticed if it were not', async () => {
    const { imports } = await bundle('chat/src/client/node/state-directory.ts');
    assert.ok(imports.includes('node:sqlite'), `${imports}`);
  });
});
