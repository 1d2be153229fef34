/** First bytes of requests to the device of worker-device.ts; any other is answered in reverse, at once. */
export const COMMANDS = {
  throw: 0xf0,
  reject: 0xf1,
  exit: 0xf2,
  later: 0xf3,
  never: 0xf4,
  change: 0xf5,
} as const;
export const WORKER_DEVICE = new URL('./worker-device.ts', import.meta.url);
