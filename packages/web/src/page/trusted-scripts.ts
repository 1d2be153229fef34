/** The one policy of Trusted Types: scripts come from where this page does, and nothing makes markup of a text. */

type Policy = { createScriptURL(url: string): string };
type Factory = { createPolicy(name: string, rules: { createScriptURL(url: string): string }): Policy };

/** @throws {TypeError} for a script from elsewhere */
function ownScript(url: string): string {
  if (new URL(url, location.href).origin !== location.origin) throw new TypeError('A script from elsewhere.');
  return url;
}

const factory = (globalThis as { trustedTypes?: Factory }).trustedTypes;
const policy = factory?.createPolicy('skytale', { createScriptURL: ownScript });

/** The address of a script, as the browser takes it for a worker. */
export const trustedScript = (url: string): string => policy?.createScriptURL(url) ?? ownScript(url);
