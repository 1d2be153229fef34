/** What the sessions of all services have in common. */
import type { Completion } from '../completion.ts';
import { OrderedSession } from '../ordered-session.ts';
import type { DataRequest } from './data-request.ts';
import { type SessionPlan, wipePlan } from './session-plan.ts';
import { type ServiceNumber, status } from './wire.ts';

export abstract class Session extends OrderedSession {
  /** The service whose requests it takes. */
  abstract readonly service: ServiceNumber;
  /** What it was made of, if it is to be made again: its own, wiped when it ends. */
  plan: SessionPlan | undefined;

  /**
   * Carries out a request after those before it on this session: at once, unless the engine is one that
   * answers later.
   * @returns the status, or `deferred`
   * @throws {CryptoError} what the engine has against it
   */
  run(request: DataRequest): Completion<number> {
    const { pending } = this;
    if (pending === undefined) {
      const outcome = this.operate(request);
      return typeof outcome === 'number' ? outcome : this.hold(outcome);
    }
    return this.hold(pending.then(() => (this.isEnded ? status.INVSESS : this.operate(request))));
  }

  protected abstract operate(request: DataRequest): Completion<number>;
  /** Closes what the engine has of it. */
  protected abstract end(): void;

  protected override release(): void {
    this.end();
    if (this.plan !== undefined) wipePlan(this.plan);
    this.plan = undefined;
  }
}
