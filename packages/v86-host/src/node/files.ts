import { readFile } from 'node:fs/promises';

/** The emulator's WebAssembly code, compiled. */
export async function v86Wasm(): Promise<WebAssembly.Module> {
  const file = new URL('./v86.wasm', import.meta.resolve('v86'));
  return WebAssembly.compile(await readFile(file));
}

/** The script that a guest's initial file system must have as `/init`, beside busybox in `/bin` and modules. */
export function guestInit(): Promise<string> {
  return readFile(new URL('../guest/init.sh', import.meta.url), 'utf8');
}
