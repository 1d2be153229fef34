import { readFileSync } from 'node:fs';

/** The authorities of the setting ca-file, as the chat client takes them. */
export function caOf(settings: { readonly 'ca-file': string | undefined }): { ca?: string } {
  const file = settings['ca-file'];
  return file === undefined ? {} : { ca: readFileSync(file, 'utf8') };
}
