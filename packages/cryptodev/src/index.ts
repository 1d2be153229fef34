export * from './algorithms.ts';
export * from './crypto-device.ts';
export * from './crypto-error.ts';
export type * from './engine.ts';
export * from './engines/create-engine.ts';
