export type { Clock } from '../clock.ts';
export type { ServerCrypto } from './access.ts';
export { ChatServer, type ServerParts } from './chat-server.ts';
export type { Counters } from './counters.ts';
export { ServerControl } from './server-control.ts';
export * from './server-error.ts';
export { type Address, type ServerSettings, type ServerSettingsInput, serverSettings } from './settings.ts';
export { keepNewSpaceSmall } from './small-heap.ts';
export type { WebPage, WebPages } from './web-pages.ts';
