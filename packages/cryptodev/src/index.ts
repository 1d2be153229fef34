export * from './algorithms.ts';
export * from './checks.ts';
export * from './crypto-device.ts';
export * from './crypto-error.ts';
export type * from './engine.ts';
export * from './engine-device.ts';
export * from './engines/create-engine.ts';
export * from './probe.ts';
export * from './virtio-cryptodev/index.ts';
