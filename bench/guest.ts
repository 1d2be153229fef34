/**
 * The standard's crypto device in a Linux guest, driven by the kernel's own virtio_crypto: beside QEMU's built-in
 * back end in the same machine, and beside the guest's own processor. One process, one request after the other.
 */
import { CryptoGuest } from './guest/crypto-guest.ts';
import { type BenchOptions, median, type Row } from './row.ts';

const sizes = [1024, 4096, 16_384, 65_536];
const software = 'cbc(aes-generic)';

export async function run({ quick, progress }: BenchOptions): Promise<Row[]> {
  const rounds = quick ? 1 : 5;
  const milliseconds = quick ? 300 : 600;
  progress('guest: booting');
  await using guest = await CryptoGuest.launch(progress);
  const rates: Record<'ours' | 'builtin' | 'software', number[][]> = { ours: [], builtin: [], software: [] };
  for (let round = 0; round < rounds; round++) {
    progress(`guest: round ${round + 1} of ${rounds}`);
    for (const name of ['ours', 'builtin'] as const) {
      rates[name].push(await guest.measureDevice(name, milliseconds, sizes));
    }
    rates.software.push(await guest.measure(software, milliseconds, sizes));
  }
  return sizes.flatMap((size, i) => {
    const [ours, builtin, own] = [rates.ours, rates.builtin, rates.software].map((all) =>
      median(all.map((ofRound) => (ofRound[i]! * size) / 1e6)),
    );
    const row = (peer: string, limit: number): Row => ({
      bench: 'guest',
      case: `cbc(aes) by AF_ALG, 128-bit key, ${size / 1024} KiB`,
      value: ours!,
      unit: 'MB/s',
      peer,
      limit,
      ratio: ours! / limit,
    });
    return [row("QEMU's cryptodev-backend-builtin", builtin!), row(`the guest's ${software}`, own!)];
  });
}
