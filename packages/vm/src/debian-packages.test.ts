import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mirrorIn } from './debian-mirror.ts';
import { packagesIn } from './debian-packages.ts';

describe("the host's Debian mirror", () => {
  it('is found in one-line sources', () => {
    const text = `# deb http://commented.example/debian bookworm main
deb-src http://source.example/debian bookworm main
deb https://other.example/apt stable-tool main
deb [arch=amd64 signed-by=/k.gpg]  http://mirror.example/debian  bookworm main contrib
`;
    assert.equal(mirrorIn('x.list', text), 'http://mirror.example/debian');
  });

  it('is found in deb822 sources', () => {
    const text = `Types: deb
URIs: https://other.example/node
Suites: nodistro

Enabled: no
Types: deb
URIs: http://disabled.example/debian
Suites: bookworm

Types: deb deb-src
# a comment
URIs: http://mirror.example/debian
Suites: trixie trixie-updates
Components: main
`;
    assert.equal(mirrorIn('x.sources', text), 'http://mirror.example/debian');
  });

  it('is not taken from sources of something else', () => {
    assert.equal(mirrorIn('x.list', 'deb http://archive.example/ubuntu noble main\n'), undefined);
    assert.equal(mirrorIn('x.sources', ''), undefined);
  });
});

describe("apt's list of packages", () => {
  it('gives names and versions, with their epochs', () => {
    const text = `'http://m/q.deb' qemu-system-x86_1%3a7.2+dfsg-7_amd64.deb 8000 MD5Sum:00
'http://m/l.deb' libc6_2.36-9+deb12u9_amd64.deb 2700 SHA256:00
`;
    assert.deepEqual(packagesIn(text), [
      { name: 'qemu-system-x86', version: '1:7.2+dfsg-7' },
      { name: 'libc6', version: '2.36-9+deb12u9' },
    ]);
  });
});
