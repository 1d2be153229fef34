/** The browser's notifications: asked for by the user, and without a word of what was said, since they stand on locked screens. */
import { shownName } from '@skytale/chat/shown-name';
import type { RoomSummary } from '../engine.ts';

const SETTING = 'skytale.notify';

export type NotifyState = 'on' | 'off' | 'blocked' | 'unavailable';

export function notifyState(): NotifyState {
  if (!('Notification' in window)) return 'unavailable';
  if (Notification.permission === 'denied') return 'blocked';
  return Notification.permission === 'granted' && localStorage.getItem(SETTING) === 'on' ? 'on' : 'off';
}

/** Asks the user where need be. */
export async function setNotify(on: boolean): Promise<NotifyState> {
  if (!on || !('Notification' in window)) localStorage.removeItem(SETTING);
  else if ((await Notification.requestPermission()) === 'granted') localStorage.setItem(SETTING, 'on');
  return notifyState();
}

/** Tells that somebody wrote, unless the user looks at this tab. One for each room: a later one takes its place, also another tab's. */
export function notify({ room, label }: RoomSummary, onClick: () => void): void {
  if (document.visibilityState === 'visible' || notifyState() !== 'on') return;
  const shown = new Notification(shownName(label), {
    body: 'There is something new.',
    tag: room,
    icon: '/icon-192.png',
  });
  shown.onclick = () => {
    window.focus();
    onClick();
    shown.close();
  };
}
