/** Turns: those of one process who want the same thing stand in line, so that only the first one asks the store. */

import type { Patience } from '../deadline.ts';

/** Lines of waiters, by name. */
export class Turns {
  readonly #lines = new Map<string, (() => void)[]>();

  /** Resolves, in the order of the calls, with what ends the turn. Rejects when `patience` is over. */
  async take(name: string, patience: Patience): Promise<() => void> {
    patience.throwIfCut();
    const line = this.#lines.get(name);
    if (line === undefined) {
      this.#lines.set(name, []);
      return () => this.#pass(name);
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    line.push(resolve);
    try {
      await patience.wait(promise);
    } catch (error) {
      this.#leave(name, resolve);
      throw error;
    }
    return () => this.#pass(name);
  }

  #pass(name: string): void {
    const next = this.#lines.get(name)?.shift();
    if (next === undefined) this.#lines.delete(name);
    else next();
  }

  /** One who leaves the line, and passes on a turn given in the same moment. */
  #leave(name: string, waiter: () => void): void {
    const line = this.#lines.get(name) ?? [];
    const place = line.indexOf(waiter);
    if (place >= 0) line.splice(place, 1);
    else this.#pass(name);
  }
}
