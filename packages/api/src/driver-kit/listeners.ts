/** Listeners of one event. */

import { callListener } from '../contract/promises.ts';
import { checkCallback } from '../contract/validation.ts';

/** Listeners of one event. One that fails changes nothing for the others. */
export class Listeners<T> {
  readonly #all = new Set<(value: T) => unknown>();
  readonly #report: (error: unknown) => void;

  /** `report` gets what a listener throws or rejects with. It never throws. */
  constructor(report: (error: unknown) => void) {
    this.#report = report;
  }

  get size(): number {
    return this.#all.size;
  }

  /** Returns a function that ends this. Throws INVALID_ARGUMENT. */
  add(listener: (value: T) => unknown): () => void {
    checkCallback(listener, 'listener');
    this.#all.add(listener);
    return () => void this.#all.delete(listener);
  }

  /** Calls all of them. Never throws. */
  call(value: T): void {
    for (const listener of this.#all) callListener(() => listener(value), this.#report);
  }

  clear(): void {
    this.#all.clear();
  }
}
