/**
 * The standard's crypto device in a Linux guest, driven by the kernel's own virtio_crypto: beside QEMU's built-in
 * back end in the same machine, and beside the guest's own processor. One process, one request after the other.
 */
import { CryptoGuest } from './guest/crypto-guest.ts';
import { type BenchOptions, median, notMeasured, type Row } from './row.ts';

const sizes = [1024, 4096, 16_384, 65_536];
/** The guest's own: in software, and by the instructions for it, which QEMU emulates without KVM. */
const own = ['cbc(aes-generic)', 'cbc-aes-aesni'];

export async function run({ quick, progress }: BenchOptions): Promise<Row[]> {
  const rounds = quick ? 1 : 15;
  const milliseconds = quick ? 300 : 250;
  progress('guest: booting');
  const launched = await CryptoGuest.launch(progress).catch((reason: unknown) => ({ reason }));
  if ('reason' in launched) return [notMeasured('guest', 'a Linux guest on QEMU 11', launched.reason)];
  await using guest = launched;
  const measures: [string, () => Promise<number[]>][] = [
    ['ours', () => guest.measureDevice('ours', milliseconds, sizes)],
    ["QEMU's cryptodev-backend-builtin", () => guest.measureDevice('builtin', milliseconds, sizes)],
    ...own.map((driver): [string, () => Promise<number[]>] => [
      `the guest's ${driver}`,
      () => guest.measure(driver, milliseconds, sizes),
    ]),
  ];
  const rates = measures.map((): number[][] => []);
  for (let round = 0; round < rounds; round++) {
    progress(`guest: round ${round + 1} of ${rounds}`);
    // Backwards every other time: what comes and goes with time shall not be the first one's or the last one's.
    const places = [...measures.keys()];
    for (const i of round % 2 === 0 ? places : places.reverse()) rates[i]!.push(await measures[i]![1]());
  }
  return sizes.flatMap((size, i) => {
    const [ours, ...peers] = rates.map((all) => median(all.map((ofRound) => (ofRound[i]! * size) / 1e6)));
    return peers.map(
      (limit, n): Row => ({
        bench: 'guest',
        case: `cbc(aes) by AF_ALG, 128-bit key, ${size / 1024} KiB`,
        value: ours!,
        unit: 'MB/s',
        peer: measures[n + 1]![0],
        limit,
        ratio: median(rates[0]!.map((ofRound, round) => ofRound[i]! / rates[n + 1]![round]![i]!)),
      }),
    );
  });
}
