/** The page opens without the server too: its service worker keeps the page's own files, and nothing else. */
import { trustedScript } from './trusted-scripts.ts';

export function registerServiceWorker(): void {
  if (!window.isSecureContext || !('serviceWorker' in navigator)) return;
  // Without it the page works all the same: some browsers have none in private windows.
  navigator.serviceWorker
    .register(trustedScript('/service-worker.js'), { scope: '/', updateViaCache: 'none' })
    .catch(() => {});
}
