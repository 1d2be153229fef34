import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { loadOrder } from './modules.ts';
import { VmError } from './vm-error.ts';

const modulesDep = `kernel/fs/9p/9p.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/fs/netfs/netfs.ko.xz
kernel/net/9p/9pnet.ko.xz:
kernel/fs/netfs/netfs.ko.xz:
kernel/net/9p/9pnet_virtio.ko.xz: kernel/net/9p/9pnet.ko.xz
kernel/arch/x86/crypto/aesni-intel.ko: kernel/crypto/cryptd.ko
kernel/crypto/cryptd.ko:
`;
const builtin = 'kernel/drivers/virtio/virtio_pci.ko\n';
const names = (wanted: string[]) => loadOrder(modulesDep, builtin, wanted).map(({ name }) => name);

describe('the order to load modules in', () => {
  it('has each module once, after what it needs', () => {
    assert.deepEqual(names(['9pnet_virtio', '9p']), ['9pnet', '9pnet_virtio', 'netfs', '9p']);
    assert.equal(loadOrder(modulesDep, builtin, ['9p'])[2]!.path, 'kernel/fs/9p/9p.ko.xz');
  });

  it('leaves out what is built in, and takes - for _', () => {
    assert.deepEqual(names(['virtio-pci', 'aesni_intel']), ['cryptd', 'aesni_intel']);
  });

  it('refuses a module that the kernel does not have', () => {
    const isRefusal = (error: unknown) => error instanceof VmError && error.code === 'not-found';
    assert.throws(() => names(['no_such']), isRefusal);
  });

  it('ends, with all modules and no need after its user, for any dependencies without a circle', () => {
    const graph = fc.array(fc.array(fc.nat(), { maxLength: 4 }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(graph, (rows) => {
        const needs = rows.map((row, index) => (index === 0 ? [] : row.map((need) => need % index)));
        const text = needs.map((row, index) => `m${index}.ko: ${row.map((need) => `m${need}.ko`).join(' ')}`);
        const order = loadOrder(
          text.join('\n'),
          '',
          rows.map((_, index) => `m${rows.length - 1 - index}`),
        );
        const place = new Map(order.map(({ name }, index) => [name, index]));
        assert.equal(place.size, rows.length);
        needs.forEach((row, index) => {
          for (const need of row) assert.ok(place.get(`m${need}`)! < place.get(`m${index}`)!);
        });
      }),
    );
  });

  it('ends for a circle', () => {
    assert.equal(loadOrder('a.ko: b.ko\nb.ko: a.ko\n', '', ['a']).length, 2);
  });
});
