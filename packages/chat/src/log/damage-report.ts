import type { Damage, OnDamage } from './sqlite-database.ts';

/** Places that are remembered as told; when there are more, some are told again. */
const REMEMBERED = 10_000;

/** Tells of each damaged place once, however often somebody reads it. O(damaged places of the room) for each time. */
export class DamageReport {
  readonly #onDamage: OnDamage;
  readonly #told = new Map<string, Damage[]>();
  #count = 0;

  constructor(onDamage: OnDamage) {
    this.#onDamage = onDamage;
  }

  tell(damage: Damage): void {
    const key = `${damage.room} ${damage.what}`;
    const told = this.#told.get(key) ?? [];
    if (told.some(({ first, last }) => first <= damage.first && damage.last <= last)) return;
    if (this.#count >= REMEMBERED) {
      this.#told.clear();
      this.#count = 0;
    }
    this.#count += 1;
    this.#told.set(key, [...told, damage]);
    this.#onDamage(damage);
  }
}
