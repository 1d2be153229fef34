/** Where a crypto device of the kernel is looked for unless a path is given. */
export const cryptodevPaths = ['/dev/crypto', '/dev/cryptodev0'] as const;
