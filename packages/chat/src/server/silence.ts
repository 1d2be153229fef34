import type { ServerSettings } from './settings.ts';

/** What to do about a client that has been silent. */
export type Verdict = { readonly act: 'nothing' | 'ping' } | { readonly act: 'end'; readonly text: string };

const nothing: Verdict = { act: 'nothing' };

/** Keeps account of when a client was last heard, and judges by the time-outs of the settings. Times are monotonic. */
export class Silence {
  readonly #settings: ServerSettings;
  readonly #openedAt: number;
  #heardAt: number;
  /** When the frame began that has not ended. */
  #frameBegunAt: number | undefined;
  #pinged = false;

  constructor(settings: ServerSettings, now: number) {
    this.#settings = settings;
    this.#openedAt = now;
    this.#heardAt = now;
  }

  /** Milliseconds since it connected. */
  age(now: number): number {
    return now - this.#openedAt;
  }

  /** Something came, or was taken. */
  heard(now: number): void {
    this.#heardAt = now;
    this.#pinged = false;
  }

  /** We are the ones who do not listen: neither silence nor an unfinished frame is its doing. */
  excused(now: number): void {
    this.heard(now);
    if (this.#frameBegunAt !== undefined) this.#frameBegunAt = now;
  }

  /** A frame has come to its end. */
  frameEnded(): void {
    this.#frameBegunAt = undefined;
  }

  /** All that came was looked at; `unfinished` bytes of it are the begin of a frame. */
  looked(unfinished: number): void {
    if (unfinished === 0) this.#frameBegunAt = undefined;
    else this.#frameBegunAt ??= this.#heardAt;
  }

  /** @param writing whether the connection has yet to take what was written: it is not asked for more then */
  judge(now: number, joined: boolean, writing: boolean): Verdict {
    const { helloTimeoutMs, idleTimeoutMs } = this.#settings;
    if (!joined && this.age(now) >= helloTimeoutMs) {
      return { act: 'end', text: `Nobody joined within ${helloTimeoutMs} ms.` };
    }
    if (writing) return nothing;
    if (this.#frameBegunAt !== undefined && now - this.#frameBegunAt >= helloTimeoutMs) {
      return { act: 'end', text: `A frame was begun and not finished within ${helloTimeoutMs} ms.` };
    }
    const silent = now - this.#heardAt;
    if (silent >= idleTimeoutMs) return { act: 'end', text: `Nothing was heard for ${idleTimeoutMs} ms.` };
    if (silent < idleTimeoutMs / 3 || this.#pinged) return nothing;
    this.#pinged = true;
    return { act: 'ping' };
  }
}
