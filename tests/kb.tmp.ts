import { debianKernel, buildTree } from '@skytale/vm';
for (const n of ['6.1','6.12','newest','6.1-686'] as const) { const k = await debianKernel(n); console.log(n, k.release, await buildTree(k, ['sparse','libc6-dev'], console.error)); }
