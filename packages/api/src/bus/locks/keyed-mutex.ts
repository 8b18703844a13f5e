/** A FIFO mutex by name: of the waiting callers of one process, only the first asks the store. */

import type { BoundedWait } from '../bounded-wait.ts';

/** Waiting callers by name. */
export class KeyedMutex {
  readonly #lines = new Map<string, (() => void)[]>();

  /** Acquires the mutex, in the order of the calls. Resolves with its release. Rejects when `wait` ends. */
  async acquire(name: string, wait: BoundedWait): Promise<() => void> {
    wait.throwIfCancelled();
    const line = this.#lines.get(name);
    if (line === undefined) {
      this.#lines.set(name, []);
      return () => this.#releaseMutex(name);
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    line.push(resolve);
    try {
      await wait.race(promise);
    } catch (error) {
      this.#leave(name, resolve);
      throw error;
    }
    return () => this.#releaseMutex(name);
  }

  #releaseMutex(name: string): void {
    const next = this.#lines.get(name)?.shift();
    if (next === undefined) this.#lines.delete(name);
    else next();
  }

  /** Removes a waiter. If it got the mutex at the same time, the next waiter gets it. */
  #leave(name: string, waiter: () => void): void {
    const line = this.#lines.get(name) ?? [];
    const place = line.indexOf(waiter);
    if (place >= 0) line.splice(place, 1);
    else this.#releaseMutex(name);
  }
}
