/** Ids that were stored, each remembered for a time. */

import type { Agenda } from './agenda.ts';

/** An id as a snapshot keeps it. */
export type KnownId<T> = readonly [id: string, until: number, value: T];

/** Remembers ids, each with what was stored under it, from the first on for `keepMs`. */
export class DedupeMemory<T> {
  readonly #agenda: Agenda;
  /** In the order in which they were remembered, which is mostly that in which they end. */
  readonly #known = new Map<string, { readonly until: number; readonly value: T }>();

  constructor(agenda: Agenda) {
    this.#agenda = agenda;
  }

  /** What was stored under `id` within its time; undefined when it is not known. */
  get(id: string): T | undefined {
    const known = this.#known.get(id);
    return known !== undefined && known.until > this.#agenda.now ? known.value : undefined;
  }

  remember(id: string, value: T, keepMs: number): void {
    const at = this.#agenda.now;
    for (const [old, { until }] of this.#known) {
      if (until > at) break;
      this.#known.delete(old);
    }
    this.#known.delete(id);
    this.#known.set(id, { until: at + keepMs, value });
  }

  clear(): void {
    this.#known.clear();
  }

  /** What is known, in the order in which it was remembered. */
  *entries(): Iterable<KnownId<T>> {
    for (const [id, { until, value }] of this.#known) if (until > this.#agenda.now) yield [id, until, value];
  }

  restore([id, until, value]: KnownId<T>): void {
    this.#known.set(id, { until, value });
  }
}
