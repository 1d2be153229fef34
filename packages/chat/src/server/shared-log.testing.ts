import { MemoryLog } from '../log/memory-log.ts';
import type { Appended, Batch } from '../log/message-log.ts';

/** A log that two servers share; each closes only its own use of it. Every append takes a turn, so that they meet. */
export class SharedLog extends MemoryLog {
  lost = 0;

  override async append(batch: Batch): Promise<Appended> {
    await new Promise((resolve) => setImmediate(resolve));
    const appended = await super.append(batch);
    if (!appended.stored) this.lost += 1;
    return appended;
  }

  override async close(): Promise<void> {}
}
