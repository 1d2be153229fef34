/** A server from its start until a signal, for the commands that run one. */
import { ChatServer, keepNewSpaceSmall } from '@skytale/chat';
import { webAssets } from '@skytale/web/assets';
import { openLog } from './log.ts';
import { serverSettingsOf } from './server-settings.ts';
import type { ServerValues } from './server-values.ts';
import { formatAddress } from './setting-values.ts';
import { onEndSignal } from './signals.ts';

/** Where a server listens, as `HOST:PORT`, and whether it has the page for browsers. */
export type Listening = {
  readonly tcp: readonly string[];
  readonly http: readonly string[];
  readonly hasPage: boolean;
};

/**
 * Starts a server, says where it listens, and stops it on a signal, when everything that came in is stored.
 * @returns the exit code
 * @throws {CommandError | ServerError | LogError} if it cannot start, or its storage fails
 */
export async function runServer(
  values: ServerValues,
  whenListening: (listening: Listening) => Promise<void>,
): Promise<number> {
  keepNewSpaceSmall();
  const end = Promise.withResolvers<void>();
  end.promise.catch(() => {});
  const { logger, flush } = openLog(values['log-level']);
  const stopListening = onEndSignal((signal) => {
    logger.info({ signal }, 'ending');
    end.resolve();
  });
  try {
    const pages = values.http.length > 0 ? webAssets() : undefined;
    if (values.http.length > 0 && pages === undefined) {
      logger.warn('there is no page for browsers: it was not built (node packages/web/build.ts)');
    }
    await using server = await ChatServer.start(serverSettingsOf(values), {
      logger,
      onFailure: end.reject,
      ...(pages !== undefined && { pages }),
    });
    const { tcp, http } = server.addresses;
    await whenListening({
      tcp: tcp.map(formatAddress),
      http: http.map(formatAddress),
      hasPage: pages !== undefined,
    });
    await end.promise;
    await server.close();
    return 0;
  } finally {
    stopListening();
    await flush();
  }
}
