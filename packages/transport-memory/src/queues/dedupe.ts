/** Ids that were stored, each remembered for a time. */

/** Remembers ids, each with what was stored under it, from the first on for `keepMs`. */
export class DedupeWindow<T> {
  /** In the order in which they were remembered, which is mostly that in which they end. */
  readonly #known = new Map<string, { readonly until: number; readonly value: T }>();

  /** What was stored under `id` within its time; undefined when it is not known. */
  get(id: string): T | undefined {
    const known = this.#known.get(id);
    return known !== undefined && known.until > performance.now() ? known.value : undefined;
  }

  remember(id: string, value: T, keepMs: number): void {
    const at = performance.now();
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

  /** What is known, with the time each is still remembered. */
  *entries(): Iterable<{ readonly id: string; readonly value: T; readonly leftMs: number }> {
    const at = performance.now();
    for (const [id, { until, value }] of this.#known) if (until > at) yield { id, value, leftMs: until - at };
  }
}
