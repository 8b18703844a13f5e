/** A condition variable for one event loop. */

/** Callers wait for a change of state and test the state again after it. */
export class Condition {
  #change: PromiseWithResolvers<void> | undefined;

  /** Whether a caller waits. */
  get isAwaited(): boolean {
    return this.#change !== undefined;
  }

  /** Resolves at the next {@link Condition.notify}. */
  wait(): Promise<void> {
    this.#change ??= Promise.withResolvers();
    return this.#change.promise;
  }

  /** Resolves at the next {@link Condition.notify}, or after `ms`. */
  async waitFor(ms: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
    });
    await Promise.race([this.wait(), timeout]);
    clearTimeout(timer);
  }

  /** Wakes all callers that wait. */
  notify(): void {
    const change = this.#change;
    this.#change = undefined;
    change?.resolve();
  }
}
