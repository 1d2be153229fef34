export * from './frame-decoder.ts';
export * from './frames.ts';
export * from './protocol-error.ts';
export * from './signed.ts';
