/** `skytale device`: serves a crypto device to virtual machines until a signal. */
import { resolve } from 'node:path';
import { CommandError, UsageError } from '../command-error.ts';
import { jsonReport, textReport } from '../device/device-report.ts';
import { expositionText, metricsOf, serveMetrics } from '../device/metrics.ts';
import { adviseQemu } from '../device/qemu-advice.ts';
import { serveCrypto } from '../device/served-crypto.ts';
import { openLog } from '../log.ts';
import type { Values } from '../settings.ts';
import { onEndSignal } from '../signals.ts';
import { whenReaderLeaves } from '../stdio.ts';

type Settings = Values<
  | ('model' | 'socket' | 'engine' | 'queues' | 'max-sessions' | 'trust-vmm-memory')
  | ('metrics' | 'json' | 'log-level')
>;

/** @returns the exit code: 0 after a signal */
export async function device(settings: Settings): Promise<number> {
  const { model, engine, queues, metrics } = settings;
  if (model === 'none') throw new UsageError('--model: "none" is for "skytale vm" only.');
  if (settings.socket === undefined) {
    throw new UsageError('--socket PATH is missing: where the virtual machine finds the device.');
  }
  const socket = resolve(settings.socket);
  const end = Promise.withResolvers<void>();
  end.promise.catch(() => {});
  using _endSignals = disposable(onEndSignal(() => end.resolve()));
  whenReaderLeaves(() => {});
  const log = openLog(settings['log-level']);
  using _log = disposable(log.flush);
  const report = settings.json ? jsonReport(model) : textReport(model, log);
  // Until there is something to count: Node would open its debugger.
  let count = () => {};
  using _countSignal = onCountSignal(() => count());

  await using served = await serveCrypto({
    ...{ model, engine, queues, socket },
    maxSessions: settings['max-sessions'],
    trustMemory: settings['trust-vmm-memory'],
    onEvent: (event) => report.event(event),
  });
  served.ended.then(
    () => end.resolve(),
    (cause: Error) => end.reject(new CommandError(cause.message, 1, { cause })),
  );
  count = () => void report.counters(served.counters());
  const labels = { model, socket };
  await using metricsServer =
    metrics && (await serveMetrics(metrics, () => expositionText(metricsOf(served.counters()), labels)));
  const qemu = await adviseQemu(model, socket, queues);
  await report.ready({ model, engine: served.engine, socket, queues, qemu, metricsUrl: metricsServer?.url });
  await end.promise;
  return 0;
}

function onCountSignal(listener: () => void): Disposable {
  process.on('SIGUSR1', listener);
  return disposable(() => process.off('SIGUSR1', listener));
}

function disposable(dispose: () => void): Disposable {
  return { [Symbol.dispose]: dispose };
}
