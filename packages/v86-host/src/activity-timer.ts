/** Tells when nothing has happened for a while. */
export interface ActivityTimer {
  /** Something has happened. */
  note(): void;
  /** Nothing is told any more. */
  stop(): void;
}

/**
 * @param timeout milliseconds; Infinity for never
 * @param onIdle called once nothing was noted for that long, at most for twice that; and again after as much if
 *   it returns false
 */
export function activityTimer(timeout: number, onIdle: () => boolean): ActivityTimer {
  let noted = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let stopped = timeout === Infinity;
  const check = () => {
    timer = undefined;
    const isIdle = !noted && onIdle();
    noted = false;
    if (!isIdle) wait();
  };
  const wait = () => {
    timer = stopped ? undefined : setTimeout(check, timeout);
  };
  return {
    note() {
      if (timer === undefined) wait();
      else noted = true;
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
