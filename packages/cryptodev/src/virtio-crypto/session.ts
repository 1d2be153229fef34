/** What the sessions of all services have in common: order, and an end. */
import type { Completion } from '../completion.ts';
import type { DataRequest } from './data-request.ts';
import { type SessionPlan, wipePlan } from './session-plan.ts';
import { type ServiceNumber, status } from './wire.ts';

export abstract class Session {
  /** The service whose requests it takes. */
  abstract readonly service: ServiceNumber;
  /** What it was made of, if it is to be made again: its own, wiped when it ends. */
  plan: SessionPlan | undefined;
  /** Settles when the last operation so far has ended; absent when none is under way. */
  #pending: Promise<unknown> | undefined;
  /** Operations that are still waiting must not start. */
  #isAbandoned = false;

  /**
   * Carries out a request after those before it on this session: at once, unless the engine is one that
   * answers later.
   * @returns the status, or `deferred`
   * @throws {CryptoError} what the engine has against it
   */
  run(request: DataRequest): Completion<number> {
    if (this.#pending !== undefined) return this.#hold(this.#pending.then(() => this.#resume(request)));
    const outcome = this.operate(request);
    return typeof outcome === 'number' ? outcome : this.#hold(outcome);
  }

  /** Wipes the keys; after what is under way. */
  close(): Completion<void> {
    if (this.#pending !== undefined) return this.#pending.then(() => this.close());
    this.release();
    if (this.plan !== undefined) wipePlan(this.plan);
    this.plan = undefined;
  }

  /** Operations that have not started never will, and then `close`. */
  abandon(): Completion<void> {
    this.#isAbandoned = true;
    return this.close();
  }

  protected abstract operate(request: DataRequest): Completion<number>;
  protected abstract release(): void;

  #resume(request: DataRequest): Completion<number> {
    return this.#isAbandoned ? status.INVSESS : this.operate(request);
  }

  #hold(outcome: Promise<number>): Promise<number> {
    const settle = (): void => {
      if (this.#pending === settled) this.#pending = undefined;
    };
    const settled: Promise<void> = outcome.then(settle, settle);
    this.#pending = settled;
    return outcome;
  }
}
