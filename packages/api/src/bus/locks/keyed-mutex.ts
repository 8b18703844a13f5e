/** Turns: those of one process who want the same thing stand in line, so that only the first one asks the store. */

import type { BoundedWait } from '../bounded-wait.ts';

/** Lines of waiters, by name. */
export class KeyedMutex {
  readonly #lines = new Map<string, (() => void)[]>();

  /** Resolves, in the order of the calls, with what ends the turn. Rejects when `wait` is over. */
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

  /** One who leaves the line, and passes on a turn given in the same moment. */
  #leave(name: string, waiter: () => void): void {
    const line = this.#lines.get(name) ?? [];
    const place = line.indexOf(waiter);
    if (place >= 0) line.splice(place, 1);
    else this.#releaseMutex(name);
  }
}
