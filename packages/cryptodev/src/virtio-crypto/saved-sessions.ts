/**
 * The sessions of a device as they are saved with its machine. An engine gives no key back, so a device that is to
 * be saved keeps, for each session, the plan that it was made of.
 */
import type { Engine } from '../engine.ts';
import type { SlotTable } from '../slot-table.ts';
import { makeSession } from './make-session.ts';
import type { Session } from './session.ts';
import { copyOfPlan, type SessionPlan } from './session-plan.ts';

/** Plain data, for the structured clone algorithm. It holds keys. */
export type SavedSessions = {
  /** How often each place of the table was used: ids that are no more stay unknown. */
  readonly generations: Uint16Array;
  /** Those whose plans were kept. */
  readonly sessions: readonly { readonly id: number; readonly plan: SessionPlan }[];
};

export function saveSessions(table: SlotTable<Session>): SavedSessions {
  const sessions = [...table.entries()].flatMap(([id, { plan }]) =>
    plan === undefined ? [] : [{ id, plan: copyOfPlan(plan) }],
  );
  return { generations: table.generations, sessions };
}

/**
 * Makes the sessions again, and puts them into the table, which must be empty.
 * @throws {RangeError} if this is no state of such a table, or the engine cannot make one of them
 */
export async function restoreSessions(
  table: SlotTable<Session>,
  engine: Engine,
  { generations, sessions }: SavedSessions,
): Promise<void> {
  table.restoreGenerations(generations);
  for (const { id, plan } of sessions) {
    const session = await makeSession(engine, plan);
    if (typeof session === 'number') {
      throw new RangeError(`the engine ${engine.name} cannot make session ${id} of kind ${plan.kind} again`);
    }
    session.plan = copyOfPlan(plan);
    try {
      table.restore(id, session);
    } catch (error) {
      session.close();
      throw error;
    }
  }
}
