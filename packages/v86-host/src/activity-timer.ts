/** Tells when nothing has happened for a while. */
export interface ActivityTimer {
  /** Something has happened. */
  note(): void;
  /** Nothing is told any more. */
  stop(): void;
}

/**
 * @param timeout milliseconds; Infinity for never
 * @param onIdle called when nothing was noted for so long, and again that much later if it returns false
 */
export function activityTimer(timeout: number, onIdle: () => boolean): ActivityTimer {
  let last = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let stopped = timeout === Infinity;
  const wait = (milliseconds: number) => {
    timer = setTimeout(check, milliseconds);
  };
  const check = () => {
    timer = undefined;
    const left = last + timeout - performance.now();
    if (left > 0) wait(left);
    else if (!onIdle()) wait(timeout);
  };
  return {
    note() {
      last = performance.now();
      if (timer === undefined && !stopped) wait(timeout);
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
