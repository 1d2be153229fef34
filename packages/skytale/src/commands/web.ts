/** `skytale web`: the page for browsers, served by this machine, for the server of a link. */
import { formatServerAddress, formatWebInvite, nodeCrypto, parseInvite, WebRelay } from '@skytale/chat';
import { webAssets } from '@skytale/web/assets';
import { caOf } from '../certificates.ts';
import { CommandError } from '../command-error.ts';
import { explain } from '../explain.ts';
import { readInvite } from '../secrets.ts';
import type { Values } from '../settings.ts';
import { onEndSignal } from '../signals.ts';
import { writeOut } from '../stdio.ts';

type Settings = Values<'port' | 'invite-file' | 'ca-file'>;

export async function web(settings: Settings, argument?: string): Promise<number> {
  const invite = await parseInvite(nodeCrypto(), await readInvite(argument, settings['invite-file']));
  const pages = webAssets();
  if (pages === undefined)
    throw new CommandError('The page is not built: node packages/web/build.ts does so.');
  const end = Promise.withResolvers<void>();
  const stopListening = onEndSignal(() => end.resolve());
  try {
    await using relay = await WebRelay.open({
      server: invite.server,
      pages,
      port: settings.port,
      onUnreachable: (error) => process.stderr.write(`skytale: ${explain(error)}\n`),
      ...caOf(settings),
    });
    const origin = `http://${relay.address.host}:${relay.address.port}`;
    await writeOut(`
  Open in a browser on this machine: ${formatWebInvite(invite, origin)}

  The page comes from this machine; the server ${formatServerAddress(invite.server)} has no part in it. Invite links that it
  shows lead to this machine: pass on the one that you were given instead. Ctrl-C ends it.

`);
    await end.promise;
    return 0;
  } finally {
    stopListening();
  }
}
