type Listener<Arguments extends readonly unknown[]> = (...args: Arguments) => void;

/**
 * Events with listeners, as Node's `EventEmitter` has them, where there is no Node: the listeners of an event are called in the order
 * in which they were added. Unlike there, what one throws is not thrown to whoever emits, whose work would be left half done by it: the
 * others are called all the same, and the error goes to `listenerFailed`.
 */
export class Emitter<Events extends Record<keyof Events, readonly unknown[]>> {
  readonly #listeners = new Map<
    keyof Events,
    { readonly listener: Listener<never>; readonly once: boolean }[]
  >();
  readonly #listenerFailed: (error: unknown) => void;

  /** @param listenerFailed called with what a listener threw. Unless given, nobody catches it, which on Node ends the process. */
  constructor(listenerFailed: (error: unknown) => void = throwToNobody) {
    this.#listenerFailed = listenerFailed;
  }

  on<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): this {
    return this.#add(name, listener, false);
  }

  once<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): this {
    return this.#add(name, listener, true);
  }

  /** Takes back the listener that was added last, if it was added several times. */
  off<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): this {
    const listeners = this.#listeners.get(name) ?? [];
    const at = listeners.findLastIndex((entry) => entry.listener === listener);
    if (at !== -1) this.#listeners.set(name, listeners.toSpliced(at, 1));
    return this;
  }

  /**
   * Who is added or taken away meanwhile counts from the next time on.
   * @returns false if a listener threw
   */
  protected emit<Name extends keyof Events>(name: Name, ...args: Events[Name]): boolean {
    const listeners = this.#listeners.get(name) ?? [];
    if (listeners.some(({ once }) => once))
      this.#listeners.set(
        name,
        listeners.filter(({ once }) => !once),
      );
    let returned = true;
    for (const { listener } of listeners) {
      try {
        (listener as unknown as Listener<Events[Name]>)(...args);
      } catch (error) {
        returned = false;
        this.#listenerFailed(error);
      }
    }
    return returned;
  }

  #add<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>, once: boolean): this {
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), { listener, once }]);
    return this;
  }
}

function throwToNobody(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
