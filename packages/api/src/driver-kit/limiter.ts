/** A concurrency limiter: at most `max` pieces of work at a time, the rest in order of arrival. */

/** Slots for concurrent work. */
export class Limiter {
  readonly #max: number;
  readonly #queued: (() => void)[] = [];
  #whenIdle: (() => void)[] = [];
  #active = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Work that runs and work that waits, relative to `max`. */
  get load(): number {
    return (this.#active + this.#queued.length) / this.#max;
  }

  /** Takes a slot, which the caller must {@link Limiter.release}, if one is free. */
  tryAcquire(): boolean {
    if (this.#active >= this.#max) return false;
    this.#active += 1;
    return true;
  }

  /** Resolves when the caller has a slot, which it must {@link Limiter.release}. Rejects with the signal's reason. */
  acquire(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason);
    if (this.tryAcquire()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const start = (): void => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      const onAbort = (): void => {
        this.#queued.splice(this.#queued.indexOf(start), 1);
        reject(signal.reason);
      };
      this.#queued.push(start);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Frees a slot; the caller that has waited longest gets it. */
  release(): void {
    const next = this.#queued.shift();
    if (next !== undefined) next();
    else this.#active -= 1;
    if (this.#active === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  /** Resolves when no work runs. */
  whenIdle(): Promise<void> {
    return this.#active === 0 ? Promise.resolve() : new Promise((resolve) => this.#whenIdle.push(resolve));
  }
}
