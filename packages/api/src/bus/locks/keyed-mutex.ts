/** A FIFO mutex by name: of the waiting callers of one process, only the first asks the store. */

import type { BoundedWait } from '../bounded-wait.ts';

/** Waiting callers by name. */
export class KeyedMutex {
  readonly #waiters = new Map<string, (() => void)[]>();

  /** Acquires the mutex, in the order of the calls. Resolves with its release. Rejects when `wait` ends. */
  async acquire(name: string, wait: BoundedWait): Promise<() => void> {
    wait.throwIfCancelled();
    const waiters = this.#waiters.get(name);
    if (waiters === undefined) {
      this.#waiters.set(name, []);
      return () => this.#release(name);
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    waiters.push(resolve);
    try {
      await wait.race(promise);
    } catch (error) {
      this.#leave(name, resolve);
      throw error;
    }
    return () => this.#release(name);
  }

  #release(name: string): void {
    const next = this.#waiters.get(name)?.shift();
    if (next === undefined) this.#waiters.delete(name);
    else next();
  }

  /** Removes a waiter. If it got the mutex at the same time, the next waiter gets it. */
  #leave(name: string, waiter: () => void): void {
    const waiters = this.#waiters.get(name) ?? [];
    const index = waiters.indexOf(waiter);
    if (index >= 0) waiters.splice(index, 1);
    else this.#release(name);
  }
}
